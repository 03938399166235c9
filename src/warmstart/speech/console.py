"""Speech on the command line: transcripts as text or subtitles, and files of generated sound."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from warmstart.core.console import Console, ConsoleOptions
from warmstart.core.options import Option
from warmstart.core.results import Failed
from warmstart.errors import UsageError
from warmstart.speech.results.audio import SUFFIXES, Audio, SavedAudio


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

    def results(self, arguments: Iterable[str], options: Mapping[str, Any]) -> Iterable[Any]:
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
    outputs: ClassVar = ("output",)
    single: ClassVar = frozenset(SUFFIXES)

    def results(self, arguments: Iterable[str], options: Mapping[str, Any]) -> Iterable[Any]:
        files = AudioFiles(Path(self.flags.output or "."), self.model.name)
        return self._saved(super().results(arguments, options), files)

    @staticmethod
    def _saved(results: Iterable[Any], files: AudioFiles) -> Iterator[Any]:
        for index, result in enumerate(results):
            yield result if isinstance(result, Failed) else files.save(result, index)

    def columns(self) -> tuple[str, ...]:
        return SavedAudio.csv_columns()


class AudioFiles:
    """Names for the sounds of one run; no file is overwritten unless it is named.

    Args:
        target: a file of sound, or a folder, which is made.
        model: the first part of names of files in a folder.

    Raises:
        UsageError: the folder cannot be made.
    """

    def __init__(self, target: Path, model: str):
        self.target, self.model = target, model
        self.is_file = target.suffix.lower() in SUFFIXES and not target.is_dir()
        self.folder = target.parent if self.is_file else target
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(f"The folder {self.folder} cannot be made: {reason}.") from error

    def save(self, sound: Audio, index: int) -> SavedAudio:
        """Write the sound of the input of this index.

        Raises:
            UsageError: the target is one file and this is not the first input, or it cannot be
            written.
        """
        if self.is_file and index:
            raise UsageError(
                f"{self.target} is one file, and there are several inputs; give a folder as --output."
            )
        path = self.target if self.is_file else self._unused(f"{self.model}-{_slug(sound.input)}")
        sound.save(path)
        return SavedAudio(sound.samples, sound.sample_rate, sound.input, sound.model, str(path))

    def _unused(self, stem: str) -> Path:
        path, number = self.folder / f"{stem}.wav", 1
        while path.exists():
            number += 1
            path = self.folder / f"{stem}-{number}.wav"
        return path


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "sound"
