"""Pins, caches that cannot be written, offline mode, mirrors, progress, interrupts."""

import errno
import hashlib
import os

import pytest

from warmstart import hub
from warmstart.errors import CacheError, ChecksumError, DownloadError, OfflineError, UsageError
from warmstart.hub import files, retries

# --- pins
# --------------------------------------------------------------------------------------------------------


def test_a_pinned_file_that_changed_is_an_error_that_says_how_to_accept_it(
    site, content, visible, unfinished
):
    url = site.put(content)
    hub.fetch(url)
    site.put(content[::-1])
    assert hub.cache.rm(url)
    for _ in range(2):
        with pytest.raises(
            ChecksumError, match=r"warmstart cache rm --pins 'http://127[^ ]*/weights.h5'"
        ):
            hub.fetch(url)
        assert visible() == [] == unfinished()
    hub.cache.rm(url, pins=True)
    assert hub.fetch(url).read_bytes() == content[::-1]


def test_a_published_hash_is_stronger_than_a_pin(site, content, sha256):
    url = site.put(content)
    hub.fetch(url)
    site.put(content[::-1])
    assert hub.fetch(url, sha256=sha256(content[::-1])).read_bytes() == content[::-1]


def test_a_cached_file_that_is_not_the_wanted_one(site, content, sha256):
    url = site.put(content)
    path = hub.fetch(url)
    wanted = sha256(content[::-1])
    with pytest.raises(ChecksumError, match="not the requested version"):
        hub.fetch(url, sha256=wanted, offline=True)
    with pytest.raises(ChecksumError, match=wanted):
        hub.fetch(url, sha256=wanted)
    assert path.read_bytes() == content
    assert (
        hub.fetch(url, sha256=sha256(content), md5=hashlib.md5(content).hexdigest(), offline=True)
        == path
    )
    with pytest.raises(ChecksumError):
        hub.fetch(url, md5="0" * 32, offline=True)


# --- the cache cannot be written
# ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
@pytest.mark.parametrize("blocks", [0, 2])
def test_a_full_disk(site, content, monkeypatch, visible, unfinished, number, blocks):
    real, calls = files.write_all, []

    def write_all(descriptor, data):
        if len(data) > 4000:
            calls.append(data)
            if len(calls) > blocks:
                os.write(descriptor, data[:100])
                raise OSError(number, os.strerror(number))
        real(descriptor, data)

    monkeypatch.setattr(files, "write_all", write_all)
    url = site.put(content * 10)
    with pytest.raises(CacheError, match=r"no space is left .* WARMSTART_HOME"):
        hub.fetch(url)
    assert visible() == [] == unfinished()
    monkeypatch.setattr(files, "write_all", real)
    assert hub.fetch(url).read_bytes() == content * 10


def test_a_disk_that_is_known_to_be_too_small(site, content, monkeypatch):
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6, 100_002))
    with pytest.raises(CacheError, match="no space"):
        hub.fetch(site.put(content))


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
@pytest.mark.parametrize("call", ["mkdir", "open", "replace"])
def test_a_cache_that_is_read_only(site, content, monkeypatch, visible, number, call):
    def fail(path, *args, **kwargs):
        raise OSError(number, os.strerror(number), str(path))

    url = site.put(content)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(CacheError, match=r"cannot be written .* WARMSTART_HOME"):
            hub.fetch(url)
    assert visible() == []
    path = hub.fetch(url)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        assert hub.fetch(url) == path
        os.utime(path)
        assert hub.fetch(url) == path


def test_a_file_where_the_cache_folder_should_be(site, content, home):
    home.rmdir()
    home.write_text("is not a folder")
    with pytest.raises(CacheError, match="is not a folder"):
        hub.fetch(site.put(content))


# --- and the rest
# ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["WARMSTART_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline(site, content, monkeypatch, variable):
    url = site.put(content)
    monkeypatch.setenv(variable, "1")
    assert hub.is_offline()
    with pytest.raises(OfflineError, match="warmstart pull"):
        hub.fetch(url)
    assert site.asked == []
    hub.fetch(url, offline=False)
    assert hub.fetch(url).read_bytes() == content
    monkeypatch.setenv(variable, "0")
    assert not hub.is_offline()
    assert hub.is_offline(True)


def test_mirror(site, content, monkeypatch):
    site.put(content, "/mirror/tensorflow/a.h5")
    monkeypatch.setenv("WARMSTART_MIRROR", site.base + "/mirror")
    url = "https://storage.googleapis.com/tensorflow/a.h5"
    path = hub.fetch(url)
    assert path.read_bytes() == content
    assert [file.source for file in hub.cache.ls()] == [url]
    monkeypatch.setenv("WARMSTART_MIRROR", "file:///tmp")
    assert hub.fetch(url) == path
    with pytest.raises(UsageError, match="WARMSTART_MIRROR"):
        hub.fetch("https://storage.googleapis.com/tensorflow/b.h5")


def test_progress_starts_where_the_download_resumes(site, content, answers):
    url = site.put(content)
    site.script = [answers.proper(cut=60_000)] + [answers.slam] * 5
    calls: list[tuple[str, int, int | None]] = []
    with pytest.raises(DownloadError):
        hub.fetch(url)
    hub.fetch(url, progress=lambda *call: calls.append(call))
    assert calls[0] == ("weights.h5", 60_000, 100_003)
    assert calls[-1] == ("weights.h5", 100_003, 100_003)
    assert [call[1] for call in calls] == sorted(call[1] for call in calls)


def test_an_interrupt_keeps_what_has_arrived(site, content, answers, unfinished, visible):
    url = site.put(content)
    site.script = [answers.proper(pause=0.02)]

    def stop(name, done, total):
        if done > 30_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hub.fetch(url, progress=stop)
    assert visible() == []
    kept = unfinished()[0].stat().st_size
    assert hub.fetch(url).read_bytes() == content
    assert site.asked[1].first == kept > 30_000


@pytest.mark.parametrize("state", [b"", b"{", b"[]", b'{"size": -5}', b'{"size": 10, "whole": 3}'])
def test_a_damaged_note_of_an_unfinished_download(site, content, answers, home, state):
    url = site.put(content)
    site.script = [answers.proper(cut=60_000)] + [answers.slam] * 5
    with pytest.raises(DownloadError):
        hub.fetch(url)
    next(home.rglob("*.state")).write_bytes(state)
    assert hub.fetch(url).read_bytes() == content


def test_bytes_that_were_not_made_safe_are_not_built_upon(site, content, answers, unfinished, home):
    """After a power cut a file may be longer than what was really written to the disk."""
    url = site.put(content)
    site.script = [answers.proper(cut=60_000)] + [answers.slam] * 5
    with pytest.raises(DownloadError):
        hub.fetch(url)
    with unfinished()[0].open("ab") as file:
        file.write(bytes(20_000))
    assert hub.fetch(url).read_bytes() == content
    assert site.asked[-1].first == 60_000


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_the_bytes_are_on_the_disk_before_they_get_their_name(site, content, monkeypatch):
    calls = []
    replace = os.replace
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: calls.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    )
    monkeypatch.setattr(
        os, "replace", lambda *names: (calls.append(str(names[1])), replace(*names))
    )
    path = hub.fetch(site.put(content))
    assert calls.index(str(path.parent / ".warmstart" / "weights.h5.partial")) < calls.index(
        str(path)
    )
    assert calls.index(str(path)) < calls.index(str(path.parent))


def test_nobody_listens(make_site, content, waits):
    import socket

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(DownloadError, match="cannot be reached"):
        hub.fetch(f"http://127.0.0.1:{port}/x")
    assert len(waits) == retries.DEFAULT_POLICY.first_attempts - 1


def test_the_light_path_imports_no_network(site, content):
    import subprocess
    import sys

    url = site.put(content)
    hub.fetch(url)
    program = (
        "import sys; from warmstart import hub; hub.fetch(sys.argv[1]);"
        "slow = {'urllib.request', 'http.client', 'ssl', 'huggingface_hub', 'filelock', 'tensorflow'};"
        "bad = slow & set(sys.modules);"
        "sys.exit(f'imported: {bad}' if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", program, url], check=True, timeout=60)
