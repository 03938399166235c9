"""The options of text generation.

Order and meaning are those of Hugging Face transformers' logits processors: repetition penalty
(Keskar et al. 2019, section 4.1), n-gram blocking, temperature, top-k (Fan et al. 2018), top-p
(Holtzman et al. 2020), min-p (Nguyen et al. 2024).
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from warmstart.core.option import describe
from warmstart.core.options import BatchOptions, ColumnOptions, Option
from warmstart.errors import UsageError

DEFAULT_NEW_TOKENS = 100
MAX_BIAS = 1e6
"""Scores are float32, and their sums must be finite."""


@dataclass(frozen=True, kw_only=True)
class GenerateOptions(BatchOptions, ColumnOptions):
    """Options of text generation.

    Raises:
        UsageError: two of them exclude each other.
    """

    max_new_tokens: Annotated[
        int | None,
        Option(
            "Maximum number of tokens to generate; default: 100, or what the context has room for.",
            ge=1,
        ),
    ] = None
    temperature: Annotated[
        float | None,
        Option(
            "Sampling temperature: 0 always takes the most likely token; higher values are "
            "more random; default: 0, or 1 with top_k, top_p, min_p or seed.",
            ge=0,
            le=100,
        ),
    ] = None
    top_k: Annotated[
        int | None, Option("Sample only from this many most likely tokens.", ge=1, short="-k")
    ] = None
    top_p: Annotated[
        float | None,
        Option(
            "Sample only from the smallest set of most likely tokens with this total probability.",
            ge=0,
            le=1,
        ),
    ] = None
    min_p: Annotated[
        float | None,
        Option(
            "Sample only from tokens with at least this probability, relative to the most "
            "likely token.",
            ge=0,
            le=1,
            rare=True,
        ),
    ] = None
    repetition_penalty: Annotated[
        float | None,
        Option(
            "Values above 1 make tokens that occurred before less likely; default: 1.",
            ge=0.01,
            le=100,
        ),
    ] = None
    no_repeat_ngram_size: Annotated[
        int | None,
        Option("Block repeated n-grams of this size; default: 0, off.", ge=0, rare=True),
    ] = None
    num_beams: Annotated[
        int | None,
        Option(
            "Number of beams of a beam search for the most likely text; default: 1, no beam "
            "search.",
            ge=1,
            rare=True,
        ),
    ] = None
    length_penalty: Annotated[
        float | None,
        Option(
            "Length penalty of a beam search: above 0 favours long texts, below 0 short "
            "ones; default: 1.",
            ge=-10,
            le=10,
            rare=True,
        ),
    ] = None
    num_return_sequences: Annotated[
        int, Option("Number of texts to return: samples, or the best of a beam search.", ge=1)
    ] = 1
    min_new_tokens: Annotated[
        int | None,
        Option("Minimum number of tokens before the text may end; default: 0.", ge=0, rare=True),
    ] = None
    bad_words: Annotated[
        Sequence[str] | str,
        Option("Words that must not occur in the text.", rare=True),
    ] = ()
    logit_bias: Annotated[
        Mapping[str, float] | None,
        Option("Values to add to the scores of words, by word.", http=False, cli=False),
    ] = None
    stop: Annotated[
        Sequence[str] | str, Option("Strings that end the text; they are not included.")
    ] = ()
    seed: Annotated[int | None, Option("Random seed.", ge=0)] = None
    overflow: Annotated[
        Literal["error", "slide"],
        Option(
            'If prompt and new tokens do not fit the context: "error", or "slide", which '
            "continues with its later half.",
            rare=True,
        ),
    ] = "error"

    def __post_init__(self) -> None:
        if self.is_search and self.is_sampled:
            raise UsageError(
                "num_beams searches for the most likely text; "
                "it excludes temperature, top_k, top_p, min_p and seed."
            )
        biases = {} if self.logit_bias is None else self.logit_bias
        if not isinstance(biases, Mapping) or not all(isinstance(word, str) for word in biases):
            raise UsageError(
                "logit_bias must map words to numbers, such as {'cat': 2.0}, "
                f"not {describe(biases)}."
            )
        for word, bias in biases.items():
            is_number = isinstance(bias, numbers.Real) and not isinstance(bias, bool)
            if not is_number or not (bias == -math.inf or abs(bias) <= MAX_BIAS):
                raise UsageError(
                    f"logit_bias of {word!r} must be a number from {-MAX_BIAS:g} to {MAX_BIAS:g}, or "
                    f"-inf, which excludes the word; not {bias!r}."
                )
        if self.is_search and self.num_return_sequences > (self.num_beams or 1):
            raise UsageError(
                f"num_return_sequences must be at most num_beams ({self.num_beams}), "
                f"not {self.num_return_sequences}."
            )

    @property
    def is_search(self) -> bool:
        """Whether the most likely of several texts is searched for."""
        return (self.num_beams or 1) > 1

    @property
    def is_sampled(self) -> bool:
        """Whether tokens are sampled; otherwise the most likely is taken."""
        if self.temperature is not None:
            return self.temperature > 0
        return any(value is not None for value in (self.top_k, self.top_p, self.min_p, self.seed))

    @property
    def stop_strings(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    def with_defaults(self, defaults: Mapping[str, Any]) -> GenerateOptions:
        """These options, completed by the defaults of a checkpoint.

        A caller's beam search excludes a checkpoint's sampling, and vice versa.

        Args:
            defaults: of `models.text.generation_config`.

        Raises:
            UsageError: the options do not go together.
        """
        values = {key: value for key, value in defaults.items() if key in _NAMES}
        asks_sampling = self.is_sampled or (defaults.get("do_sample") and not self.is_search)
        if not asks_sampling or self.temperature == 0:
            values = {key: value for key, value in values.items() if key not in _SAMPLING}
        if asks_sampling:
            values.pop("num_beams", None)
            values.setdefault("temperature", 1.0)
        changed = {key: value for key, value in values.items() if getattr(self, key) in (None, ())}
        options = replace(self, **changed)
        if options.num_return_sequences > 1 and not (options.is_search or options.is_sampled):
            raise UsageError(
                "num_return_sequences needs samples or a beam search: set temperature or num_beams."
            )
        if self.length_penalty is not None and not options.is_search:
            raise UsageError("length_penalty is for a beam search: set num_beams to 2 or more.")
        least, most = self.min_new_tokens or 0, options.max_new_tokens
        if most is not None and least > most:
            raise UsageError(f"min_new_tokens ({least}) is above max_new_tokens ({most}).")
        return options


_SAMPLING = frozenset({"temperature", "top_k", "top_p", "min_p"})
_NAMES = _SAMPLING | {
    "max_new_tokens",
    "min_new_tokens",
    "repetition_penalty",
    "no_repeat_ngram_size",
    "num_beams",
    "length_penalty",
    "stop",
}
