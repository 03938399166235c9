"""Photos in, classes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from warmstart.cli.consoles import Console
from warmstart.cli.drawing import bar


class ImageClassificationConsole(Console):
    """A block of bars for each photo."""

    options: ClassVar = frozenset({"top_k", "batch_size"})
    columns: ClassVar = ("input", "rank", "index", "id", "label", "score", "error")
    unit: ClassVar = "photos"

    def answers(self, model: Any, inputs: Iterator[str], **options: Any) -> Iterable[Any]:
        return model(inputs, **options)

    def rows(self, result: Any) -> Iterable[Sequence[Any]]:
        for rank, p in enumerate(result, 1):
            yield result.input, rank, p.index, p.id, p.label, f"{p.score:.6f}", ""

    def show(self, result: Any) -> str:
        width = max(len(p.label) for p in result)
        lines = [f"  {p.label:<{width}}  {p.score:6.1%}  {bar(p.score)}" for p in result]
        return "\n".join([result.input, *lines, ""])
