"""The cache of vectors: bounded, checked, and never the reason of a failure."""

import os
import sqlite3
import threading

import numpy as np
import pytest

from warmstart.errors import UsageError
from warmstart.hub import home
from warmstart.image.train.feature_cache import FeatureCache


def vectors(start: int, count: int, width: int = 250) -> dict[bytes, np.ndarray]:
    return {b"%08d" % n: np.full(width, n, np.float32) for n in range(start, start + count)}


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "features.db")


def test_gives_back_what_was_put(cache):
    assert cache.get([b"a"], 3) == {}
    cache.put({b"a": np.array([1, -np.pi, 1e-30], np.float32), b"b": np.zeros(3, np.float32)})
    found = cache.get([b"a", b"c", b"b"], 3)
    assert found.keys() == {b"a", b"b"}
    np.testing.assert_array_equal(found[b"a"], np.array([1, -np.pi, 1e-30], np.float32))
    assert cache.get([b"a"], 4) == {}  # a vector of another width is not this one


def test_more_keys_than_sqlite_takes_at_once(cache):
    many = vectors(0, 2500, 4)
    cache.put(many)
    assert cache.get(list(many), 4).keys() == many.keys()


def test_is_bounded_and_drops_what_was_used_longest_ago(tmp_path):
    cache = FeatureCache(tmp_path / "features.db", limit=200_000)
    for start in range(0, 100, 20):
        cache.put(vectors(start, 20))
    assert len(cache.get(list(vectors(0, 10)), 250)) == 10  # used now
    for start in range(100, 400, 20):
        cache.put(vectors(start, 20))
        assert len(cache.get(list(vectors(0, 10)), 250)) == 10
    assert cache.get(list(vectors(20, 100)), 250) == {}
    assert len(cache.get(list(vectors(380, 20)), 250)) == 20
    assert 100_000 < cache.size() <= 200_000
    assert os.path.getsize(cache.path) <= 210_000
    FeatureCache(cache.path, limit=60_000).put(vectors(900, 1))
    assert os.path.getsize(cache.path) <= 65_000


def test_limit_from_the_environment(monkeypatch):
    monkeypatch.setenv("WARMSTART_FEATURES_MB", "1.5")
    assert FeatureCache().limit == 1_500_000
    assert FeatureCache().path == home() / "features.db"
    monkeypatch.setenv("WARMSTART_FEATURES_MB", "0")
    FeatureCache().put(vectors(0, 3))
    assert not FeatureCache().path.exists()
    for bad in ("much", "-1", "nan", "inf"):
        monkeypatch.setenv("WARMSTART_FEATURES_MB", bad)
        with pytest.raises(UsageError, match="WARMSTART_FEATURES_MB"):
            FeatureCache()


def test_a_damaged_vector_is_missing_and_removed(cache):
    cache.put(vectors(0, 5))
    with sqlite3.connect(cache.path) as file:
        file.execute("UPDATE features SET vector = zeroblob(1000) WHERE key = ?", (b"%08d" % 3,))
    file.close()
    assert cache.get(list(vectors(0, 5)), 250).keys() == vectors(0, 5).keys() - {b"%08d" % 3}
    assert len(cache) == 4


@pytest.mark.parametrize(
    "content", [b"", b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_damaged_file_is_made_anew(cache, content):
    cache.path.write_bytes(content)
    assert cache.get([b"a"], 3) == {}
    cache.put(vectors(0, 2, 3))
    cache.put(vectors(0, 2, 3))
    assert len(cache.get(list(vectors(0, 2)), 3)) == 2


def test_flipped_bytes_never_give_a_wrong_vector(cache):
    want = vectors(0, 200)
    cache.put(want)
    clean = cache.path.read_bytes()
    random = np.random.default_rng(0)
    lost = 0
    for _ in range(40):
        damaged = bytearray(clean)
        for place in random.integers(0, len(clean), 20):
            damaged[place] ^= 0xFF
        cache.path.write_bytes(damaged)
        found = cache.get(list(want), 250)
        lost += len(want) - len(found)
        for key, vector in found.items():
            np.testing.assert_array_equal(vector, want[key])
    assert lost


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = FeatureCache(tmp_path / "file" / "features.db")
    cache.put(vectors(0, 2))
    assert cache.get(list(vectors(0, 2)), 250) == {}
    assert (len(cache), cache.size()) == (0, 0)


def test_a_locked_file_still_gives_what_it_has(cache, monkeypatch):
    monkeypatch.setattr("warmstart.image.train.feature_cache.TIMEOUT", 0.01)
    cache.put(vectors(0, 2))
    other = sqlite3.connect(cache.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert len(cache.get(list(vectors(0, 2)), 250)) == 2
    cache.put(vectors(2, 2))  # given up
    other.execute("ROLLBACK")
    other.close()
    assert len(cache) == 2


def test_threads_write_at_once(cache):
    threads = [
        threading.Thread(target=lambda n=n: [cache.put(vectors(100 * n + m, 1)) for m in range(20)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cache) == 80
