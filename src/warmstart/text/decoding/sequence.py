"""One text that is being generated: its prompt, its tokens, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from warmstart.core import cancellation
from warmstart.core.inputs import Item
from warmstart.core.probabilities import log_sum_exp
from warmstart.counts import counted
from warmstart.errors import InputError
from warmstart.text.decoding.beam_search import Beam
from warmstart.text.decoding.constraints import constraints
from warmstart.text.decoding.detokenizer import Detokenizer
from warmstart.text.decoding.options import DEFAULT_NEW_TOKENS, GenerateOptions
from warmstart.text.decoding.sampler import next_token
from warmstart.text.inputs import PROMPT
from warmstart.text.results import Finish, Generation
from warmstart.text.tokenizer import Tokenizer


class LanguageModel(Protocol):
    """The interface of a model that generating a text needs."""

    @property
    def name(self) -> str: ...

    @property
    def tokenizer(self) -> Tokenizer: ...

    @property
    def max_length(self) -> int: ...

    @property
    def ends(self) -> frozenset[int]: ...

    @property
    def suppressed(self) -> Mapping[str, Sequence[int]]: ...

    @property
    def max_total(self) -> int | None: ...


class Continuation:
    """A prompt and what has been generated after it.

    Args:
        model: whose tokenizer and context length count.
        item: the prompt.
        options: how tokens are chosen.
        number: among the texts of this prompt; each has random numbers of its own.

    Attributes:
        tokens: of the prompt, then the new ones.
        max_tokens: new tokens at most.
        finish: None while it goes on; then as in `Generation`.
        error: why it could not be continued.

    Raises:
        InputError: the prompt is unusable, or leaves too little room in the context.
    """

    def __init__(self, model: LanguageModel, item: Item, options: GenerateOptions, number: int = 0):
        self.options = options
        self.finish: Finish | None = None
        self.error: Exception | None = None
        self._pieces = ""
        self._model, self._prompt = model, PROMPT.read(item)
        self.tokens = prompt_tokens(model, item)
        self._prompt_length = len(self.tokens)
        self._window_start = 0
        self._logprobs: list[float] = []
        self._detokenizer = Detokenizer(model.tokenizer.decode, options.stop_strings)
        seed = options.seed
        self._random = np.random.default_rng(seed if seed is None or not number else (seed, number))
        self.constraints = constraints(
            options,
            partial(_ids, model.tokenizer),
            ends=sorted(model.ends),
            suppressed=model.suppressed,
            prompt_length=self._prompt_length,
        )
        self.max_tokens = self._max_tokens(item.name)
        self.slide()

    def _max_tokens(self, name: str) -> int:
        requested = self.options.max_new_tokens
        if requested is None and (total := self._model.max_total) is not None:
            requested = max(total - self._prompt_length, 1)
        if self.options.overflow == "slide":
            return requested or DEFAULT_NEW_TOKENS
        room = self._model.max_length - self._prompt_length
        least = requested or 1
        if room < least:
            raise InputError(
                f"{name}: has {counted(self._prompt_length, 'token')}, and {least:,} more do "
                f"not fit into the {self._model.max_length:,} that the model takes; shorten "
                "the prompt, lower max_new_tokens, or set overflow='slide'",
                name,
            )
        return requested or min(DEFAULT_NEW_TOKENS, room)

    @property
    def prompt(self) -> str:
        return self._prompt

    @property
    def ended(self) -> bool:
        """Whether the text is complete, or has failed."""
        return self.finish is not None or self.error is not None

    @property
    def most_cached(self) -> int:
        """The maximum number of cached tokens of the prompt and the continuation."""
        return min(self._prompt_length + self.max_tokens, self._model.max_length)

    @property
    def context(self) -> list[int]:
        """The tokens that the model reads."""
        return self.tokens[self._window_start :]

    def slide(self) -> None:
        """Drop the earlier half of the context if it is full."""
        if len(self.context) >= self._model.max_length:
            self._window_start = len(self.tokens) - self._model.max_length // 2

    def extend(self, logits: NDArray[np.float32]) -> None:
        """Choose the next token from the model's logits (V,), and check whether it ends the text."""
        scores = self.constraints.apply(logits, self.tokens)
        token = next_token(scores, self.options, self._random)
        self._add(token, float(logits[token]) - log_sum_exp(logits))

    def extend_with(self, beam: Beam) -> None:
        """Append the result of a beam search."""
        for token, logprob in zip(beam.tokens, beam.logprobs, strict=True):
            if not self.finish:
                self._add(token, logprob)

    def _add(self, token: int, logprob: float) -> None:
        if token in self._model.ends:
            self._end("end")
            return
        self.tokens.append(token)
        self._logprobs.append(logprob)
        self._pieces += self._detokenizer.push(token)
        if self._detokenizer.stopped:
            self._end("stop")
        elif len(self._logprobs) == self.max_tokens:
            self._end("length")

    def _end(self, reason: Finish) -> None:
        self._pieces += self._detokenizer.finish()
        self.finish = "stop" if self._detokenizer.stopped else reason

    def take(self) -> str:
        """The final text that was not returned by earlier calls."""
        piece, self._pieces = self._pieces, ""
        return piece

    def result(self, others: Sequence[Generation] = ()) -> Generation:
        """The result, once the text has ended.

        Args:
            others: further texts of the same prompt.
        """
        assert self.finish is not None
        return Generation(
            self._prompt,
            self._model.name,
            self._detokenizer.text,
            tuple(self.tokens[self._prompt_length :]),
            tuple(self._logprobs),
            self.finish,
            tuple(others),
        )


class TextStream:
    """An iterator over the pieces of a text while it is generated.
    Attributes:
        result: the whole `Generation`; available once the iterator has ended.
    """

    def __init__(self, text: Continuation, steps: Iterator[None]):
        self._text, self._steps = text, steps
        self.result: Generation | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while self.result is None:
            if not self._text.finish:
                next(self._steps)
                cancellation.check()
            if self._text.finish:
                self._steps = iter(())
                self.result = self._text.result()
            if piece := self._text.take():
                return piece
        raise StopIteration


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, special=False).ids.tolist()
    return ids


def prompt_tokens(model: LanguageModel, item: Item, min_tokens: int = 1) -> list[int]:
    """The tokens of an item; for an empty one the token that begins texts, if the model has one.

    Raises:
        InputError: it is unusable, or has fewer tokens than `min_tokens`.
    """
    tokens: list[int] = model.tokenizer.encode(PROMPT.read(item), name=item.name).ids.tolist()
    if not tokens and (begin := model.tokenizer.special_id("bos")) is not None:
        tokens = [begin]
    if len(tokens) < min_tokens:
        reason = "is empty"
        if tokens:
            reason = "has only one token, so there is nothing to score"
        raise InputError(f"{item.name}: {reason}", item.name)
    return tokens
