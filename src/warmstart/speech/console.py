"""Speech on the command line: transcripts as text or subtitles, and files of generated sound."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

from warmstart.core.console import Console, ConsoleOptions
from warmstart.core.input_kind import Argument
from warmstart.core.options import Option
from warmstart.core.output_files import CommandInputs, Output, OutputFiles
from warmstart.core.results import Failed
from warmstart.errors import UsageError
from warmstart.speech.results.audio import SUFFIXES, SavedAudio

SOUNDS = Output("sounds", SUFFIXES)
TRANSCRIPTS = Output("transcripts", (".srt", ".vtt", ".txt", ".json"))


@dataclass(frozen=True, kw_only=True)
class TranscriptFlags(ConsoleOptions):
    """Flags of speech recognition."""

    format: Annotated[
        Literal["txt", "srt", "vtt", "json"] | None,
        Option("Write only the transcripts, as txt, srt, vtt or json."),
    ] = None
    output: Annotated[
        str | None,
        Option(
            "A .srt, .vtt, .txt or .json file for one recording, or a folder for several, "
            "with a file in --format (default: srt) for each.",
            short="-o",
        ),
    ] = None
    line_length: Annotated[
        int, Option("Maximum number of characters in a line of subtitles.", ge=1, rare=True)
    ] = 42
    cue_seconds: Annotated[
        float, Option("Maximum number of seconds that a subtitle is shown.", ge=0.001, rare=True)
    ] = 7.0


@dataclass(frozen=True, kw_only=True)
class AudioFlags(ConsoleOptions):
    """Flags of audio generation."""

    output: Annotated[
        str | None,
        Option(
            "A .wav, .flac, .ogg or .mp3 file for one sound, or a folder for several; "
            "default: the current folder.",
            short="-o",
            metavar="PATH",
        ),
    ] = None


class TranscriptConsole(Console):
    """The text of each recording under its name; with a format, only the content of its file."""

    options: ClassVar = TranscriptFlags
    outputs: ClassVar = MappingProxyType({"output": TRANSCRIPTS})
    forms: ClassVar = ("format",)

    @classmethod
    def check(cls, flags: Any, inputs: CommandInputs, *, overwrite: bool = False) -> None:
        super().check(flags, inputs, overwrite=overwrite)
        if flags.output is None or flags.format is None:
            return
        target = Path(flags.output)
        if TRANSCRIPTS.is_file(target) and target.suffix.lower() != f".{flags.format}":
            raise UsageError(
                f"--output {flags.output} and --format {flags.format} contradict each other; leave "
                "out --format."
            )

    def results(self, arguments: Iterable[Argument], options: Mapping[str, Any]) -> Iterable[Any]:
        vocabulary = options.get("vocabulary")
        if vocabulary in ("own", "any"):
            options = {**options, "vocabulary": vocabulary == "own"}
        results = super().results(arguments, options)
        return results if self.flags.output is None else self._saved(results)

    def show(self, result: Any) -> str:
        form = self.flags.format
        return result.show() if form is None else self._file(result, f".{form}")

    def _file(self, result: Any, suffix: str) -> str:
        """The content of a transcript's file."""
        if suffix == ".json":
            return json.dumps(result.to_dict(), ensure_ascii=False)
        if suffix == ".txt":
            text: str = result.text
            return text
        write = result.to_srt if suffix == ".srt" else result.to_vtt
        subtitles: str = write(line_length=self.flags.line_length, seconds=self.flags.cue_seconds)
        return subtitles

    def _saved(self, results: Iterable[Any]) -> Iterator[Any]:
        first = f".{self.flags.format or 'srt'}"
        suffixes = (first, *(suffix for suffix in TRANSCRIPTS.suffixes if suffix != first))
        files = OutputFiles(self.flags.output, replace(TRANSCRIPTS, suffixes=suffixes))
        for result in results:
            if not isinstance(result, Failed):

                def content(suffix: str, result: Any = result) -> bytes:
                    return (self._file(result, suffix).rstrip("\n") + "\n").encode()

                files.save(Path(result.input).stem or "recording", content, result.input)
            yield result
        files.report()


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
