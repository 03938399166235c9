"""The catalogue of models: `get` one by name, `search` them by pattern, read their `labels`."""

from warmstart.catalog.entry import Entry, ImagePreprocessing, Label, Metric, WeightFile
from warmstart.catalog.queries import get, labels, search

__all__ = [
    "Entry",
    "ImagePreprocessing",
    "Label",
    "Metric",
    "WeightFile",
    "get",
    "labels",
    "search",
]
