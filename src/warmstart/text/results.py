"""What text models answer besides `Classification`: frozen dataclasses with `.to_dict()`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from warmstart.core.results import Prediction


@dataclass(frozen=True, eq=False)
class Embedding:
    """A text as a vector: float32 (D,)."""

    input: str
    model: str
    vector: np.ndarray

    def __str__(self) -> str:
        return f"{len(self.vector)} numbers: {', '.join(f'{x:.4f}' for x in self.vector[:4])}, …"

    def to_dict(self) -> dict[str, Any]:
        return {"input": self.input, "model": self.model, "vector": [round(float(x), 7) for x in self.vector]}


@dataclass(frozen=True)
class Entity:
    """A part of a text: its label, the text from `start` to `end` (characters), and a score of 0 to 1."""

    label: str
    text: str
    start: int
    end: int
    score: float

    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label, "text": self.text, "start": self.start, "end": self.end,
                "score": round(self.score, 6)}


@dataclass(frozen=True)
class Entities:
    """The entities of one text, in the order of the text; `len`, indexing and iteration are over them."""

    input: str
    model: str
    entities: tuple[Entity, ...]

    def __iter__(self) -> Iterator[Entity]:
        return iter(self.entities)

    def __len__(self) -> int:
        return len(self.entities)

    def __getitem__(self, place: int) -> Entity:
        return self.entities[place]

    def __str__(self) -> str:
        return ", ".join(f"{e.label}: {e.text} ({e.score:.1%})" for e in self.entities) or "no entities"

    def to_dict(self) -> dict[str, Any]:
        return {"input": self.input, "model": self.model, "entities": [e.to_dict() for e in self.entities]}


@dataclass(frozen=True)
class Answer:
    """An answer out of a context: `text` from `start` to `end` (characters), `""` with 0, 0 where there is none.

    `score` is its probability (0 to 1) among all spans of the context; `others` are the next best ones.
    """

    input: str
    model: str
    text: str
    start: int
    end: int
    score: float
    others: tuple[Answer, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.text)

    def __str__(self) -> str:
        return f"{self.text or 'no answer'} ({self.score:.1%})"

    def to_dict(self) -> dict[str, Any]:
        found = {"text": self.text, "start": self.start, "end": self.end, "score": round(self.score, 6)}
        others = [{key: value for key, value in other.to_dict().items() if key in found} for other in self.others]
        return {"input": self.input, "model": self.model, **found, "others": others}


@dataclass(frozen=True)
class FilledMask:
    """What may stand at each mask of a text: one tuple of `Prediction`s per mask, best first.

    `index` and `id` of a prediction are the token's id and its piece of text in the vocabulary. `texts` are the text
    with its masks filled by the best of each.
    """

    input: str
    model: str
    masks: tuple[tuple[Prediction, ...], ...]
    text: str

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.masks[0])

    def __len__(self) -> int:
        return len(self.masks[0])

    def __getitem__(self, place: int) -> Prediction:
        return self.masks[0][place]

    def __str__(self) -> str:
        return "; ".join(", ".join(f"{p.label} {p.score:.1%}" for p in mask) for mask in self.masks)

    def to_dict(self) -> dict[str, Any]:
        return {"input": self.input, "model": self.model, "text": self.text,
                "masks": [[p.to_dict() for p in mask] for mask in self.masks]}
