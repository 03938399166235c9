"""How `warmstart predict` asks each task and shows its answers: one file a task.

`predict` declares the options of all tasks; a console names those that its task takes, and any other
that was given is refused by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, ClassVar

from warmstart.errors import UsageError

CONSOLES = {
    "image-classification": ("image_classification", "ImageClassificationConsole"),
    "object-detection": ("object_detection", "ObjectDetectionConsole"),
    "image-segmentation": ("image_segmentation", "ImageSegmentationConsole"),
    "text-generation": ("text_generation", "TextGenerationConsole"),
    "text-classification": ("text", "TextClassificationConsole"),
    "token-classification": ("text", "TokenClassificationConsole"),
    "question-answering": ("text", "QuestionAnsweringConsole"),
    "fill-mask": ("text", "FillMaskConsole"),
    "text-embedding": ("text", "TextEmbeddingConsole"),
    "forecasting": ("forecasting", "ForecastingConsole"),
    "speech-recognition": ("speech_recognition", "SpeechRecognitionConsole"),
    "audio-generation": ("audio_generation", "AudioGenerationConsole"),
}
"""Task -> (module, class)."""


class Console(ABC):
    """One task on the command line.

    Attributes:
        options: names of the options of `predict` (as in its signature) that the task takes.
        columns: of `--csv`; the last one is "error".
        unit: what is counted, in the plural: "photos".
    """

    options: ClassVar[frozenset[str]]
    columns: ClassVar[tuple[str, ...]]
    unit: ClassVar[str] = "inputs"

    @abstractmethod
    def answers(self, model: Any, inputs: Iterator[str], **options: Any) -> Iterable[Any]:
        """Results and `Failed`s, in order and lazily, for what the user typed.

        Args:
            model: of this task.
            inputs: the arguments; those of `-` come from standard input, one a line.
            **options: those that the user gave.
        """

    def shown(self, model: Any, inputs: Iterator[str], **options: Any) -> Iterator[Any]:
        """What `answers` gives, each result written for a person once it is there, so that a long list streams."""
        from warmstart.core.results import Failed

        for result in self.answers(model, inputs, **options):
            if not isinstance(result, Failed):
                print(self.show(result), flush=True)
            yield result

    @abstractmethod
    def rows(self, result: Any) -> Iterable[Sequence[Any]]:
        """The CSV rows of one result, `columns` wide."""

    @abstractmethod
    def show(self, result: Any) -> str:
        """One result for a person, in lines."""


def console_of(task: str) -> Console:
    """The console of a task.

    Raises:
        UsageError: the command line does not know the task.
    """
    if task not in CONSOLES:
        raise UsageError(f"`warmstart predict` does not know the task {task}; use it from Python.")
    module, name = CONSOLES[task]
    return getattr(import_module(f"{__name__}.{module}"), name)()
