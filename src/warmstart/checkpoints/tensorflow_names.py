"""Checkpoints that TensorFlow wrote of models whose public layout is PyTorch's: names and axes.

`tf_model.h5` of transformers: `bert/tf_bert_model/bert/encoder/layer_._0/output/dense/kernel:0`,
`.ckpt` of Google's BERT:      `bert/encoder/layer_0/output/dense/kernel`,
here both are:                 `bert.encoder.layer.0.output.dense.weight`;
`.ckpt` of OpenAI's GPT-2:     `model/h0/mlp/c_fc/w`,
here:                          `transformer.h.0.mlp.c_fc.weight`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from operator import itemgetter

import numpy as np

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.derived import Derived, DerivedCheckpoint

TRANSFORMERS = re.compile(r"^(?:[^/]+/)?tf\w*?_(?:model|for_\w+?)(?:_\d+)?/(.+?)(?::0)?$")
"""The scope of the model's class, which comes before the names of its modules."""
VARIABLES = {
    "kernel": "weight",
    "embeddings": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
AXES = {2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 0, 1)}
"""The order of a kernel's axes in PyTorch, from TensorFlow's, by their number."""
BERT: tuple[tuple[str, str], ...] = (
    (r"^cls/predictions/output_bias$", "cls/predictions/bias"),
    (r"^cls/seq_relationship/output_weights$", "cls/seq_relationship/weight"),
    (r"^cls/seq_relationship/output_bias$", "cls/seq_relationship/bias"),
    (r"^output_weights$", "classifier/weight"),
    (r"^output_bias$", "classifier/bias"),
    (r"/layer_(\d+)/", r"/layer/\1/"),
    (r"embeddings/(word|position|token_type)_embeddings$", r"embeddings/\1_embeddings/weight"),
)
GPT2: tuple[tuple[str, str], ...] = (
    (r"^model/h(\d+)/", r"transformer/h/\1/"),
    (r"^model/", "transformer/"),
    (r"/(wte|wpe)$", r"/\1/weight"),
    (r"/[gw]$", "/weight"),
    (r"/b$", "/bias"),
)
STATE = re.compile(r"/adam_[mv]$|/Adam(_1)?$|^global_step$|^beta[12]_power$")
"""Arrays of optimizers."""


def pytorch_names(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with the names and axes of PyTorch; itself if it is not one of those."""
    names = checkpoint.names()
    if checkpoint.layout == "keras-h5":
        modules = {name: match[1] for name in names if (match := TRANSFORMERS.match(name))}
        if not modules or len(modules) < len(names):
            return checkpoint
        new = {name: _transformers(module) for name, module in modules.items()}
        return _renamed(checkpoint, new, "transformers-h5")
    arrays = [name for name in names if not STATE.search(name)]
    rules = BERT if "bert/embeddings/word_embeddings" in names else ()
    rules = GPT2 if "model/wte" in names else rules
    if not rules:
        return checkpoint
    renamed = {}
    for name in arrays:
        renamed[name] = name
        for pattern, replacement in rules:
            renamed[name] = re.sub(pattern, replacement, renamed[name])
    return _renamed(checkpoint, renamed, checkpoint.layout)


def _transformers(name: str) -> str:
    """The modules of a name of transformers: `layer_._0` is an element of a list, `mlm___cls` is
    called `cls`.
    """
    name = re.sub(r"(^|/)[^/]*___", r"\1", name)
    return name.replace("_._", "/").replace("//", "/")


def _renamed(checkpoint: Checkpoint, names: Mapping[str, str], layout: str) -> Checkpoint:
    derived = {}
    for name, inner in names.items():
        *modules, variable = inner.split("/")
        new = ".".join([*modules, VARIABLES.get(variable, variable)])
        shape = checkpoint.shape(name)
        if variable == "kernel" and len(shape) in AXES:
            axes = AXES[len(shape)]
            transposed = tuple(shape[axis] for axis in axes)
            derived[new] = Derived((name,), transposed, partial(np.transpose, axes=axes))
        elif shape[:1] == (1,) and len(shape) == {"bias": 2, "weight": 3}.get(variable):
            derived[new] = Derived((name,), shape[1:], itemgetter(0))
        else:
            derived[new] = Derived((name,), shape, np.asarray)
    return DerivedCheckpoint(checkpoint, derived, layout=layout, keep_others=False)
