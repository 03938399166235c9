"""Labelled data in the forms people have it, as one `Dataset` of training, validation and test
examples.
"""

from warmstart.image.train.data.examples import Dataset, Examples
from warmstart.image.train.data.reader import read

__all__ = ["Dataset", "Examples", "read"]
