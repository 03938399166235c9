"""`logprobs` of OpenAI's completions: the log-probability of each token, and the alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from warmstart.core import cancellation
from warmstart.serve.registry import ServedModel
from warmstart.text.decoding import scorer
from warmstart.text.results import Generation


class ScoredCompletion:
    """A completion whose tokens are to be scored.

    Args:
        served: the model.
        prompt: its text.
        answer: the generated text; None if no token was generated.
        is_echoed: whether the tokens of the prompt are scored, too.

    Attributes:
        tokens: the ids of all tokens, those of the prompt included.
        first: the index of the first token in the response.
        logprobs: of the generated tokens, as the model gave them.
    """

    def __init__(
        self, served: ServedModel, prompt: str, answer: Generation | None, is_echoed: bool
    ):
        tokenizer = served.model.tokenizer  # type: ignore[attr-defined]
        tokens = tokenizer.encode(prompt).ids.tolist()
        begin = [] if tokens else [tokenizer.special_id("bos")]
        self.tokens: list[int] = [*begin, *tokens, *(answer.tokens if answer else ())]
        self.first = len(begin) if is_echoed else len(begin) + len(tokens)
        self.logprobs: tuple[float, ...] = answer.logprobs if answer else ()

    @property
    def is_known(self) -> bool:
        """Whether the log-probabilities of all tokens in the response are known."""
        return len(self.tokens) - max(self.first, 1) <= len(self.logprobs)


def score_tokens(
    served: ServedModel, key: Any, values: Sequence[ScoredCompletion]
) -> list[dict[str, Any]]:
    """The `logprobs` of completions, as work of the queue; `key[1]` is the number of alternatives."""
    return [_logprobs(served, value, key[1]) for value in values]


def _logprobs(served: ServedModel, value: ScoredCompletion, count: int) -> dict[str, Any]:
    cancellation.check()
    model: Any = served.model
    shown = value.tokens[value.first :]
    is_first = value.first == 0 and bool(
        shown
    )  # the model cannot score it, as no token precedes it
    best: list[dict[int, float]] = []
    logprobs: list[float] = list(value.logprobs)
    if count or not value.is_known:
        start = max(value.first, 1)
        best = scorer.alternatives(model, served.current_model.engine, value.tokens, start, count)
        tokens = value.tokens[start:]
        scored = [candidates[token] for candidates, token in zip(best, tokens, strict=True)]
        logprobs = [*scored[: len(scored) - len(logprobs)], *logprobs]
    pieces = [model.tokenizer.decode([token]) for token in shown]
    top: list[dict[str, float] | None] = [
        _by_piece(model.tokenizer, candidates) for candidates in best
    ]
    return {
        "tokens": pieces,
        "token_logprobs": [None] * is_first + logprobs,
        "top_logprobs": [None] * is_first + top if count else None,
        "text_offset": np.cumsum([0, *map(len, pieces)])[:-1].tolist(),
    }


def _by_piece(tokenizer: Any, best: dict[int, float]) -> dict[str, float]:
    """Text of a token -> its log-probability; of several tokens with one text, the highest."""
    logprobs: dict[str, float] = {}
    for token, logprob in best.items():
        logprobs.setdefault(tokenizer.decode([token]), logprob)
    return logprobs
