"""The options of text generation.

Order and meaning are those of Hugging Face transformers' logits processors: repetition penalty
(Keskar et al. 2019, section 4.1), n-gram blocking, temperature, top-k (Fan et al. 2018), top-p
(Holtzman et al. 2020), min-p (Nguyen et al. 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from warmstart.core.options import BatchOptions, Option
from warmstart.errors import UsageError

DEFAULT_NEW_TOKENS = 100


@dataclass(frozen=True, kw_only=True)
class GenerateOptions(BatchOptions):
    """Options of text generation.

    Raises:
        UsageError: two of them exclude each other.
    """

    max_new_tokens: Annotated[
        int | None,
        Option(
            "Tokens to generate at most; default: 100, or as many as the context has room for.",
            ge=1,
        ),
    ] = None
    temperature: Annotated[
        float | None,
        Option(
            "Sampling temperature: 0 always takes the most likely token, lower is more deterministic, higher more "
            "random; default: 0, but 1 with top_k, top_p, min_p or seed.",
            ge=0,
        ),
    ] = None
    top_k: Annotated[
        int | None, Option("Sample among this many of the most likely tokens.", ge=1, short="-k")
    ] = None
    top_p: Annotated[
        float | None,
        Option(
            "Sample among the most likely tokens that together have this probability.", ge=0, le=1
        ),
    ] = None
    min_p: Annotated[
        float | None,
        Option(
            "Sample among tokens at least this probable, relative to the most likely one.",
            ge=0,
            le=1,
        ),
    ] = None
    repetition_penalty: Annotated[
        float, Option("Above 1 makes tokens that occurred before less likely.", gt=0)
    ] = 1.0
    no_repeat_ngram_size: Annotated[
        int, Option("Block repeated n-grams of this size; 0 blocks none.", ge=0)
    ] = 0
    num_beams: Annotated[
        int, Option("Beams of a beam search for the most likely text; 1 is no search.", ge=1)
    ] = 1
    stop: Annotated[
        Sequence[str] | str, Option("Strings that end the text; they are no part of it.")
    ] = ()
    seed: Annotated[int | None, Option("Random seed.", ge=0)] = None
    overflow: Annotated[
        Literal["error", "slide"],
        Option('Once the context is full: "error", or "slide" on with its later half.'),
    ] = "error"

    def __post_init__(self) -> None:
        if self.num_beams > 1 and self.is_sampled:
            raise UsageError(
                "num_beams searches for the most likely text; "
                "it excludes temperature, top_k, top_p, min_p and seed."
            )

    @property
    def is_sampled(self) -> bool:
        """Whether tokens are sampled; otherwise the most likely is taken."""
        if self.temperature is not None:
            return self.temperature > 0
        return any(value is not None for value in (self.top_k, self.top_p, self.min_p, self.seed))

    @property
    def stop_strings(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)
