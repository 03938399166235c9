"""Labelled data in the forms people have it, as one `Dataset` of training, validation and test examples."""

from warmstart.training.data.examples import Dataset, Examples
from warmstart.training.data.reading import read

__all__ = ["Dataset", "Examples", "read"]
