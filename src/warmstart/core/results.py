"""What models answer: frozen dataclasses with `.to_dict()`, which the command line's `--json` prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from warmstart.errors import InputError


@dataclass(frozen=True)
class Prediction:
    """One class: its index in the model's output, its id (a WordNet id for ImageNet), name and probability."""

    index: int
    id: str
    label: str
    score: float

    def to_dict(self) -> dict[str, Any]:
        return {"index": self.index, "id": self.id, "label": self.label, "score": round(self.score, 6)}


@dataclass(frozen=True)
class Classification:
    """The best classes of one input, best first; `len`, indexing and iteration are over `predictions`."""

    input: str
    model: str
    predictions: tuple[Prediction, ...]

    @property
    def label(self) -> str:
        """The best class."""
        return self.predictions[0].label

    @property
    def score(self) -> float:
        """The probability of the best class, 0 to 1."""
        return self.predictions[0].score

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.predictions)

    def __len__(self) -> int:
        return len(self.predictions)

    def __getitem__(self, place: int) -> Prediction:
        return self.predictions[place]

    def __str__(self) -> str:
        return ", ".join(f"{p.label} {p.score:.1%}" for p in self.predictions)

    def to_dict(self) -> dict[str, Any]:
        return {"input": self.input, "model": self.model, "predictions": [p.to_dict() for p in self.predictions]}


@dataclass(frozen=True)
class Failed:
    """Stands in a batch where one input was unusable, so that the others are answered.

    It is false in a condition; asking it for anything that an answer has raises the input's error.
    """

    input: str
    error: InputError

    def __bool__(self) -> bool:
        return False

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):  # copying and pickling ask for these
            raise AttributeError(name)
        raise self.error

    def __iter__(self) -> NoReturn:
        raise self.error

    def __str__(self) -> str:
        return str(self.error)

    def to_dict(self) -> dict[str, Any]:
        return {"input": self.input, "error": str(self.error)}
