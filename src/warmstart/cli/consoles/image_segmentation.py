"""Photos in, the share of each class out; label maps and overlays as files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from warmstart.cli.consoles import Console
from warmstart.cli.consoles.pictures import saving
from warmstart.cli.drawing import bar


class ImageSegmentationConsole(Console):
    """A block of bars for each photo: how much of it each class covers."""

    options: ClassVar = frozenset({"batch_size", "draw", "masks"})
    columns: ClassVar = ("input", "label", "index", "pixels", "share", "error")
    unit: ClassVar = "photos"

    def answers(self, model: Any, inputs: Iterator[str], *, draw: str | None = None, masks: str | None = None,
                **options: Any) -> Iterable[Any]:
        return saving(model(inputs, **options), drawings=(draw, lambda result: result.overlay()),
                      masks=(masks, lambda result: result.indexed()))

    def rows(self, result: Any) -> Iterable[Sequence[Any]]:
        for area in result.areas:
            yield result.input, area.label, area.index, area.pixels, f"{area.share:.6f}", ""

    def show(self, result: Any) -> str:
        height, width = result.labels_map.shape
        longest = max(len(area.label) for area in result.areas)
        lines = [f"  {area.label:<{longest}}  {area.share:6.1%}  {bar(area.share)}" for area in result.areas]
        return "\n".join([f"{result.input} ({width}x{height})", *lines, ""])
