"""The tasks: each is a class of models in a module of its wing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from warmstart.errors import UsageError

if TYPE_CHECKING:
    from warmstart.core.model import Model

TASKS = {
    "image-classification": ("warmstart.image.classification", "ImageClassifier"),
    "object-detection": ("warmstart.image.detection", "ObjectDetector"),
    "image-segmentation": ("warmstart.image.segmentation", "ImageSegmenter"),
    "text-generation": ("warmstart.text.generation", "TextGenerator"),
    "text-classification": ("warmstart.text.classification", "TextClassifier"),
    "text-embedding": ("warmstart.text.embedding", "TextEmbedder"),
    "token-classification": ("warmstart.text.token_classification", "TokenClassifier"),
    "question-answering": ("warmstart.text.question_answering", "QuestionAnswerer"),
    "fill-mask": ("warmstart.text.fill_mask", "FillMask"),
    "forecasting": ("warmstart.series.forecasting", "Forecaster"),
    "speech-recognition": ("warmstart.speech.recognition", "SpeechRecognizer"),
    "audio-generation": ("warmstart.speech.synthesis", "AudioGenerator"),
}


def task_class(task: str) -> type[Model]:
    """The class of a task.

    Raises:
        UsageError: there is no such task.
    """
    if task not in TASKS:
        raise UsageError(f"There is no task {task!r}; there are: {', '.join(TASKS)}.")
    module, name = TASKS[task]
    return getattr(import_module(module), name)
