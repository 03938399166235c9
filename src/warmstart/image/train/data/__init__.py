"""Reads labelled data in many forms into a `Dataset` of training, validation and test examples."""

from warmstart.image.train.data.examples import Dataset, Examples
from warmstart.image.train.data.reader import read

__all__ = ["Dataset", "Examples", "read"]
