"""What shall be said in, files of sound out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from warmstart.cli.consoles import Console
from warmstart.core.results import Failed
from warmstart.errors import UsageError

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")


@dataclass(frozen=True)
class Written:
    """A sound and the file that it was written to."""

    sound: Any
    path: Path

    def to_dict(self) -> dict[str, Any]:
        return {**self.sound.to_dict(), "file": str(self.path)}


class AudioGenerationConsole(Console):
    """A line for each file that was written."""

    options: ClassVar = frozenset({"temperature", "seed", "speaker", "seconds", "output"})
    columns: ClassVar = ("input", "file", "seconds", "sample_rate", "error")
    unit: ClassVar = "sounds"

    def answers(self, model: Any, inputs: Iterator[str], *, output: str | None = None, **options: Any) -> Iterable[Any]:
        target = Path(output or ".")
        is_file = target.suffix.lower() in SUFFIXES and not target.is_dir()
        folder = target.parent if is_file else target
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"The folder {folder} cannot be made: {error.strerror or error}.") from error
        for place, sound in enumerate(model(inputs, **options)):
            if isinstance(sound, Failed):
                yield sound
                continue
            if is_file and place:
                raise UsageError(f"{target} is one file, and there are several inputs; give a folder as --output.")
            path = target if is_file else _unused(folder, f"{model.name}-{_plain(sound.input)}")
            yield Written(sound, sound.save(path))

    def rows(self, result: Any) -> Iterable[Sequence[Any]]:
        yield result.sound.input, result.path, f"{result.sound.seconds:.4f}", result.sound.sample_rate, ""

    def show(self, result: Any) -> str:
        return f"{result.sound.input}: {result.sound}, written to {result.path}"


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "sound"


def _unused(folder: Path, stem: str) -> Path:
    """A file that does not exist yet: nothing is overwritten that was not named."""
    path, number = folder / f"{stem}.wav", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.wav"
    return path
