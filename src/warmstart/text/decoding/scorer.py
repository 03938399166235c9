"""How probable a model finds a text, token by token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from warmstart.core.inputs import Item
from warmstart.core.results import Failed
from warmstart.engines.base import Engine
from warmstart.errors import UsageError
from warmstart.hub.progress import Progress
from warmstart.text.decoding.decoder import Decoder
from warmstart.text.decoding.sampler import log_softmax
from warmstart.text.decoding.sequence import LanguageModel, prompt_tokens
from warmstart.text.inputs import PROMPT, shown
from warmstart.text.results import TextScore

CHUNK = 64
"""Tokens whose logits are in memory at once."""


def score(model: LanguageModel, engine: Engine, item: Item) -> TextScore:
    """The score of a text; one longer than the context is scored in windows that overlap by half.

    Raises:
        InputError: the text is unusable, or has fewer than two tokens.
    """
    tokens, half = prompt_tokens(model, item, min_tokens=2), model.max_length // 2
    logprobs: list[float] = []
    start = 0  # of the window
    while len(logprobs) < len(tokens) - 1:
        decoder = Decoder(engine, model.max_length)
        window = tokens[start : start + model.max_length]
        for offset in range(0, len(window), CHUNK):
            chunk = window[offset : offset + CHUNK]
            first = start + offset + 1
            targets = tokens[first : first + len(chunk)]
            logs = log_softmax(decoder.extend(chunk).astype(np.float64))
            rows = logs[np.arange(len(targets)), targets]
            logprobs.extend(map(float, rows[max(len(logprobs) - start - offset, 0) :]))
        start += half
    text = model.tokenizer.decode(tokens[1:], special=True)
    name = shown(PROMPT.read(item))
    return TextScore(name, model.name, tuple(tokens[1:]), tuple(logprobs), len(text))


def total(scores: Sequence[TextScore]) -> TextScore:
    """The score of several texts together."""
    tokens = tuple(token for score in scores for token in score.tokens)
    logprobs = tuple(logprob for score in scores for logprob in score.logprobs)
    characters = sum(score.characters for score in scores)
    return TextScore("", scores[0].model, tokens, logprobs, characters)


def evaluate(
    model: str,
    results: Iterable[TextScore | Failed],
    count: int,
    progress: Progress | None,
) -> dict[str, Any]:
    """The figures of `TextGenerator.evaluate`.

    Args:
        model: its name.
        results: of all texts.
        count: how many there are.
        progress: called with (name of the model, texts so far, texts in all).

    Raises:
        UsageError: there is no text that can be scored.
    """
    scores: list[TextScore] = []
    errors: list[str] = []
    for done, result in enumerate(results, 1):
        if isinstance(result, Failed):
            errors.append(str(result.error))
        else:
            scores.append(result)
        if progress:
            progress(model, done, count)
    if not scores:
        raise UsageError(f"There is no text to score. {' '.join(errors[:1])}".strip())
    whole = total(scores)
    return {
        "perplexity": whole.perplexity,
        "nats_per_token": whole.nats_per_token,
        "nats_per_character": whole.nats_per_character,
        "tokens": len(whole.tokens),
        "count": len(scores),
        "errors": errors,
    }
