"""Beam search: the most likely text among several that are continued at once.

As in Hugging Face transformers with `early_stopping=False`: a text's score is the sum of its tokens'
log-probabilities over a power of their number, by default their mean, and the search ends when no
running text can beat the finished ones.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from warmstart.core.probabilities import log_softmax
from warmstart.text.decoding.constraints import Constraints
from warmstart.text.decoding.decoder import Decoder
from warmstart.text.decoding.options import GenerateOptions


@dataclass(frozen=True)
class Beam:
    """A text: its new tokens, their log-probabilities, the sum that ranks it, and whether the model
    ended it.
    """

    tokens: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    total: float = 0.0
    ended: bool = False

    def score(self, length_penalty: float) -> float:
        """The score for ranking: the sum of log-probabilities divided by a power of the length."""
        return float(self.total / max(len(self.tokens), 1) ** length_penalty)


def search(
    decoder: Decoder,
    prompt: Sequence[int],
    max_tokens: int,
    ends: Collection[int],
    options: GenerateOptions,
    constraints: Constraints,
) -> Generator[None, None, list[Beam]]:
    """The best continuations of `prompt`, best first, of up to `max_tokens` tokens; an end token is
    the last one of a text.

    If the context is full, the search continues with its later half. Yields after each step.
    """
    width = options.num_beams or 1
    penalty = 1.0 if options.length_penalty is None else options.length_penalty
    candidates = max(2, 1 + len(ends)) * width  # enough to continue even if many of them end

    def rank(beams: Sequence[Beam]) -> list[Beam]:
        return sorted(beams, key=lambda beam: -beam.score(penalty))

    logits = decoder.start([decoder.window(prompt)])
    running, finished = [Beam()], list[Beam]()
    while True:
        logprobs = [log_softmax(row.astype(np.float64)) for row in logits]
        totals = np.stack(
            [
                constraints.apply(row, [*prompt, *beam.tokens]) + beam.total
                for row, beam in zip(logprobs, running, strict=True)
            ]
        )
        extended: list[tuple[int, Beam]] = []
        for order, index in enumerate(_largest(totals.ravel(), candidates)):
            parent, token = divmod(int(index), totals.shape[1])
            beam = Beam(
                (*running[parent].tokens, token),
                (*running[parent].logprobs, float(logprobs[parent][token])),
                float(totals[parent, token]),
                token in ends,
            )
            is_last = beam.ended or len(beam.tokens) >= max_tokens
            if not is_last:
                extended.append((parent, beam))
            elif order < width:
                finished.append(beam)
        extended = extended[:width]
        finished = rank(finished)[:width]
        running = [beam for _, beam in extended]
        if not running:
            return finished
        cannot_improve = finished[-1:] and finished[-1].score(penalty) >= running[0].score(penalty)
        if len(finished) == width and cannot_improve:
            return finished
        yield
        if decoder.full.any():
            texts = [[*prompt, *beam.tokens] for beam in running]
            logits = decoder.start([decoder.window(text) for text in texts])
        else:
            decoder.keep([parent for parent, _ in extended])
            logits = decoder.step([beam.tokens[-1] for beam in running])


def _largest(values: NDArray[Any], count: int) -> NDArray[np.intp]:
    """Indices of the largest values, largest first; -inf never."""
    indices = np.argpartition(values, -min(count, len(values)))[-count:]
    indices = indices[np.argsort(-values[indices], kind="stable")]
    largest: NDArray[np.intp] = indices[values[indices] > -np.inf]
    return largest
