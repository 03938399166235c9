"""Files from their source to this machine: resolved, downloaded, verified, cached; see `sources`
and `cache`.
"""

from warmstart.hub import cache
from warmstart.hub.fetcher import fetch, fetch_repo, is_cached
from warmstart.hub.home import home, is_offline, offline_reason
from warmstart.hub.progress import Progress
from warmstart.hub.slots import digest

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
