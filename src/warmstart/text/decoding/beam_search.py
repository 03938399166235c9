"""Beam search: the likeliest text among several that are continued at once.

As in Hugging Face transformers with `early_stopping=False` and `length_penalty=1`: a text's score is the mean of its
tokens' log-probabilities, and the search ends when no running text can beat the finished ones.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from warmstart.text.decoding.decoder import Decoder
from warmstart.text.decoding.sampler import Choice, log_softmax, penalised


@dataclass(frozen=True)
class Beam:
    """A text: its new tokens, their log-probabilities, the sum that ranks it, and whether the model ended it."""

    tokens: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    total: float = 0.0
    ended: bool = False

    @property
    def score(self) -> float:
        return self.total / max(len(self.tokens), 1)


def search(decoder: Decoder, prompt: Sequence[int], count: int, ends: Collection[int], choice: Choice) -> Beam:
    """The best continuation of `prompt`, of up to `count` tokens; an ending token is its last one."""
    width = choice.num_beams
    logits = decoder.start([prompt])
    running, finished = [Beam()], list[Beam]()
    while True:
        plain = [log_softmax(row.astype(np.float64)) for row in logits]
        ranked = np.stack([penalised(row, [*prompt, *beam.tokens], choice) + beam.total
                           for row, beam in zip(plain, running, strict=True)])
        best = _largest(ranked.ravel(), 2 * width)
        grown: list[tuple[int, Beam]] = []
        for rank, place in enumerate(best):
            parent, token = divmod(int(place), ranked.shape[1])
            beam = Beam((*running[parent].tokens, token), (*running[parent].logprobs, float(plain[parent][token])),
                        float(ranked[parent, token]), token in ends)
            if not beam.ended:
                grown.append((parent, beam))
            elif rank < width:
                finished.append(beam)
        grown = grown[:width]
        finished = sorted(finished, key=lambda beam: -beam.score)[:width]
        running = [beam for _, beam in grown]
        long = len(running[0].tokens) >= count if running else True
        if long or (len(finished) == width and finished[-1].score >= running[0].score):
            return max([*finished, *running] if long else finished, key=lambda beam: beam.score)
        decoder.keep([parent for parent, _ in grown])
        logits = decoder.step([beam.tokens[-1] for beam in running])


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Places of the largest values, largest first; -inf never."""
    places = np.argpartition(values, -min(count, len(values)))[-count:]
    places = places[np.argsort(-values[places], kind="stable")]
    return places[values[places] > -np.inf]
