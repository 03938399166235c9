"""Shared fixtures: a cache of its own for every test, and the real data where it is present."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
SHARED = Path(os.environ.get("WARMSTART_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real weights, photos, text, speech and series; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the folder of real data is not here (WARMSTART_SHARED_DATA)")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _cache_of_the_run(tmp_path_factory):
    """What fixtures of whole modules compile lies in a cache of this run, never in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WARMSTART_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """Every test has an empty cache, is told to be online, and never meets the user's own settings."""
    for name in ("WARMSTART_OFFLINE", "HF_HUB_OFFLINE", "WARMSTART_MIRROR", "HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WARMSTART_HOME", str(tmp_path_factory.mktemp("home")))
