"""One text that is being written: its prompt, its tokens, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from warmstart.core.inputs import Item
from warmstart.errors import InputError
from warmstart.text.decoding.beam_search import Beam
from warmstart.text.decoding.detokenizer import Tail
from warmstart.text.decoding.sampler import DEFAULT_NEW_TOKENS, Choice, next_token
from warmstart.text.generation_results import Generation
from warmstart.text.tokenizer import Tokenizer, check_text


class Writer(Protocol):
    """What a text must know of the model that writes it."""

    @property
    def name(self) -> str: ...

    @property
    def tokenizer(self) -> Tokenizer: ...

    @property
    def max_length(self) -> int: ...

    @property
    def ends(self) -> frozenset[int]: ...


class Text:
    """A prompt and what has been written after it.

    Args:
        model: whose tokenizer and context count.
        item: the prompt.
        choice: how tokens are chosen.

    Attributes:
        tokens: of the prompt, then the new ones.
        pieces: text that is certain and was not fetched yet.
        finish: empty while it goes on; then as in `Generation`.

    Raises:
        InputError: the prompt is unusable, or leaves too little room in the context.
    """

    def __init__(self, model: Writer, item: Item, choice: Choice):
        self.choice, self.finish, self.pieces = choice, "", ""
        self._model, self._prompt = model, text_of(item)
        self.tokens = prompt_tokens(model, item)
        self._start = len(self.tokens)
        self._window = 0  # where the context begins
        self._logprobs: list[float] = []
        self._tail = Tail(model.tokenizer.decode, choice.stop)
        self._random = np.random.default_rng(choice.seed)
        room = model.max_length - self._start
        wanted = choice.max_new_tokens
        if choice.overflow == "error" and room < (wanted or 1):
            raise InputError(
                f"{item.name}: has {self._start:,} tokens, and {wanted or 1} more do not fit into the "
                f"{model.max_length:,} that the model reads; cut the prompt, lower max_new_tokens, or say "
                "overflow='slide'", item.name)
        self.count = wanted or (min(DEFAULT_NEW_TOKENS, room) if choice.overflow == "error" else DEFAULT_NEW_TOKENS)
        self.slide()

    @property
    def context(self) -> list[int]:
        """The tokens that the model has before it."""
        return self.tokens[self._window:]

    def slide(self) -> None:
        """Where the context is full, leave its earlier half behind."""
        if len(self.context) >= self._model.max_length:
            self._window = len(self.tokens) - self._model.max_length // 2

    def take(self, logits: np.ndarray) -> None:
        """Choose the next token from the model's logits (V,), and see whether the text ends with it."""
        token = next_token(logits, self.tokens, self.choice, self._random)
        moved = logits - logits.max()
        self._add(token, float(moved[token] - np.log(np.exp(moved).sum())))

    def take_all(self, beam: Beam) -> None:
        """Take over what a beam search found."""
        for token, logprob in zip(beam.tokens, beam.logprobs, strict=True):
            if not self.finish:
                self._add(token, logprob)

    def _add(self, token: int, logprob: float) -> None:
        if token in self._model.ends:
            self._end("end")
            return
        self.tokens.append(token)
        self._logprobs.append(logprob)
        self.pieces += self._tail.push(token)
        if self._tail.stopped:
            self._end("stop")
        elif len(self._logprobs) == self.count:
            self._end("length")

    def _end(self, why: str) -> None:
        self.pieces += self._tail.finish()
        self.finish = "stop" if self._tail.stopped else why

    def result(self) -> Generation:
        return Generation(self._prompt, self._model.name, self._tail.text, tuple(self.tokens[self._start:]),
                          tuple(self._logprobs), self.finish)


class TextStream:
    """Pieces of a text while it is written; an iterator.

    Attributes:
        result: the whole `Generation`; there once the iterator has ended.
    """

    def __init__(self, text: Text, steps: Iterator[None]):
        self._text, self._steps = text, steps
        self.result: Generation | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while self.result is None:
            if not self._text.finish:
                next(self._steps)
            if self._text.finish:
                self._steps = iter(())
                self.result = self._text.result()
            if self._text.pieces:
                piece, self._text.pieces = self._text.pieces, ""
                return piece
        raise StopIteration


def text_of(item: Item) -> str:
    """The text of an item.

    Raises:
        InputError: it is no text, or not UTF-8.
    """
    value = item.value
    if isinstance(value, InputError):
        raise value
    if isinstance(value, bytes | bytearray):
        try:
            value = value.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{item.name}: is not UTF-8 at byte {error.start}; save it as UTF-8", item.name) from error
    check_text(value, item.name)
    return value


def prompt_tokens(model: Writer, item: Item, least: int = 1) -> list[int]:
    """The tokens of an item; of an empty one the token that begins texts, where the model has one.

    Raises:
        InputError: it has fewer tokens than `least`.
    """
    tokens: Sequence[int] = model.tokenizer.encode(text_of(item), name=item.name).ids.tolist()
    if not tokens and (start := model.tokenizer.special_id("bos")) is not None:
        tokens = [start]
    if len(tokens) < least:
        raise InputError(f"{item.name}: is empty; give some text" if not tokens else
                         f"{item.name}: has one token only, so there is nothing to score", item.name)
    return list(tokens)
