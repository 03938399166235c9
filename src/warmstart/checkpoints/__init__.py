"""Checkpoints: files of named arrays, read without running anything, and put into a model.

`open_checkpoint` reads, `assign` fills a `keras.Model`, `model_arrays`, `save_safetensors` and `save_sliced` write.
"""

from warmstart.checkpoints.assign import assign
from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.formats import checkpoint_file, open_checkpoint
from warmstart.checkpoints.naming import model_arrays
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.checkpoints.slices import save_sliced

__all__ = ["Checkpoint", "assign", "checkpoint_file", "model_arrays", "open_checkpoint", "save_safetensors",
           "save_sliced"]
