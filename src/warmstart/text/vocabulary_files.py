"""Read the files of a tokenizer: sizes are checked first, and damaged files raise `BundleError`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warmstart.errors import BundleError

LARGEST_FILE = 64 * 2**20
MOST_TOKENS = 2_000_000


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
                f"{path} lacks the special token {token!r}; the files are not of one tokenizer."
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
        raise BundleError(f"{path} holds no JSON object; it is damaged, fetch it again.")
    return data
