"""Checkpoints: files of named arrays, read without running anything, and put into a model.

`open_checkpoint` reads, `assign` and `fill` fill a `keras.Model`, `model_arrays`, `layout_arrays`
and `save_safetensors` write. A `Layout` says how the public checkpoints of a family name their
arrays.
"""

from warmstart.checkpoints.assign import assign
from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.folded import fill_folded
from warmstart.checkpoints.formats import checkpoint_file, open_checkpoint
from warmstart.checkpoints.layout import Layout, fill, layout_arrays, load_by_name
from warmstart.checkpoints.naming import model_arrays
from warmstart.checkpoints.parts import part_for
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.checkpoints.tflite import TFLiteCheckpoint

__all__ = [
    "Checkpoint",
    "Layout",
    "TFLiteCheckpoint",
    "assign",
    "checkpoint_file",
    "fill",
    "fill_folded",
    "layout_arrays",
    "load_by_name",
    "model_arrays",
    "open_checkpoint",
    "part_for",
    "save_safetensors",
]
