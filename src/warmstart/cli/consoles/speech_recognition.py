"""Recordings in, text or subtitles out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from warmstart.cli.consoles import Console
from warmstart.errors import UsageError

FORMATS = ("txt", "srt", "vtt", "json")


class SpeechRecognitionConsole(Console):
    """The text of each recording under its name; with a format only what a file of it holds."""

    options: ClassVar = frozenset({"format", "language", "translate", "words", "initial_prompt", "temperature", "seed",
                                  "beam", "vocabulary", "language_model"})
    columns: ClassVar = ("input", "start", "end", "text", "score", "error")
    unit: ClassVar = "recordings"

    def __init__(self) -> None:
        self._format: str | None = None

    def answers(self, model: Any, inputs: Iterator[str], *, format: str | None = None, **options: Any) -> Iterable[Any]:
        if format not in (None, *FORMATS):
            raise UsageError(f"--format is one of {', '.join(FORMATS)}, not {format!r}.")
        self._format = format
        if (vocabulary := options.get("vocabulary")) in ("own", "any"):
            options["vocabulary"] = vocabulary == "own"
        return model(inputs, **options)

    def rows(self, result: Any) -> Iterable[Sequence[Any]]:
        parts = list(result.cues())
        for part in parts:
            yield result.input, f"{part.start:.2f}", f"{part.end:.2f}", part.text, f"{part.score:.6f}", ""
        if not parts:
            yield result.input, "0.00", f"{result.duration:.2f}", result.text, "", ""

    def show(self, result: Any) -> str:
        if self._format is not None:
            if self._format == "json":
                return json.dumps(result.to_dict(), ensure_ascii=False)
            return {"txt": result.text, "srt": result.to_srt(), "vtt": result.to_vtt()}[self._format]
        times = [f"  {_clock(part.start)} - {_clock(part.end)}  {part.text}" for part in result.cues()]
        language = f" ({result.language})" if result.language else ""
        return "\n".join([f"{result.input}{language}", *(times or [f"  {result.text or '(nobody speaks)'}"]), ""])


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60):3}:{seconds % 60:05.2f}"
