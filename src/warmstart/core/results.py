"""Results that several tasks share, and `Failed`; their wire form is described in `core.wire`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from warmstart.core import html
from warmstart.core.terminal import bars
from warmstart.core.wire import Record, Result, Score
from warmstart.errors import InputError, without_frames
from warmstart.json_values import JSON
from warmstart.ranking import best

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from warmstart.catalog import Label


@dataclass(frozen=True)
class Prediction(Record):
    """One class: its index in the model's output, its id (a WordNet id for ImageNet), name and
    probability.

    Example:
        >>> prediction = ws.load("efficientnet_lite0")("photos/espresso.jpg")[0]
        >>> prediction.index, prediction.id, prediction.label
        (967, 'n07920052', 'espresso')
    """

    index: int
    id: str
    label: str
    score: Score


@dataclass(frozen=True, repr=False)
class Classification(Result):
    """The best classes of one input, best first; `len`, indexing and iteration are over
    `predictions`.

    Example:
        >>> result = ws.load("efficientnet_lite0")("photos/espresso.jpg", top_k=2)
        >>> result.label, round(result.score, 2), len(result)
        ('espresso', 0.95, 2)
        >>> result.save("espresso.json"), result.to_dict()["predictions"][0]["label"]
        (PosixPath('espresso.json'), 'espresso')
        >>> result.to_html().startswith("<")
        True
    """

    rows: ClassVar = "predictions"
    summary: ClassVar = ("label", "score")
    ranked: ClassVar = True
    tensors: ClassVar = ("label", "score")

    input: str
    model: str
    predictions: tuple[Prediction, ...]

    @property
    def label(self) -> str:
        """The best class."""
        return self.predictions[0].label

    @property
    def score(self) -> Score:
        """The probability of the best class, 0 to 1."""
        return self.predictions[0].score

    @classmethod
    def of(
        cls, input: str, model: str, scores: NDArray[Any], labels: Sequence[Label], top_k: int
    ) -> Self:
        """The best `top_k` of the scores (N,) of classes."""
        indices = best(scores, top_k)
        predictions = (
            Prediction(index, labels[index].id, labels[index].name, score)
            for index, score in zip(indices.tolist(), scores[indices].tolist(), strict=True)
        )
        return cls(input, model, tuple(predictions))

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.predictions)

    def __len__(self) -> int:
        return len(self.predictions)

    def __getitem__(self, index: int) -> Prediction:
        return self.predictions[index]

    def __str__(self) -> str:
        style = ".4f" if self._is_regression else ".1%"
        return ", ".join(f"{p.label} {p.score:{style}}" for p in self.predictions)

    @property
    def _is_regression(self) -> bool:
        return any(not 0 <= p.score <= 1 for p in self)

    def to_html(self) -> str:
        if self._is_regression:
            return html.table(("label", "value"), [(p.label, f"{p.score:.4f}") for p in self])
        return html.bars((p.label, p.score) for p in self)

    def show(self) -> str:
        if self._is_regression:
            return "\n".join([self.input, *(f"  {p.label}  {p.score:.4f}" for p in self), ""])
        return "\n".join([self.input, *bars((p.label, p.score) for p in self), ""])


@dataclass(frozen=True)
class Failed:
    """The result of an input that could not be used, at the index of that input; it is falsy.

    Example:
        >>> good, bad = ws.load("efficientnet_lite0")(["photos/cat.jpg", "missing.jpg"])
        >>> bool(good), bool(bad), bad.input
        (True, False, 'missing.jpg')
        >>> print(bad)
        missing.jpg: there is no such file
        >>> bad.to_dict()
        {'input': 'missing.jpg', 'error': 'missing.jpg: there is no such file'}
    """

    input: str
    error: InputError

    def __post_init__(self) -> None:
        without_frames(self.error)

    def __bool__(self) -> Literal[False]:
        return False

    def __str__(self) -> str:
        return str(self.error)

    def to_dict(self) -> dict[str, JSON]:
        """The input and the error message, as JSON values."""
        return {"input": self.input, "error": str(self.error)}

    def _repr_html_(self) -> str:
        return html.block(self.input, html.paragraph(html.text(f"Failed: {self.error}")))


def raise_failed(results: Iterable[Any]) -> Iterator[Any]:
    """The results, up to the first `Failed`, whose error is raised.

    Raises:
        InputError: an input is unusable.
    """
    for result in results:
        if isinstance(result, Failed):
            raise result.error
        yield result
