"""Fine-tuning of pretrained models on labelled data.

`finetune` looks up the task's `Trainer` and its options. All trainers share `trainer` (the steps),
`run` (the folder from which a run resumes), `fit` (the loop), `freeze`, `split`, `schedules`, and
`page` with `charts` (the report). Importing this package imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from inspect import signature
from os import PathLike
from typing import TYPE_CHECKING, Any

from warmstart.core.option import unknown_option
from warmstart.core.options import fields_of, make
from warmstart.core.reading import check_exists
from warmstart.core.task import TASKS, Task, task_of
from warmstart.errors import UsageError, documented_in, require

if TYPE_CHECKING:
    from warmstart.core.model import Model


DEFAULT = "default"
"""The base that stands for the default model of the task."""
SCRATCH = {"deepar": "forecasting"}
"""Architectures that are trained from scratch when passed as the base."""


@documented_in("fine-tuning.md#data")
def finetune(
    base: str | PathLike[str] | Model[Any, Any, Any],
    data: Any,
    *,
    task: str | None = None,
    **options: Any,
) -> Model[Any, Any, Any]:
    """Fine-tune a pretrained model on your own labelled data.

    Args:
        base: a name, folder or source as for `ws.load`, or a loaded model; `"deepar"` trains a
            forecaster from scratch; `"default"` is the default model of the task (of image
            classification if no task is named).
        data: the training data; for images a folder of class folders, a CSV, TSV, Parquet or JSONL
            file of paths and labels, a list of (photo, label) pairs, or a `tf.data.Dataset`.
        task: the task to train for; default: that of the base.
        **options: those of the task's options class (see `core.task.Task.train_options`). All
            tasks share `epochs`, `learning_rate`, `batch_size`, `validation`, `patience`,
            `optimizer`, `callbacks`, `seed`, `output`, `name` and `verbose`; some also have
            `freeze`, `augment`, `class_weight`, `loss` and `metrics`.

    Returns:
        A model of the class of the task, loaded from the bundle; `.history` has the epochs,
        `.report()` returns the path of the report.

    Raises:
        UsageError: an option is wrong, the data cannot be used, or the output folder contains
            something else.
        TrainingError: training cannot continue; the last checkpoint stays in `output`.
        MissingPackageError: TensorFlow is not installed.

    Example:
        >>> model = ws.finetune("default", "classes", epochs=0, views=1, output="my-model", verbose=False)
        >>> [label.name for label in model.labels]
        ['cat', 'espresso']
        >>> ws.load("my-model")("photos/cat.jpg").label
        'cat'
        >>> [epoch["fit"] for epoch in model.history], model.report().name
        (['head'], 'report.html')
    """
    from warmstart.core.loading import load
    from warmstart.core.model import Model
    from warmstart.training.run import check_output

    if isinstance(base, str) and base in SCRATCH:
        task = SCRATCH[base]
    if base == DEFAULT:
        base = _default_base(task or "image-classification")
    if task is None:
        check_exists(data)
        if not isinstance(base, Model):
            _check_names(options, TASKS.values(), "Fine-tuning")  # before anything is fetched
            base = load(base)
        task = base.entry.task
    record = task_of(task)
    _check_names(options, [record], f"Fine-tuning for {task}")
    checked = make(record.train_options_class(), options, f"Fine-tuning for {task}")
    check_output(checked.output)
    check_exists(data)
    require("tensorflow", extra="tensorflow", purpose="to fine-tune")
    with documented_in(record.guide):
        return record.trainer_class().of(base, checked).fit(data)


def _check_names(options: Collection[str], tasks: Iterable[Task], owner: str) -> None:
    """Refuse options that none of the tasks has.

    Raises:
        UsageError: an option is unknown; for one of `ws.load` the message says how to use it.
    """
    from warmstart.core.loading import load

    classes = [task.train_options_class() for task in tasks if task.trainer]
    known = dict.fromkeys(name for options_class in classes for name in fields_of(options_class))
    for name in options:
        if name not in known and name in signature(load).parameters:
            raise UsageError(
                f"{owner} has no option {name!r}, which belongs to ws.load: pass the model "
                f"instead of its name, ws.finetune(ws.load(…, {name}=…), data).",
                section="fine-tuning.md#options",
            )
        if name not in known and len(classes) > 1:
            raise UsageError(unknown_option(owner, name, known), section="fine-tuning.md#options")


def _default_base(task: str) -> str:
    name = task_of(task).default_model
    if not name:
        raise UsageError(f"Fine-tuning for {task} needs a base model.")
    return name
