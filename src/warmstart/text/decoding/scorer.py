"""The log-probabilities of the tokens of a text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from warmstart.core import cancellation, records
from warmstart.core.inputs import Item
from warmstart.core.probabilities import log_softmax
from warmstart.core.results import Failed
from warmstart.engines.base import Engine
from warmstart.errors import UsageError
from warmstart.hub.progress import Progress
from warmstart.text.decoding.decoders import open_decoder
from warmstart.text.decoding.sequence import LanguageModel, prompt_tokens
from warmstart.text.inputs import PROMPT, display_text
from warmstart.text.results import TextScore

CHUNK = 64
"""Tokens whose logits are in memory at once."""


def score(model: LanguageModel, engine: Engine, item: Item) -> TextScore:
    """The score of a text; one longer than the context is scored in windows that overlap by half.

    Raises:
        InputError: the text is unusable, or has fewer than two tokens.
    """
    tokens = prompt_tokens(model, item, min_tokens=2)
    logprobs: list[float] = []
    for first, logs in _log_probabilities(model, engine, tokens):
        targets = tokens[first : first + len(logs)]
        logprobs.extend(map(float, logs[np.arange(len(targets)), targets]))
    text = model.tokenizer.decode(tokens[1:], special=True)
    name = display_text(PROMPT.read(item))
    return TextScore(name, model.name, tuple(tokens[1:]), tuple(logprobs), len(text))


def _log_probabilities(
    model: LanguageModel, engine: Engine, tokens: Sequence[int]
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """(index of the first, log-probabilities (n, V)) of n tokens at a time, from the second on."""
    done, start = 1, 0  # start: of the window
    while done < len(tokens):
        decoder = open_decoder(engine, model.max_length)
        window = tokens[start : start + model.max_length]
        for offset in range(0, len(window), CHUNK):
            cancellation.check()
            first = start + offset + 1
            logs = log_softmax(decoder.extend(window[offset : offset + CHUNK]).astype(np.float64))
            rows = logs[max(done - first, 0) : len(tokens) - first]
            if len(rows):
                yield done, rows
                done += len(rows)
        start += model.max_length // 2


def best_tokens(model: LanguageModel, engine: Engine, tokens: Sequence[int]) -> NDArray[np.intp]:
    """The most probable token after each of a text, (T,); the text must fit into the context."""
    decoder = open_decoder(engine, model.max_length)
    parts = [tokens[start : start + CHUNK] for start in range(0, len(tokens), CHUNK)]
    return np.concatenate([decoder.extend(part).argmax(axis=-1) for part in parts])


def alternatives(
    model: LanguageModel, engine: Engine, tokens: Sequence[int], first: int, count: int
) -> list[dict[int, float]]:
    """The most probable tokens at each index from `first` (1 or more) on, and the actual token: id
    → log-probability, most probable first.
    """
    rows: list[dict[int, float]] = []
    for start, logs in _log_probabilities(model, engine, tokens):
        for index, row in enumerate(logs, start):
            if index >= first:
                best = np.argsort(-row, kind="stable")[:count]
                rows.append({int(id_): float(row[id_]) for id_ in (*best, tokens[index])})
    return rows


def total(scores: Sequence[TextScore]) -> TextScore:
    """The combined score of several texts."""
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
    """The metrics of `TextGenerator.evaluate`.

    Args:
        model: its name.
        results: of all texts.
        count: how many there are.
        progress: called with (name of the model, texts so far, texts in all).

    Raises:
        UsageError: there is no text that can be scored.
    """
    errors: list[str] = []
    answers = records.usable_results(model, range(count), results, errors, progress)
    scores = [result for _, result in answers]
    if not scores:
        raise UsageError(f"There are no texts to score. {' '.join(errors[:1])}".strip())
    whole = total(scores)
    return {
        "perplexity": whole.perplexity,
        "nats_per_token": whole.nats_per_token,
        "nats_per_character": whole.nats_per_character,
        "tokens": len(whole.tokens),
        "count": len(scores),
        "errors": errors,
    }
