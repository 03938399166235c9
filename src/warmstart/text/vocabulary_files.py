"""Read the files of a tokenizer: sizes are checked first, and damaged files raise `BundleError`.

In KerasHub's presets `tokenizer.json` is a config, and the vocabulary is in `assets/tokenizer/`.
Source: KerasHub's presets, https://keras.io/keras_hub/.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warmstart.errors import BundleError, UsageError

LARGEST_FILE = 64 * 2**20
MOST_TOKENS = 2_000_000
CONFIG, PREPROCESSOR = "tokenizer.json", "preprocessor.json"
ASSETS = ("assets/tokenizer", "assets")
"""Folders of vocabularies in newer and older presets."""
WORDS, PAIRS = "vocabulary.txt", "vocabulary.json"
CLASSES = ("RobertaTokenizer", "GPT2Tokenizer")
"""Byte-pair tokenizers."""


def flag(config: Mapping[str, Any], key: str, default: bool | None, folder: Path) -> Any:
    """A setting that is true, false or, as null, the default.

    Raises:
        BundleError: it is something else.
    """
    value = config.get(key, default)
    if value is None or isinstance(value, bool):
        return default if value is None else value
    raise BundleError(
        f"{folder / 'tokenizer_config.json'}: {key} must be true, false or null, not {value!r}."
    )


def check_tokens(path: Path, vocabulary: Mapping[str, Any], needed: list[str]) -> None:
    """Raise `BundleError` for too many tokens, one without a usable number, or a missing one."""
    if len(vocabulary) > MOST_TOKENS:
        raise BundleError(
            f"{path} has {len(vocabulary):,} tokens; more than {MOST_TOKENS:,} are refused."
        )
    for token, number in vocabulary.items():
        if not isinstance(number, int) or not 0 <= number < MOST_TOKENS:
            raise BundleError(
                f"{path}: the token {token[:40]!r} has no usable number ({number!r})."
            )
    for token in needed:
        if token not in vocabulary:
            raise BundleError(
                f"{path} lacks the special token {token!r}; the files do not belong to the "
                "same tokenizer."
            )


def check_size(path: Path) -> None:
    """Raise `BundleError` for a file that is too large."""
    if path.stat().st_size > LARGEST_FILE:
        raise BundleError(
            f"{path} is larger than {LARGEST_FILE >> 20} MiB; this is not a file of a tokenizer."
        )


def text(path: Path) -> str:
    """The text of a file.

    Raises:
        BundleError: it cannot be read, or is too large.
    """
    check_size(path)
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from error


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        BundleError: it holds none, or is too large.
    """
    try:
        data = json.loads(text(path))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise BundleError(f"{path} contains no JSON object; it is damaged, fetch it again.")
    return data


def is_preset(folder: Path) -> bool:
    """Whether a folder has the config of a KerasHub tokenizer."""
    path = folder / CONFIG
    return path.is_file() and "registered_name" in read_object(path)


def read_preset(folder: Path) -> tuple[Path, Mapping[str, Any]]:
    """(the file of the vocabulary, settings with the names that transformers gives them).

    Raises:
        BundleError: the vocabulary is missing.
        UsageError: the class of the tokenizer, or an option of it, is not supported.
    """
    path = folder / CONFIG
    config = read_object(path)
    options = config.get("config")
    options = options if isinstance(options, Mapping) else {}
    candidates = [folder / assets / name for assets in ASSETS for name in (WORDS, PAIRS)]
    vocabulary = next((file for file in candidates if file.is_file()), None)
    if vocabulary is None:
        raise BundleError(f"{folder} has no vocabulary in {ASSETS[0]}; fetch the preset again.")
    if vocabulary.name == PAIRS:
        name = str(config.get("class_name"))
        if name not in CLASSES:
            raise UsageError(f"{path}: the tokenizer {name} is not supported.")
        _check_options(
            options, {"add_prefix_space": False, "special_tokens_in_strings": False}, path
        )
        start = name == "GPT2Tokenizer" and starts_texts(folder)
        return vocabulary, {"tokenizer_class": name, "add_bos_token": start}
    usual = {"split": True, "split_on_cjk": True, "suffix_indicator": "##", "oov_token": "[UNK]"}
    _check_options(options, {**usual, "special_tokens_in_strings": False}, path)
    return vocabulary, {
        "do_lower_case": bool(options.get("lowercase", False)),
        "strip_accents": bool(options.get("strip_accents", False)),
    }


def starts_texts(folder: Path) -> bool:
    """Whether the preprocessor of a preset puts the start token before each text; KerasHub's default
    is that it does.

    Raises:
        UsageError: `add_start_token` is neither true nor false.
    """
    path = folder / PREPROCESSOR
    options = read_object(path).get("config") if path.is_file() else None
    value = options.get("add_start_token", True) if isinstance(options, Mapping) else True
    if not isinstance(value, bool):
        raise UsageError(f"{path}: add_start_token must be true or false, not {value!r}.")
    return value


def _check_options(options: Mapping[str, Any], supported: Mapping[str, Any], path: Path) -> None:
    for key, value in supported.items():
        if options.get(key, value) != value:
            raise UsageError(f"{path}: {key}={options[key]!r} is not supported.")
