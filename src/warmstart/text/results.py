"""Results of text models besides `Classification`; `core.wire` describes their wire form."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from warmstart.core import html
from warmstart.core.results import Classification, Prediction
from warmstart.core.terminal import bars
from warmstart.core.wire import Decimals, Omit, Record, Result, Score, Wire
from warmstart.json_values import JSON

Finish: TypeAlias = Literal["length", "end", "stop"]
"""Why a text ended: enough tokens were generated, the model ended it, or a stop string came."""


Truncated: TypeAlias = Annotated[bool, Omit]
"""Whether the text was longer than the model's `max_length`, and was truncated."""


@dataclass(frozen=True, repr=False)
class TextClassification(Classification):
    """The best classes of one text or pair, best first.

    `truncated` says whether the text was longer than the model's `max_length`, and was truncated.

    Example:
        >>> ws.load("sst2_bert_tiny")("a moving film").label
        'positive'
    """

    truncated: Truncated = False


@dataclass(frozen=True, eq=False, repr=False)
class Embedding(Result):
    """A text as a vector: float32 (D,).

    `truncated` says whether the text was longer than the model's `max_length`, and was truncated.

    Example:
        >>> ws.load("sentence-model")("a cat").vector.dtype
        dtype('float32')
    """

    tensors: ClassVar = ("vector",)

    input: str
    model: str
    vector: Annotated[NDArray[np.float32], Wire(list[Annotated[float, Decimals(7)]])]
    truncated: Truncated = False

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The vector, so that `np.asarray` of a list of results is (N, D)."""
        return np.array(self.vector, dtype) if copy else np.asarray(self.vector, dtype)

    def __str__(self) -> str:
        start = ", ".join(f"{value:.4f}" for value in self.vector[:4])
        return f"{len(self.vector)} numbers: {start}, …"

    def csv_rows(self) -> Iterator[tuple[str, ...]]:
        yield self.input, " ".join(f"{value:.7g}" for value in self.vector)


@dataclass(frozen=True)
class Entity(Record):
    """A labelled part of a text, from `start` to `end` (characters); the score is 0 to 1.

    Example:
        >>> ws.Entity(label="LOC", text="Rome", start=13, end=17, score=0.998).to_dict()
        {'label': 'LOC', 'text': 'Rome', 'start': 13, 'end': 17, 'score': 0.998}
    """

    label: str
    text: str
    start: int
    end: int
    score: Score


@dataclass(frozen=True, repr=False)
class Entities(Result):
    """The entities of one text, in its order; `len`, indexing and iteration are over them.

    Example:
        >>> ws.load("ner-model")("Ann lives in Rome").input
        'Ann lives in Rome'
    """

    rows: ClassVar = "entities"

    input: str
    model: str
    entities: tuple[Entity, ...]

    def __iter__(self) -> Iterator[Entity]:
        return iter(self.entities)

    def __len__(self) -> int:
        return len(self.entities)

    def __getitem__(self, index: int) -> Entity:
        return self.entities[index]

    def to_html(self) -> str:
        if any(
            self.input[e.start : e.end] != e.text for e in self
        ):  # `input` is not the whole text
            return super().to_html()
        return html.marked(self.input, ((e.start, e.end, e.label) for e in self))

    def _repr_html_(self) -> str:
        return self.to_html()

    def __str__(self) -> str:
        return ", ".join(f"{e.label}: {e.text} ({e.score:.1%})" for e in self) or "no entities"

    def show(self) -> str:
        entities = [
            f"  {e.label:<8}  {e.text}  ({e.score:.1%}, {e.start}-{e.end})" for e in self.entities
        ]
        return "\n".join([self.input, *(entities or ["  no entities"]), ""])


@dataclass(frozen=True)
class Span(Record):
    """A part of a context: the text from `start` to `end` (characters), and a score of 0 to 1."""

    text: str
    start: int
    end: int
    score: Score


@dataclass(frozen=True, repr=False)
class Answer(Result):
    """An answer from a context: `text` from `start` to `end` (characters); "" with 0, 0 for none.

    `score` is its probability (0 to 1) among all spans of the context; `others` are the next best
    answers.

    Example:
        >>> 0 <= ws.load("qa-model")(("Where does Ann live?", "Ann moved to Paris in May.")).score <= 1
        True
    """

    tensors: ClassVar = ("text", "score")
    summary: ClassVar = ("text", "score", "start", "end")

    input: str
    model: str
    text: str
    start: int
    end: int
    score: Score
    others: Annotated[tuple[Answer, ...], Wire(list[Span])] = ()

    def __str__(self) -> str:
        return f"{self.text or 'no answer'} ({self.score:.1%})"

    @classmethod
    def csv_columns(cls) -> tuple[str, ...]:
        return ("input", "rank", "text", "start", "end", "score")

    def csv_rows(self) -> Iterator[tuple[str, ...]]:
        for rank, answer in enumerate((self, *self.others), 1):
            span = (answer.text, str(answer.start), str(answer.end), f"{answer.score:.6f}")
            yield (self.input, str(rank), *span)

    def to_html(self) -> str:
        return html.bars(
            (answer.text or "no answer", answer.score) for answer in (self, *self.others)
        )

    def show(self) -> str:
        answers = (f"  {answer}" for answer in (self, *self.others))
        return "\n".join([self.input, *answers, ""])


@dataclass(frozen=True, repr=False)
class FilledMask(Result):
    """The likeliest tokens at each mask of a text, best first; `len`, indexing and iteration are
    over the first mask.

    Attributes:
        masks: the predictions for each mask: `index` is the token's id, `id` its spelling in the
            vocabulary.
        text: the text with each mask filled by its best token.
        truncated: whether the text was longer than the model's `max_length`, and was truncated.

    Example:
        >>> len(ws.load("mask-model")("The [MASK] barked at the [MASK].", top_k=2).masks)
        2
    """

    wire: ClassVar = ("input", "model", "text", "masks", "truncated")
    summary: ClassVar = ("text", "masks")

    input: str
    model: str
    masks: tuple[tuple[Prediction, ...], ...]
    text: str
    truncated: Truncated = False

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.masks[0])

    def __len__(self) -> int:
        return len(self.masks[0])

    def __getitem__(self, index: int) -> Prediction:
        return self.masks[0][index]

    def __str__(self) -> str:
        return "; ".join(", ".join(f"{p.label} {p.score:.1%}" for p in mask) for mask in self.masks)

    @classmethod
    def csv_columns(cls) -> tuple[str, ...]:
        return ("input", "mask", "rank", "index", "token", "label", "score")

    def csv_rows(self) -> Iterator[tuple[str, ...]]:
        for number, mask in enumerate(self.masks, 1):
            for rank, p in enumerate(mask, 1):
                token = (str(p.index), p.id, p.label, f"{p.score:.6f}")
                yield (self.input, str(number), str(rank), *token)

    def to_html(self) -> str:
        return "".join(html.bars((p.label, p.score) for p in mask) for mask in self.masks)

    def show(self) -> str:
        blocks = [line for mask in self.masks for line in bars((p.label, p.score) for p in mask)]
        return "\n".join([self.input, *blocks, ""])


@dataclass(frozen=True)
class Alternative(Record):
    """Another continuation of the same prompt; the fields are those of `Generation`."""

    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[Score, ...]
    finish: Finish


@dataclass(frozen=True, repr=False)
class Generation(Result):
    """The continuation of one prompt.

    Attributes:
        input: the prompt.
        model: the model's name.
        text: what follows the prompt, without the stop string that ended it.
        tokens: its token ids, in order, without the token that ended it.
        logprobs: natural logarithm of the probability of each token after those before it: the
            model's own, before penalties, temperature and truncation.
        finish: "length" (max_new_tokens were generated), "end" (the model ended its text) or
            "stop".
        others: further continuations, if several were requested: the next best of a beam search, or
            other samples.

    Example:
        >>> ws.load("shakespeare_gpt2")("ROMEO:", max_new_tokens=8, seed=1).finish
        'length'
    """

    tensors: ClassVar = ("text",)
    files: ClassVar = (".txt",)

    input: str
    model: str
    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[Score, ...]
    finish: Finish
    others: Annotated[tuple[Generation, ...], Wire(list[Alternative]), Omit] = ()

    def file_content(self, suffix: str) -> str:
        """The prompt and what follows it."""
        return f"{self}\n"

    def __str__(self) -> str:
        return self.input + self.text

    @classmethod
    def csv_columns(cls) -> tuple[str, ...]:
        return ("input", "text", "tokens", "logprob", "finish")

    def csv_rows(self) -> Iterator[tuple[str, ...]]:
        logprob = f"{sum(self.logprobs):.6f}"
        yield self.input, self.text, str(len(self.tokens)), logprob, self.finish

    def _repr_html_(self) -> str:
        return html.paragraph(f"{html.text(self.input)}<b>{html.text(self.text)}</b>")

    def show(self) -> str:
        return f"{self}\n"


@dataclass(frozen=True, repr=False)
class TextScore(Result):
    """How probable a model finds a text. The first token is not scored, because it has no context.

    Attributes:
        input: the text; a long one is shortened.
        model: the model's name.
        tokens: the ids of the scored tokens; `to_dict` gives their number.
        logprobs: natural logarithms of their probabilities, each after all tokens before it that
            fit the context.
        characters: number of characters of the scored tokens.

    Example:
        >>> score = ws.load("shakespeare_gpt2").score("To be, or not to be")
        >>> score.perplexity > 1, score.nats_per_character < score.nats_per_token
        (True, True)
    """

    wire: ClassVar = ("input", "model", "perplexity", "nats_per_token", "nats_per_character")

    input: str
    model: str
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    characters: int

    @property
    def nats_per_token(self) -> Score:
        """The mean of the negative log-probabilities of the tokens."""
        return -math.fsum(self.logprobs) / len(self.logprobs)

    @property
    def nats_per_character(self) -> Score:
        """Like `nats_per_token`, but comparable between models with different vocabularies."""
        return -math.fsum(self.logprobs) / max(self.characters, 1)

    @property
    def perplexity(self) -> Score:
        """exp(`nats_per_token`)."""
        return math.exp(min(self.nats_per_token, 700.0))

    def __str__(self) -> str:
        return f"perplexity {self.perplexity:.2f}, {self.nats_per_character:.3f} nats per character"

    def to_dict(self, *, embed: bool = False) -> dict[str, JSON]:
        return {**super().to_dict(embed=embed), "tokens": len(self.tokens)}
