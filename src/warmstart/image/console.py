"""Detection and segmentation on the command line: drawings and masks as picture files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from warmstart.checkpoints.atomic import atomic_file
from warmstart.core.console import Console, ConsoleOptions, refuse_same_file
from warmstart.core.options import Option
from warmstart.core.results import Failed
from warmstart.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"))


@dataclass(frozen=True, kw_only=True)
class DrawOptions(ConsoleOptions):
    """Flags of tasks whose results can be drawn."""

    draw: Annotated[
        str | None, Option("Draw the results: a picture file for one photo, a folder for many.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class SegmentationFlags(DrawOptions):
    """Flags of segmentation."""

    masks: Annotated[str | None, Option("A folder for the masks, as PNG files with a palette.")] = (
        None
    )


class DetectionConsole(Console):
    """A line for each box; drawings."""

    options: ClassVar = DrawOptions
    outputs: ClassVar = ("draw",)
    single: ClassVar = SUFFIXES

    def results(self, arguments: Iterable[str], options: Mapping[str, Any]) -> Iterable[Any]:
        results = super().results(arguments, options)
        return saved(results, ("drawings", self.flags.draw, lambda result: result.draw()))


class SegmentationConsole(Console):
    """A block of bars for each photo; overlays and masks."""

    options: ClassVar = SegmentationFlags
    outputs: ClassVar = ("draw", "masks")
    single: ClassVar = SUFFIXES

    def results(self, arguments: Iterable[str], options: Mapping[str, Any]) -> Iterable[Any]:
        return saved(
            super().results(arguments, options),
            ("drawings", self.flags.draw, lambda result: result.overlay()),
            ("masks", self.flags.masks, lambda result: result.indexed()),
        )


class PictureFiles:
    """Names for the pictures of one run, so that none overwrites another.

    Args:
        target: a picture file, for one photo; else a folder, which is made.
        noun: what is written, in the plural, for messages.

    Raises:
        UsageError: the folder cannot be made.
    """

    def __init__(self, target: str, noun: str):
        self.target, self.noun = Path(target), noun
        self.is_file = self.target.suffix.lower() in SUFFIXES and not self.target.is_dir()
        self.written: set[str] = set()
        folder = self.target.parent if self.is_file else self.target
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(f"The folder {folder} for {noun} cannot be made: {reason}.") from error

    def save(self, picture: Image, name: str) -> Path:
        """Write one picture; `name` is the photo's.

        Raises:
            UsageError: the target is one file and this is the second picture, it is the photo
                itself, or it cannot be written.
        """
        path = self._path(name)
        from PIL import Image as pillow

        refuse_same_file(path, name)
        self.written.add(str(path))
        try:
            with atomic_file(path) as file:
                picture.save(file, pillow.registered_extensions()[path.suffix.lower()])
        except CheckpointError as error:
            raise UsageError(str(error)) from error
        return path

    def _path(self, name: str) -> Path:
        if self.is_file:
            if self.written:
                raise UsageError(
                    f"{self.target} is one file, and there are several photos; name a folder for {self.noun}."
                )
            return self.target
        stem = Path(name.split("?")[0]).stem or "photo"
        path, number = self.target / f"{stem}.png", 1
        while str(path) in self.written:
            number += 1
            path = self.target / f"{stem}-{number}.png"
        return path


def saved(
    results: Iterable[Any], *outputs: tuple[str, str | None, Callable[[Any], Image]]
) -> Iterator[Any]:
    """The same results, each drawn to its files as it passes.

    Args:
        results: results and `Failed`s.
        outputs: (noun, target, function from a result to its picture); a target of None writes
            nothing.
    """
    files = [
        (PictureFiles(target, noun), picture_of)
        for noun, target, picture_of in outputs
        if target is not None
    ]
    for result in results:
        if not isinstance(result, Failed):
            for pictures, picture_of in files:
                pictures.save(picture_of(result), result.input)
        yield result
