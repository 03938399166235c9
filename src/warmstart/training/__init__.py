"""Fine-tuning: a pretrained model and labelled data become a model of your own.

`finetune` finds the task's file here (`image_classification.py`, …), which reads the data and holds the recipe. What
all recipes share: `run` (a folder that survives a kill), `fit` (the loop), `schedules`, `report` with `charts`.
Importing this package imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warmstart.errors import UsageError, require

if TYPE_CHECKING:
    from warmstart.core.model import Model


TRAINERS = {
    "image-classification": "warmstart.image.train.classification",
    "object-detection": "warmstart.image.train.detection",
    "image-segmentation": "warmstart.image.train.segmentation",
    "text-classification": "warmstart.text.train.classification",
    "token-classification": "warmstart.text.train.token_classification",
    "question-answering": "warmstart.text.train.question_answering",
    "text-generation": "warmstart.text.train.generation",
    "speech-recognition": "warmstart.speech.train.recognition",
    "forecasting": "warmstart.series.train.forecasting",
}
SCRATCH = {"deepar": "forecasting"}
"""Architectures that are trained from scratch where they are named as the base."""


def finetune(base: str | Path | Model, data: Any, *, task: str | None = None, **options: Any) -> Model:
    """Train a pretrained model further on your own labelled data.

    Args:
        base: a name, folder or source as `ws.load` takes it, or a model that it returned; `"deepar"` trains a
            forecaster from scratch.
        data: what the task learns from; for images a folder of class folders, a CSV, TSV, Parquet or JSONL file of
            paths and labels, a list of (photo, label) pairs, or a `tf.data.Dataset`.
        task: what the result does; default: what the base does.
        **options: the task's own, and these, which all tasks share where they make sense:
            validation: data like `data`, or the share of `data` that is kept for it.
            epochs: how often all of `data` is seen.
            head: Keras layers in place of the usual last ones.
            freeze: how much of the base stays as it is.
            optimizer, loss, metrics, callbacks: as `keras.Model.compile` and `fit` take them.
            augment: whether the training data is varied, or how.
            seed: of everything random; the same seed gives the same model on the same machine.
            output: a folder, new or empty, for the bundle and its report. While training it holds checkpoints: the
                same call with the same folder resumes after a kill. Default: a temporary folder.

    Returns:
        A model of the task's class, loaded from the bundle; `.history` tells the epochs, `.report()` where the
        report lies.

    Raises:
        UsageError: an option is wrong, the data cannot be learned from, or the folder holds something else.
        TrainingError: training cannot go on; what was reached is kept in `output`.
        MissingPackageError: TensorFlow is not installed.
    """
    from warmstart.core.loading import load
    from warmstart.core.model import Model

    require("tensorflow", extra="tensorflow", purpose="to fine-tune")
    if base in SCRATCH:
        task = SCRATCH[str(base)]
    if task is None:
        base = base if isinstance(base, Model) else load(base)
        task = base.entry.task
    recipe = recipe_of(task)
    known = signature(recipe).parameters
    checks = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())  # what it takes itself
    for name in options:
        if name not in known and not checks:
            raise UsageError(f"Fine-tuning for {task} takes no option {name!r}; it takes {', '.join([*known][2:])}.")
    return recipe(base, data, **options)


def recipe_of(task: str) -> Callable[..., Model]:
    """The `finetune(base, data, **options)` of a task.

    Raises:
        UsageError: there is none.
    """
    if task not in TRAINERS:
        raise UsageError(f"There is no fine-tuning for {task!r}; `ws.load(…).keras` is a Keras model to train by hand.")
    return import_module(TRAINERS[task]).finetune


def open_base(base: str | Path | Model, task: str | None = None) -> Model:
    """The model to start from: `base` itself, or what `ws.load` opens."""
    from warmstart.core.loading import load
    from warmstart.core.model import Model

    return base if isinstance(base, Model) else load(base, task=task)
