"""Texts in; classes, entities, answers, words or vectors out.

An argument is a text. The name of an existing .txt file stands for the texts in it, one a line; a tab separates the two
texts of a pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from warmstart.cli.consoles import Console
from warmstart.cli.drawing import bar
from warmstart.text import inputs as text_items


def texts(inputs: Iterable[str]) -> Iterator[Any]:
    """The texts and pairs of arguments."""
    for given in inputs:
        if given.endswith(".txt") and Path(given).is_file():
            for item in text_items.iter_texts(Path(given)):
                line = item.value.decode("utf-8", "replace")
                yield tuple(line.split("\t", 1)) if "\t" in line else item.value
        else:
            yield tuple(given.split("\t", 1)) if "\t" in given else given


def bars(rows: Iterable[tuple[str, float]]) -> list[str]:
    """Names and shares as lines."""
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    return [f"  {name:<{width}}  {score:6.1%}  {bar(score)}" for name, score in rows]


class _TextConsole(Console):
    unit: ClassVar = "texts"

    def answers(self, model: Any, inputs: Iterator[str], **options: Any) -> Iterable[Any]:
        return model(texts(inputs), **options)


class TextClassificationConsole(_TextConsole):
    """A block of bars for each text; values for regression."""

    options: ClassVar = frozenset({"top_k", "batch_size"})
    columns: ClassVar = ("input", "rank", "index", "id", "label", "score", "error")

    def rows(self, result: Any) -> Iterable[Sequence[Any]]:
        for rank, p in enumerate(result, 1):
            yield result.input, rank, p.index, p.id, p.label, f"{p.score:.6f}", ""

    def show(self, result: Any) -> str:
        if any(not 0 <= p.score <= 1 for p in result):
            return "\n".join([result.input, *(f"  {p.label}  {p.score:.4f}" for p in result), ""])
        return "\n".join([result.input, *bars((p.label, p.score) for p in result), ""])


class TokenClassificationConsole(_TextConsole):
    """A line for each entity."""

    options: ClassVar = frozenset({"aggregation", "batch_size"})
    columns: ClassVar = ("input", "label", "text", "start", "end", "score", "error")

    def rows(self, result: Any) -> Iterable[Sequence[Any]]:
        for e in result:
            yield result.input, e.label, e.text, e.start, e.end, f"{e.score:.6f}", ""

    def show(self, result: Any) -> str:
        lines = [f"  {e.label:<8}  {e.text}  ({e.score:.1%}, {e.start}-{e.end})" for e in result]
        return "\n".join([result.input, *(lines or ["  no entities"]), ""])


class QuestionAnsweringConsole(_TextConsole):
    """Answers to questions about one context (`--context`), or to pairs with a tab between."""

    options: ClassVar = frozenset({"top_k", "batch_size", "context", "no_answer"})
    columns: ClassVar = ("input", "rank", "text", "start", "end", "score", "error")
    unit: ClassVar = "questions"

    def answers(self, model: Any, inputs: Iterator[str], **options: Any) -> Iterable[Any]:
        context = options.pop("context", None)
        if context is None:
            return model(texts(inputs), **options)
        if context.endswith(".txt") and Path(context).is_file():
            context = Path(context).read_bytes()
        return model(((question, context) for question in inputs), **options)

    def rows(self, result: Any) -> Iterable[Sequence[Any]]:
        for rank, a in enumerate((result, *result.others), 1):
            yield result.input, rank, a.text, a.start, a.end, f"{a.score:.6f}", ""

    def show(self, result: Any) -> str:
        return "\n".join([result.input, *(f"  {a}" for a in (result, *result.others)), ""])


class FillMaskConsole(_TextConsole):
    """A block of bars for each mask."""

    options: ClassVar = frozenset({"top_k", "batch_size"})
    columns: ClassVar = ("input", "mask", "rank", "index", "token", "label", "score", "error")

    def rows(self, result: Any) -> Iterable[Sequence[Any]]:
        for number, mask in enumerate(result.masks, 1):
            for rank, p in enumerate(mask, 1):
                yield result.input, number, rank, p.index, p.id, p.label, f"{p.score:.6f}", ""

    def show(self, result: Any) -> str:
        blocks = [line for mask in result.masks for line in bars((p.label, p.score) for p in mask)]
        return "\n".join([result.input, *blocks, ""])


class TextEmbeddingConsole(_TextConsole):
    """The vector; whole in JSON and CSV."""

    options: ClassVar = frozenset({"batch_size"})
    columns: ClassVar = ("input", "vector", "error")

    def rows(self, result: Any) -> Iterable[Sequence[Any]]:
        yield result.input, " ".join(f"{x:.7g}" for x in result.vector), ""

    def show(self, result: Any) -> str:
        return f"{result.input}\n  {result}\n"
