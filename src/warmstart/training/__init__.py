"""Fine-tuning: a pretrained model and labelled data become a model of your own.

`finetune` looks up the task's `Trainer` and its options. What all trainers share: `trainer` (the flow), `run` (a folder
that survives a kill), `fit` (the loop), `freeze`, `split`, `schedules`, `page` with `charts` (the report).
Importing this package imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from warmstart.core.options import make
from warmstart.errors import UsageError

if TYPE_CHECKING:
    from warmstart.core.model import Model
    from warmstart.training.options import TrainOptions
    from warmstart.training.trainer import Trainer


class Training(NamedTuple):
    """How a task is trained: its trainer and the options of it, as "module:Class"."""

    trainer: str
    options: str


TRAINERS = {
    "image-classification": Training(
        "warmstart.image.train.classification:ImageClassificationTrainer",
        "warmstart.image.train.options:ImageClassificationOptions",
    ),
    "object-detection": Training(
        "warmstart.image.train.detection:DetectionTrainer",
        "warmstart.image.train.options:DetectionOptions",
    ),
    "image-segmentation": Training(
        "warmstart.image.train.segmentation:SegmentationTrainer",
        "warmstart.image.train.options:SegmentationOptions",
    ),
    "text-classification": Training(
        "warmstart.text.train.classification:TextClassificationTrainer",
        "warmstart.text.train.options:TextClassificationOptions",
    ),
    "token-classification": Training(
        "warmstart.text.train.token_classification:TokenClassificationTrainer",
        "warmstart.text.train.options:EncoderOptions",
    ),
    "question-answering": Training(
        "warmstart.text.train.question_answering:QuestionAnsweringTrainer",
        "warmstart.text.train.options:EncoderOptions",
    ),
    "text-generation": Training(
        "warmstart.text.train.generation:GenerationTrainer",
        "warmstart.text.train.options:GenerationOptions",
    ),
    "speech-recognition": Training(
        "warmstart.speech.train.recognition:RecognitionTrainer",
        "warmstart.speech.train.options:RecognitionOptions",
    ),
    "forecasting": Training(
        "warmstart.series.train.forecasting:ForecastingTrainer",
        "warmstart.series.train.options:ForecastingOptions",
    ),
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
        **options: those of the task's options class (`warmstart.training.options_of(task)`), among them these, which
            all tasks share: `epochs`, `learning_rate`, `batch_size`, `validation`, `patience`, `optimizer`,
            `callbacks`, `seed`, `output`, `name`, `verbose`; and, where they make sense, `freeze`, `augment`,
            `class_weight`, `loss`, `metrics`.

    Returns:
        A model of the task's class, loaded from the bundle; `.history` has the epochs, `.report()` the path of the
        report.

    Raises:
        UsageError: an option is wrong, the data cannot be learned from, or the folder holds something else.
        TrainingError: training cannot go on; what was reached is kept in `output`.
        EngineUnavailableError: TensorFlow is not installed.
    """
    from warmstart.core.compiling import require_tensorflow
    from warmstart.core.loading import load
    from warmstart.core.model import Model

    if isinstance(base, str) and base in SCRATCH:
        task = SCRATCH[base]
    if task is None:
        base = base if isinstance(base, Model) else load(base)
        task = base.entry.task
    checked = make(options_of(task), options, f"Fine-tuning for {task}")
    require_tensorflow("to fine-tune")
    trainer: Trainer[Any] = _class(TRAINERS[task].trainer)(base, checked)
    return trainer.fit(data)


def options_of(task: str) -> type[TrainOptions]:
    """The options class of a task's fine-tuning; without TensorFlow.

    Raises:
        UsageError: the task has no fine-tuning.
    """
    if task not in TRAINERS:
        raise UsageError(
            f"There is no fine-tuning for {task!r}; `ws.load(…).keras` is a Keras model to train yourself."
        )
    options: type[TrainOptions] = _class(TRAINERS[task].options)
    return options


def _class(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
