"""Pictures that `predict` writes: where each goes, so that none overwrites another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from warmstart.core.results import Failed
from warmstart.errors import UsageError

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


class Pictures:
    """Names for the pictures of one run.

    Args:
        target: a picture file, for one photo; else a folder, which is made.
        kind: what is written, for messages.
    """

    def __init__(self, target: str, kind: str):
        self.target, self.kind = Path(target), kind
        self.is_file = self.target.suffix.lower() in SUFFIXES and not self.target.is_dir()
        self.taken: set[str] = set()
        folder = self.target.parent if self.is_file else self.target
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"The folder {folder} for {kind} cannot be made: {error.strerror or error}.") from error

    def save(self, picture: Any, name: str) -> Path:
        """Write one picture; `name` is the photo's.

        Raises:
            UsageError: the target is one file and this is the second picture, or it cannot be written.
        """
        if self.is_file:
            if self.taken:
                raise UsageError(f"{self.target} is one file, and there are several photos; name a folder for "
                                 f"{self.kind}.")
            path = self.target
        else:
            stem = Path(name.split("?")[0]).stem or "photo"
            path, number = self.target / f"{stem}.png", 1
            while str(path) in self.taken:
                number += 1
                path = self.target / f"{stem}-{number}.png"
        self.taken.add(str(path))
        try:
            picture.save(path)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from error
        return path


def saving(results: Iterable[Any], **writers: Any) -> Iterator[Any]:
    """The same results, each written as it passes.

    Args:
        results: results and `Failed`s.
        **writers: by kind, (target, function from a result to its picture); a target of None writes nothing.
    """
    targets = [(Pictures(target, kind), picture) for kind, (target, picture) in writers.items() if target is not None]
    for result in results:
        if not isinstance(result, Failed):
            for pictures, picture in targets:
                pictures.save(picture(result), result.input)
        yield result
