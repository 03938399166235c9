"""What the cache knows of its files, and what happens when they are touched."""

import json
import os
import shutil

import pytest

from warmstart import hub
from warmstart.errors import CacheError, ChecksumError, OfflineError


@pytest.fixture
def cached(site, content):
    """Three cached files: their addresses."""
    urls = [
        site.put(content, "/a/one.h5"),
        site.put(b"two", "/a/two.h5?x=1"),
        site.put(b"three", "/b/one.h5"),
    ]
    for url in urls:
        hub.fetch(url)
    site.asked.clear()
    return urls


def test_ls_tells_what_is_there(cached, content, sha256, home):
    found = hub.cache.ls()
    assert [file.source for file in found] == sorted(cached)
    one = found[0]
    assert (one.size, one.sha256, one.path.read_bytes()) == (len(content), sha256(content), content)
    assert one.fetched_at.endswith("+00:00")
    assert json.loads(json.dumps(one.to_dict()))["path"] == str(one.path)
    assert [file.path.name for file in found] == ["one.h5", "two.h5", "one.h5"]
    record = json.loads((one.path.parent / ".warmstart" / "one.h5.json").read_text())
    assert record["source"] == record["url"] == cached[0]
    assert record["etag"] == '"one"'
    assert record["checked"] == ["pin"]


def test_the_cache_can_be_moved(cached, home, tmp_path, monkeypatch):
    home.rename(tmp_path / "elsewhere")
    monkeypatch.setenv("WARMSTART_HOME", str(tmp_path / "elsewhere"))
    assert hub.fetch(cached[0], offline=True).is_relative_to(tmp_path)
    assert all(problem is None for _, problem in hub.cache.verify())


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("*", 3),
        ("one.h5", 2),
        ("two*", 1),
        ("*/a/*", 2),
        ("http://*x=1", 1),
        ("nothing", 0),
        ("", 0),
        ("[", 0),
    ],
)
def test_patterns(cached, home, pattern, count):
    assert len(hub.cache.ls(pattern)) == count == len(hub.cache.verify(pattern))
    gone = hub.cache.rm(pattern)
    assert len(gone) == count
    assert not any(file.path.exists() for file in gone)
    assert len(hub.cache.ls()) == 3 - count
    assert not any(hub.is_cached(file.source) for file in gone)


def test_rm_leaves_no_empty_folders(cached, home):
    hub.cache.rm("*", pins=True)
    assert [path.name for path in home.iterdir()] == ["locks"]


def test_rm_removes_unfinished_downloads(site, content, answers, unfinished, home):
    site.script = [answers.proper(cut=50_000)] + [answers.slam] * 5
    url = site.put(content)
    with pytest.raises(Exception, match="kept"):
        hub.fetch(url)
    assert hub.cache.rm("nothing") == []
    assert unfinished()
    assert hub.cache.rm(url) == []
    assert not unfinished()
    assert [path.name for path in home.iterdir()] == ["locks"]


def test_rm_that_is_not_allowed(cached, monkeypatch):
    def fail(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", fail)
        with pytest.raises(CacheError, match="cannot be written"):
            hub.cache.rm("*")
    assert len(hub.cache.ls()) == 3


def test_verify_finds_every_damage(cached, content):
    assert [problem for _, problem in hub.cache.verify()] == [None] * 3
    one, two, three = (file.path for file in hub.cache.ls())
    stat = one.stat()
    one.write_bytes(content[:-1] + b"!")
    os.utime(one, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    two.write_bytes(b"longer than two")
    three.unlink()
    seen: list = []
    problems = [
        problem for _, problem in hub.cache.verify(progress=lambda *call: seen.append(call))
    ]
    assert "sha256" in problems[0]
    assert "15 bytes, but 3" in problems[1]
    assert "missing" in problems[2]
    assert seen[-1] == ("verify", 100_011, 100_011)


@pytest.mark.parametrize("size", [0, 1, 100_002, 100_004])
def test_a_file_of_another_size_is_fetched_again(cached, site, content, size):
    path = hub.fetch(cached[0])
    stat = path.stat()
    path.write_bytes((content + b"!")[:size])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert not hub.is_cached(cached[0])
    with pytest.raises(OfflineError, match="damaged"):
        hub.fetch(cached[0], offline=True)
    assert hub.fetch(cached[0]).read_bytes() == content
    assert len(site.asked) == 1


def test_a_file_that_was_touched_is_read_again(cached, site, content):
    path = hub.fetch(cached[0])
    os.utime(path)
    assert hub.fetch(cached[0], offline=True) == path
    path.write_bytes(content[:-1] + b"!")
    with pytest.raises(OfflineError, match="damaged"):
        hub.fetch(cached[0], offline=True)
    assert hub.fetch(cached[0]).read_bytes() == content


def test_a_damaged_file_is_not_left_while_its_source_has_changed(cached, site, content):
    path = hub.fetch(cached[0])
    path.write_bytes(b"damaged")
    site.put(content[::-1], "/a/one.h5")
    with pytest.raises(ChecksumError, match="--pins"):
        hub.fetch(cached[0])
    assert not path.exists()


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"source": 1, "file": "x", "size": 1, "sha256": "", "fetched_at": ""}',
    ],
)
def test_a_file_with_a_damaged_record_is_fetched_again(cached, site, content, record, home):
    next(home.rglob("one.h5.json")).write_bytes(record)
    hub.cache.ls()
    assert hub.fetch(cached[0]).read_bytes() == content
    assert hub.fetch(cached[2]).read_bytes() == b"three"
    assert len(site.asked) == 1


def test_a_record_that_points_elsewhere_removes_nothing_there(cached, home, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("precious")
    for note in home.rglob("*.json"):
        record = json.loads(note.read_text())
        record["file"] = os.path.relpath(secret, note.parent.parent)
        note.write_text(json.dumps(record))
    assert hub.cache.ls() == []
    hub.cache.rm("*")
    assert secret.exists()


def test_addresses_that_look_alike_do_not_share_a_place(site):
    urls = [
        site.put(path.encode(), path)
        for path in ("/x", "/x/x", "/X", "/x?a", "/x?b", "/a/x", "/.warmstart", "/")
    ]
    paths = [hub.fetch(url) for url in urls]
    assert len(set(paths)) == len(urls)
    for url, path in zip(urls, paths, strict=True):
        assert path.read_bytes() == url.removeprefix(site.base).encode()
    assert len(hub.cache.ls()) == len(urls)


def test_very_long_names(site):
    url = site.put(b"x", "/" + "long" * 100 + ".h5")
    assert hub.fetch(url).read_bytes() == b"x"
    assert hub.is_cached(url)
    assert hub.cache.rm("*long.h5")


def test_an_empty_cache(home):
    shutil.rmtree(home)
    assert hub.cache.ls() == [] == hub.cache.rm("*") == hub.cache.verify()
    assert not hub.is_cached("https://host/x")
    assert not home.exists()


def test_digest_is_the_record_s_while_the_file_is_unchanged(cached, content, sha256, tmp_path):
    path = hub.fetch(cached[0], offline=True)
    fetched = path.stat().st_mtime_ns
    path.write_bytes(content[::-1])
    os.utime(path, ns=(fetched, fetched))
    assert hub.digest(path) == sha256(content)  # not read again
    os.utime(path, ns=(fetched + 10**9, fetched + 10**9))
    assert hub.digest(path) == sha256(content[::-1])
    (tmp_path / "own.h5").write_bytes(b"mine")
    assert hub.digest(tmp_path / "own.h5") == sha256(b"mine")
