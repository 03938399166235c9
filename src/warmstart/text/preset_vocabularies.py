"""The tokenizers of KerasHub's presets: `tokenizer.json` is a config, and the vocabulary is in
`assets/tokenizer/`.

Source: KerasHub's presets, https://keras.io/keras_hub/.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warmstart.errors import BundleError, UsageError
from warmstart.text import vocabulary_files as files

CONFIG = "tokenizer.json"
ASSETS = ("assets/tokenizer", "assets")
"""Folders of vocabularies in newer and older presets."""
WORDS, PAIRS = "vocabulary.txt", "vocabulary.json"
CLASSES = ("RobertaTokenizer", "GPT2Tokenizer")
"""Byte-pair tokenizers."""


def is_preset(folder: Path) -> bool:
    """Whether a folder has the config of a KerasHub tokenizer."""
    path = folder / CONFIG
    return path.is_file() and "registered_name" in files.read_object(path)


def read(folder: Path) -> tuple[Path, Mapping[str, Any]]:
    """(the file of the vocabulary, settings with the names that transformers gives them).

    Raises:
        BundleError: the vocabulary is missing.
        UsageError: the class of the tokenizer, or an option of it, is not supported.
    """
    path = folder / CONFIG
    config = files.read_object(path)
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
        _check(options, {"add_prefix_space": False, "special_tokens_in_strings": False}, path)
        return vocabulary, {"tokenizer_class": name}
    usual = {"split": True, "split_on_cjk": True, "suffix_indicator": "##", "oov_token": "[UNK]"}
    _check(options, {**usual, "special_tokens_in_strings": False}, path)
    return vocabulary, {
        "do_lower_case": bool(options.get("lowercase", False)),
        "strip_accents": bool(options.get("strip_accents", False)),
    }


def _check(options: Mapping[str, Any], supported: Mapping[str, Any], path: Path) -> None:
    for key, value in supported.items():
        if options.get(key, value) != value:
            raise UsageError(f"{path}: {key}={options[key]!r} is not supported.")
