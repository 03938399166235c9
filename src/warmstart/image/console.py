"""Detection and segmentation on the command line, with drawings and masks as picture files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from warmstart.core.console import Console, ConsoleOptions
from warmstart.core.input_kind import Argument
from warmstart.core.options import Option
from warmstart.core.output_files import Output, OutputFiles
from warmstart.core.results import Failed
from warmstart.image.results.pictures import FORMATS, encoded

if TYPE_CHECKING:
    from PIL.Image import Image

DRAWINGS = Output("drawings", tuple(FORMATS))
MASKS = Output("masks", (".png",))


@dataclass(frozen=True, kw_only=True)
class DrawOptions(ConsoleOptions):
    """Flags of tasks whose results can be drawn."""

    draw: Annotated[
        str | None,
        Option(
            "Draw the results into an image file (one photo) or a folder (several).", metavar="PATH"
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class SegmentationFlags(DrawOptions):
    """Flags of segmentation."""

    masks: Annotated[
        str | None,
        Option("Folder for the masks, which are PNG files with a palette.", metavar="FOLDER"),
    ] = None


class DetectionConsole(Console):
    """Prints a line per box, and saves drawings."""

    options: ClassVar = DrawOptions
    outputs: ClassVar = MappingProxyType({"draw": DRAWINGS})

    def results(self, arguments: Iterable[Argument], options: Mapping[str, Any]) -> Iterable[Any]:
        results = super().results(arguments, options)
        drawings = ("drawing", DRAWINGS, self.flags.draw, lambda result: result.draw())
        return saved(results, self.written, drawings)


class SegmentationConsole(Console):
    """Prints bars per photo, and saves overlays and masks."""

    options: ClassVar = SegmentationFlags
    outputs: ClassVar = MappingProxyType({"draw": DRAWINGS, "masks": MASKS})

    def results(self, arguments: Iterable[Argument], options: Mapping[str, Any]) -> Iterable[Any]:
        return saved(
            super().results(arguments, options),
            self.written,
            ("drawing", DRAWINGS, self.flags.draw, lambda result: result.overlay()),
            ("mask", MASKS, self.flags.masks, lambda result: result.indexed()),
        )


def saved(
    results: Iterable[Any],
    written: dict[str, str],
    *outputs: tuple[str, Output, str | None, Callable[[Any], Image]],
) -> Iterator[Any]:
    """Yield the results, and save the pictures of each before it is yielded.

    Args:
        results: results and `Failed`s.
        written: receives the paths of each result's pictures by key.
        outputs: (key, output, target, function from a result to its picture); nothing is written
            for a target of None.
    """
    pictures = [
        (key, OutputFiles(target, output), picture_of)
        for key, output, target, picture_of in outputs
        if target is not None
    ]
    for result in results:
        written.clear()
        if not isinstance(result, Failed):
            stem = Path(result.input.split("?")[0]).stem or "photo"
            for key, files, picture_of in pictures:
                path = files.save(stem, partial(_encoded, picture_of, result), result.input)
                written[key] = str(path)
        yield result
    for _, files, _ in pictures:
        files.report()


def _encoded(picture_of: Callable[[Any], Image], result: Any, suffix: str) -> bytes:
    return encoded(picture_of(result), suffix)
