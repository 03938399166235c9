"""The folder of the cache, and the environment variables of downloads.

    WARMSTART_HOME      the folder of everything that is fetched or compiled
    WARMSTART_OFFLINE   1: never go online (HF_HUB_OFFLINE=1 means the same)
    WARMSTART_MIRROR    a URL that replaces https://storage.googleapis.com/ (Keras weights)
    HF_ENDPOINT         a URL that replaces https://huggingface.co (metadata and data)
    HF_TOKEN            sent to that endpoint only; without it the token of `hf auth login`
    HF_HUB_CACHE        the cache of Hugging Face's libraries, which is read, too (also HF_HOME)

They are read at every call, so a change takes effect at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from warmstart.errors import CacheError, UsageError

KERAS_STORAGE = "https://storage.googleapis.com/"
HUGGING_FACE = "https://huggingface.co"
TRUE_VALUES = ("1", "true", "yes", "on")


def home() -> Path:
    """The folder of everything that is fetched or compiled; it may not exist yet.

    WARMSTART_HOME, else the platform's cache folder: ~/.cache/warmstart (or below XDG_CACHE_HOME),
    ~/Library/Caches/warmstart on macOS, %LOCALAPPDATA%\\warmstart on Windows.

    Raises:
        CacheError: there is no home directory.
    """
    try:
        return _home()
    except RuntimeError:  # of Path.home
        raise CacheError(
            "There is no home directory; set WARMSTART_HOME to a folder for downloads and programs."
        ) from None


def _home() -> Path:
    if own := os.environ.get("WARMSTART_HOME"):
        return Path(own).expanduser().absolute()
    if sys.platform == "win32":
        return (
            Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "warmstart"
        )
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "warmstart"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "warmstart"


def is_offline(flag: bool | None = None) -> bool:
    """Whether going online is forbidden: the flag if not None, else WARMSTART_OFFLINE or
    HF_HUB_OFFLINE.
    """
    return bool(offline_reason(flag))


def offline_reason(flag: bool | None = None) -> str:
    """The setting that forbids going online, for messages: "offline=True" or
    "WARMSTART_OFFLINE=1"; "" if going online is allowed.
    """
    if flag is not None:
        return "offline=True" if flag else ""
    for name in ("WARMSTART_OFFLINE", "HF_HUB_OFFLINE"):
        value = os.environ.get(name, "").strip()
        if value.lower() in TRUE_VALUES:
            return f"{name}={value}"
    return ""


def hub_endpoint() -> str:
    """The address of the Hugging Face hub or of its mirror, without a slash at the end."""
    return _address("HF_ENDPOINT", HUGGING_FACE).rstrip("/")


def hub_token() -> str | None:
    """The token of HF_TOKEN, else the one that `hf auth login` has stored; None if there is
    neither, or HF_HUB_DISABLE_IMPLICIT_TOKEN forbids the stored one.
    """
    if token := os.environ.get("HF_TOKEN", "").strip():
        return token
    if os.environ.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").strip().lower() in TRUE_VALUES:
        return None
    path = _hugging_face_path("HF_TOKEN_PATH", "token")
    try:
        return path.read_text("utf-8").strip() or None if path else None
    except (OSError, ValueError):
        return None


def hugging_face_home() -> Path | None:
    """The folder of Hugging Face's libraries; None without a home directory."""
    if own := os.environ.get("HF_HOME"):
        return Path(own).expanduser()
    try:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        return None
    return Path(cache) / "huggingface"


def _hugging_face_path(variable: str, name: str) -> Path | None:
    """The folder that a variable names, else `name` in the folder of Hugging Face's libraries."""
    if own := os.environ.get(variable):
        return Path(own).expanduser()
    folder = hugging_face_home()
    return folder and folder / name


def shared_cache() -> Path | None:
    """The cache that Hugging Face's libraries share; None if there is none."""
    path = _hugging_face_path("HF_HUB_CACHE", "hub")
    return path if path and path.is_dir() else None


def mirrored(url: str) -> str:
    """The address to fetch for `url`: WARMSTART_MIRROR replaces the storage of Keras' weights."""
    if not url.startswith(KERAS_STORAGE):
        return url
    return (
        _address("WARMSTART_MIRROR", KERAS_STORAGE).rstrip("/")
        + "/"
        + url.removeprefix(KERAS_STORAGE)
    )


def _address(variable: str, default: str) -> str:
    value = os.environ.get(variable, "").strip() or default
    if not value.lower().startswith(("https://", "http://")):
        raise UsageError(
            f"{variable} must be an address that starts with https:// or http://, not {value!r}"
        )
    return value
