"""Photos in, boxes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from warmstart.cli.consoles import Console
from warmstart.cli.consoles.pictures import saving


class ObjectDetectionConsole(Console):
    """A line for each box."""

    options: ClassVar = frozenset({"batch_size", "threshold", "draw"})
    columns: ClassVar = ("input", "label", "index", "score", "xmin", "ymin", "xmax", "ymax", "error")
    unit: ClassVar = "photos"

    def answers(self, model: Any, inputs: Iterator[str], *, draw: str | None = None, **options: Any) -> Iterable[Any]:
        return saving(model(inputs, **options), drawings=(draw, lambda result: result.draw()))

    def rows(self, result: Any) -> Iterable[Sequence[Any]]:
        for box in result:
            sides = (f"{side:.2f}" for side in (box.xmin, box.ymin, box.xmax, box.ymax))
            yield result.input, box.label, box.index, f"{box.score:.6f}", *sides, ""

    def show(self, result: Any) -> str:
        width = max((len(box.label) for box in result), default=0)
        lines = [f"  {box.label:<{width}}  {box.score:6.1%}  {box.xmin:6.0f} {box.ymin:6.0f} {box.xmax:6.0f} "
                 f"{box.ymax:6.0f}" for box in result]
        head = f"{result.input} ({result.size[0]}x{result.size[1]}): {result}"
        return "\n".join([head, *lines, ""])
