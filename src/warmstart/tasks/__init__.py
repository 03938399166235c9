"""One file per task: preprocess, engine, decode, result. `load` opens models; `TASKS` names the classes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from warmstart.errors import UsageError

if TYPE_CHECKING:
    from warmstart.tasks.base import Model

TASKS = {
    "image-classification": ("image_classification", "ImageClassifier"),
    "object-detection": ("object_detection", "ObjectDetector"),
    "image-segmentation": ("image_segmentation", "ImageSegmenter"),
    "text-generation": ("text_generation", "TextGenerator"),
    "text-classification": ("text_classification", "TextClassifier"),
    "text-embedding": ("text_embedding", "TextEmbedder"),
    "token-classification": ("token_classification", "TokenClassifier"),
    "question-answering": ("question_answering", "QuestionAnswerer"),
    "fill-mask": ("fill_mask", "FillMask"),
}


def task_class(task: str) -> type[Model]:
    """The class of a task.

    Raises:
        UsageError: there is no such task.
    """
    if task not in TASKS:
        raise UsageError(f"There is no task {task!r}; there are: {', '.join(TASKS)}.")
    module, name = TASKS[task]
    return getattr(import_module(f"warmstart.tasks.{module}"), name)
