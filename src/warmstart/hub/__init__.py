"""Fetch files: resolve their sources, download, verify and cache them; see `sources` and `cache`."""

from typing import TYPE_CHECKING

from warmstart.hub.home import home, is_offline, offline_reason
from warmstart.hub.progress import Progress
from warmstart.lazy import names_of

if TYPE_CHECKING:
    from warmstart.hub import cache
    from warmstart.hub.fetcher import fetch, fetch_repo, is_cached
    from warmstart.hub.slots import digest
else:
    MODULES = {"fetch": "fetcher", "fetch_repo": "fetcher", "is_cached": "fetcher"}
    __getattr__ = names_of(__name__, {**MODULES, "cache": "cache", "digest": "slots"})

__all__ = [
    "Progress",
    "cache",
    "digest",
    "fetch",
    "fetch_repo",
    "home",
    "is_cached",
    "is_offline",
    "offline_reason",
]
