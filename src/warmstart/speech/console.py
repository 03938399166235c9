"""Speech on the command line: transcripts as text or subtitles, and files of generated sound."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

from warmstart.core.console import Console, ConsoleOptions
from warmstart.core.input_kind import Argument
from warmstart.core.options import Option
from warmstart.core.output_files import Output, OutputFiles
from warmstart.core.results import Failed
from warmstart.speech.results.audio import SUFFIXES, SavedAudio

SOUNDS = Output("sounds", SUFFIXES, overwrites=False)


@dataclass(frozen=True, kw_only=True)
class TranscriptFlags(ConsoleOptions):
    """Flags of speech recognition."""

    format: Annotated[
        Literal["txt", "srt", "vtt", "json"] | None,
        Option("Write transcripts as txt, srt, vtt or json, and nothing else."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class AudioFlags(ConsoleOptions):
    """Flags of audio generation."""

    output: Annotated[
        str | None,
        Option(
            "A .wav, .flac, .ogg or .mp3 file for one sound, a folder for many; default: the current folder.",
            short="-o",
        ),
    ] = None


class TranscriptConsole(Console):
    """The text of each recording under its name; with a format only what a file of it holds."""

    options: ClassVar = TranscriptFlags
    forms: ClassVar = ("format",)

    def results(self, arguments: Iterable[Argument], options: Mapping[str, Any]) -> Iterable[Any]:
        vocabulary = options.get("vocabulary")
        if vocabulary in ("own", "any"):
            options = {**options, "vocabulary": vocabulary == "own"}
        return super().results(arguments, options)

    def show(self, result: Any) -> str:
        writers = {
            "txt": lambda: result.text,
            "srt": result.to_srt,
            "vtt": result.to_vtt,
            "json": lambda: json.dumps(result.to_dict(), ensure_ascii=False),
            None: result.show,
        }
        text: str = writers[self.flags.format]()
        return text


class AudioConsole(Console):
    """A line for each file that was written."""

    options: ClassVar = AudioFlags
    outputs: ClassVar = MappingProxyType({"output": SOUNDS})

    def results(self, arguments: Iterable[Argument], options: Mapping[str, Any]) -> Iterable[Any]:
        files = OutputFiles(self.flags.output or ".", SOUNDS)
        return self._saved(super().results(arguments, options), files)

    def _saved(self, results: Iterable[Any], files: OutputFiles) -> Iterator[Any]:
        for result in results:
            if isinstance(result, Failed):
                yield result
                continue
            stem = f"{self.model.name}-{_slug(result.input)}"
            path = files.save(stem, result.file_content, result.input)
            yield SavedAudio(
                result.samples, result.sample_rate, result.input, result.model, str(path)
            )

    def columns(self) -> tuple[str, ...]:
        return SavedAudio.csv_columns()


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "sound"
