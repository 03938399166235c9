"""`generation_config.json`: how a language model continues texts if the caller does not say.

Every key that changes the text is an option of `TextGenerator`, or is refused by name. Keys and
defaults are those of Hugging Face transformers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warmstart.errors import BundleError, UsageError
from warmstart.json_values import is_integer
from warmstart.models.repository import CONFIG, read_json

FILE = "generation_config.json"
NUMBERS: dict[str, tuple[type, float, float]] = {
    "max_new_tokens": (int, 1, math.inf),
    "max_length": (int, 1, math.inf),
    "min_new_tokens": (int, 0, math.inf),
    "temperature": (float, 0, 100),
    "top_k": (int, 0, math.inf),
    "top_p": (float, 0, 1),
    "min_p": (float, 0, 1),
    "repetition_penalty": (float, 0.01, 100),
    "no_repeat_ngram_size": (int, 0, math.inf),
    "num_beams": (int, 1, math.inf),
    "length_penalty": (float, -10, 10),
}
"""Key -> its type, and the least and the largest value, which are those of `GenerateOptions`; a
`top_k` of 0 is the default.
"""
DEFAULT_LENGTH, DEFAULT_TOP_K = 20, 50
"""Defaults of transformers without meaning here: a length, and the truncation of samples."""
NEUTRAL: dict[str, Any] = {
    "bad_words_ids": None,
    "constraints": None,
    "diversity_penalty": 0.0,
    "dola_layers": None,
    "early_stopping": False,
    "encoder_no_repeat_ngram_size": 0,
    "encoder_repetition_penalty": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "exponential_decay_length_penalty": None,
    "force_words_ids": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "guidance_scale": 1.0,
    "min_length": 0,
    "num_beam_groups": 1,
    "num_return_sequences": 1,
    "penalty_alpha": 0.0,
    "remove_invalid_values": False,
    "renormalize_logits": False,
    "sequence_bias": None,
    "token_healing": False,
    "top_h": None,
    "typical_p": 1.0,
    "watermarking_config": None,
}
"""Keys that are not supported, and the value with which they change nothing."""


def read(config: Mapping[str, Any], folder: Path, vocabulary: int) -> dict[str, Any]:
    """The `processing` of an entry that continues texts.

    Args:
        config: of `config.json`, which older repositories have these keys in.
        folder: of the repository.
        vocabulary: tokens of the model.

    Returns:
        `end`, the tokens that end a text; and if there are some, `suppress` and
        `begin_suppress`, tokens that are excluded, and `generation`, defaults of options by name.

    Raises:
        UsageError: a key that changes the text is not supported.
        BundleError: a value is impossible.
    """
    path = folder / FILE
    keys = read_json(path) if path.is_file() else config
    if not path.is_file():
        path = folder / CONFIG
    for key, neutral in NEUTRAL.items():
        if keys.get(key) not in (None, neutral):
            raise UsageError(
                f"{path}: {key}={keys[key]!r} is not supported; remove it to generate without it."
            )
    ends = keys.get("eos_token_id", config.get("eos_token_id"))
    processing: dict[str, Any] = {"end": _tokens(ends, "eos_token_id", vocabulary, path)}
    for own, key in (("suppress", "suppress_tokens"), ("begin_suppress", "begin_suppress_tokens")):
        if tokens := _tokens(keys.get(key), key, vocabulary, path):
            processing[own] = tokens
    generation = _defaults(keys, path)
    return processing | ({"generation": generation} if generation else {})


def _defaults(keys: Mapping[str, Any], path: Path) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, (cls, least, most) in NUMBERS.items():
        value = keys.get(key)
        if value is None:
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_allowed = is_number and least <= value <= most and math.isfinite(value)
        if not is_allowed or (cls is int and value != int(value)):
            allowed = f"of {least:g} or more" if math.isinf(most) else f"from {least:g} to {most:g}"
            raise BundleError(f"{path}: {key} must be a number {allowed}, not {value!r}.")
        values[key] = cls(value)
    is_sampled = keys.get("do_sample") is True
    if is_sampled and values.get("num_beams", 1) > 1:
        raise UsageError(
            f"{path}: do_sample with num_beams={values['num_beams']}, beam search with "
            "sampling, is not supported; remove one of them."
        )
    if is_sampled:
        values["do_sample"] = True
        values.setdefault("top_k", DEFAULT_TOP_K)
    if values.get("top_k") == 0:  # no truncation
        del values["top_k"]
    if values.get("max_length") == DEFAULT_LENGTH or "max_new_tokens" in values:
        values.pop("max_length", None)
    stop = keys.get("stop_strings")
    if stop:
        values["stop"] = [stop] if isinstance(stop, str) else [str(text) for text in stop]
    neutral = {"temperature": 1.0, "top_p": 1.0, "min_p": 0.0, "num_beams": 1, "min_new_tokens": 0}
    neutral |= {"repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "length_penalty": 1.0}
    return {key: value for key, value in values.items() if value != neutral.get(key)}


def write(processing: Mapping[str, Any], begin: int | None) -> dict[str, Any]:
    """The `generation_config.json` of a saved bundle; `begin` is the token that begins texts."""
    ends = list(processing.get("end", ()))
    generation = dict(processing.get("generation", {}))
    stop = generation.pop("stop", None)
    keys = {
        "bos_token_id": begin,
        "eos_token_id": ends[0] if len(ends) == 1 else ends or None,
        "stop_strings": stop,
        "suppress_tokens": processing.get("suppress"),
        "begin_suppress_tokens": processing.get("begin_suppress"),
        **generation,
    }
    return {key: list(v) if isinstance(v, tuple) else v for key, v in keys.items() if v is not None}


def _tokens(value: Any, key: str, vocabulary: int, path: Path) -> list[int]:
    tokens = value if isinstance(value, list) else [] if value is None else [value]
    for token in tokens:
        if not is_integer(token, 0):
            raise BundleError(f"{path}: {key} must be the id of a token, not {token!r}.")
    return [token for token in tokens if token < vocabulary]  # tiny models have ids of large ones
