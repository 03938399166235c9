"""Beam search: the most likely text among several that are continued at once.

As in Hugging Face transformers with `early_stopping=False` and `length_penalty=1`: a text's score
is the mean of its tokens' log-probabilities, and the search ends when no running text can beat the
finished ones.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.text.decoding.decoder import Decoder
from warmstart.text.decoding.options import GenerateOptions
from warmstart.text.decoding.sampler import log_softmax, penalize

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Beam:
    """A text: its new tokens, their log-probabilities, the sum that ranks it, and whether the model
    ended it.
    """

    tokens: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    total: float = 0.0
    ended: bool = False

    @property
    def score(self) -> float:
        return self.total / max(len(self.tokens), 1)


def search(
    decoder: Decoder,
    prompt: Sequence[int],
    max_tokens: int,
    end_tokens: Collection[int],
    options: GenerateOptions,
) -> Generator[None, None, Beam]:
    """The best continuation of `prompt`, of up to `max_tokens` tokens; an end token is its last
    one.

    Yields after each step.
    """
    width = options.num_beams
    logits = decoder.start([prompt])
    running, finished = [Beam()], list[Beam]()
    while True:
        logprobs = [log_softmax(row.astype(np.float64)) for row in logits]
        totals = np.stack(
            [
                penalize(row, [*prompt, *beam.tokens], options) + beam.total
                for row, beam in zip(logprobs, running, strict=True)
            ]
        )
        extended: list[tuple[int, Beam]] = []
        for rank, index in enumerate(_largest(totals.ravel(), 2 * width)):
            parent, token = divmod(int(index), totals.shape[1])
            beam = Beam(
                (*running[parent].tokens, token),
                (*running[parent].logprobs, float(logprobs[parent][token])),
                float(totals[parent, token]),
                token in end_tokens,
            )
            if not beam.ended:
                extended.append((parent, beam))
            elif rank < width:
                finished.append(beam)
        extended = extended[:width]
        finished = sorted(finished, key=lambda beam: -beam.score)[:width]
        running = [beam for _, beam in extended]
        is_full = len(running[0].tokens) >= max_tokens if running else True
        if is_full:
            return max([*finished, *running], key=lambda beam: beam.score)
        if len(finished) == width and finished[-1].score >= running[0].score:
            return max(finished, key=lambda beam: beam.score)
        yield
        decoder.keep([parent for parent, _ in extended])
        logits = decoder.step([beam.tokens[-1] for beam in running])


def _largest(values: NDArray[Any], count: int) -> NDArray[np.intp]:
    """Indices of the largest values, largest first; -inf never."""
    indices = np.argpartition(values, -min(count, len(values)))[-count:]
    indices = indices[np.argsort(-values[indices], kind="stable")]
    largest: NDArray[np.intp] = indices[values[indices] > -np.inf]
    return largest
