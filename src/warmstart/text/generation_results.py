"""What text generation answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Generation:
    """The continuation of one prompt.

    Attributes:
        input: the prompt.
        model: the model's name.
        text: what follows the prompt; without the stop string that ended it.
        tokens: its token ids, in order, without the token that ended it.
        logprobs: natural logarithm of the probability that the model gives each token after those before it:
            the model's own, before penalties, temperature and cuts.
        finish: `"length"` (max_new_tokens were written), `"end"` (the model ended its text) or `"stop"`.
    """

    input: str
    model: str
    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: str

    def __str__(self) -> str:
        return self.input + self.text

    def to_dict(self) -> dict[str, Any]:
        return {"input": self.input, "model": self.model, "text": self.text, "tokens": list(self.tokens),
                "logprobs": [round(value, 6) for value in self.logprobs], "finish": self.finish}


@dataclass(frozen=True)
class TextScore:
    """How probable a model finds a text. The first token is given, not scored: nothing stands before it.

    Attributes:
        input: the text, cut where it is long.
        model: the model's name.
        tokens: the ids of the scored tokens.
        logprobs: natural logarithms of their probabilities, each after all tokens before it that fit the context.
        characters: of the text of the scored tokens.
    """

    input: str
    model: str
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    characters: int

    @property
    def nats_per_token(self) -> float:
        return -math.fsum(self.logprobs) / len(self.logprobs)

    @property
    def nats_per_character(self) -> float:
        """Comparable between models of different vocabularies."""
        return -math.fsum(self.logprobs) / max(self.characters, 1)

    @property
    def perplexity(self) -> float:
        """e to the nats per token."""
        return math.exp(min(self.nats_per_token, 700.0))

    def __str__(self) -> str:
        return f"perplexity {self.perplexity:.2f}, {self.nats_per_character:.3f} nats per character"

    def to_dict(self) -> dict[str, Any]:
        return {"input": self.input, "model": self.model, "perplexity": round(self.perplexity, 6),
                "nats_per_token": round(self.nats_per_token, 6),
                "nats_per_character": round(self.nats_per_character, 6), "tokens": len(self.tokens)}
