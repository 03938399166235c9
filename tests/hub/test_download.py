"""Faults of servers and networks: whatever happens, the file that becomes visible is the right one."""

import base64
import errno
import hashlib
import os
import random
import time
from email.utils import formatdate

import pytest

from warmstart import hub
from warmstart.errors import CacheError, ChecksumError, DownloadError, OfflineError, UsageError
from warmstart.hub import files, transport


def test_a_file_is_fetched_once_and_then_taken_from_the_cache(site, content):
    url = site.put(content)
    path = hub.fetch(url)
    assert path.read_bytes() == content
    assert path.name == "weights.h5"
    assert hub.fetch(url) == path == hub.fetch(url, offline=True)
    assert len(site.asked) == 1
    assert site.asked[0].headers["accept-encoding"] == "identity"
    assert "authorization" not in site.asked[0].headers


def test_a_cached_file_costs_less_than_a_millisecond(site, content):
    url = site.put(content)
    hub.fetch(url)
    times = []
    for _ in range(50):
        start = time.perf_counter()
        hub.fetch(url)
        times.append(time.perf_counter() - start)
    assert min(times) < 1e-3


OFFSETS = [0, 1, 2, 8191, 8192, 8193, 50_000, 65_536, 99_999, 100_001, 100_002]


@pytest.mark.parametrize("offset", OFFSETS + random.Random(7).sample(range(100_003), 20))
@pytest.mark.parametrize("hashed", [True, False], ids=["hash known", "hash unknown"])
def test_a_cut_at_any_offset_is_resumed(site, content, sha256, answers, visible, offset, hashed):
    url = site.put(content)
    site.script = [answers.proper(cut=offset)]
    path = hub.fetch(url, sha256=sha256(content) if hashed else None)
    assert path.read_bytes() == content
    assert [asked.first for asked in site.asked] == [0, offset]
    if offset:
        assert site.asked[1].headers["if-range"] == '"one"'
    assert visible() == [path]


def test_many_cuts_in_one_download(site, content, answers):
    url = site.put(content)
    site.script = [answers.proper(cut=offset) for offset in (10, 0, 1, 40_000, 0)]
    assert hub.fetch(url).read_bytes() == content
    assert [asked.first for asked in site.asked] == [0, 10, 10, 11, 40_011, 40_011]


@pytest.mark.parametrize("offset", [0, 1, 20_000, 100_002])
def test_too_many_cuts_fail_but_keep_what_has_arrived(site, content, answers, visible, unfinished, offset):
    url = site.put(content)
    site.script = [answers.proper(cut=offset)] + [answers.slam] * 5
    with pytest.raises(DownloadError, match=r"6 attempts"):
        hub.fetch(url)
    assert visible() == []
    assert not hub.is_cached(url)
    assert [path.stat().st_size for path in unfinished()] == ([offset] if offset else [])
    assert hub.fetch(url).read_bytes() == content
    assert site.asked[-1].first == offset


@pytest.mark.parametrize("bit", [0, 7, 8 * 50_000 + 3, 8 * 100_003 - 1])
@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_one_flipped_bit_at_the_same_length(site, content, answers, visible, unfinished, bit, kind):
    url = site.put(content)
    bad = bytearray(content)
    bad[bit // 8] ^= 1 << bit % 8
    site.script = [answers.proper(content=bytes(bad))]
    hashes = {kind: hashlib.new(kind, content).hexdigest()}
    with pytest.raises(ChecksumError, match=kind):
        hub.fetch(url, **hashes)
    assert visible() == [] == unfinished()
    assert hub.fetch(url, **hashes).read_bytes() == content


@pytest.mark.parametrize("where", ["first half", "second half"])
def test_a_flipped_bit_in_a_resumed_download_is_fetched_again_in_one_piece(site, content, sha256, answers, where):
    url = site.put(content)
    bad = bytearray(content)
    bad[100 if where == "first half" else 90_000] ^= 1
    site.script = [
        answers.proper(content=bytes(bad) if where == "first half" else None, cut=50_000),
        answers.proper(content=bytes(bad) if where == "second half" else None),
    ]
    assert hub.fetch(url, sha256=sha256(content)).read_bytes() == content
    assert [asked.first for asked in site.asked] == [0, 50_000, 0]


def test_a_server_that_always_flips_a_bit_of_the_second_half(site, content, sha256, answers, visible, unfinished):
    url = site.put(content)
    bad = content[:-1] + bytes([content[-1] ^ 1])
    site.by_path["/weights.h5"] = answers.proper(content=bad)
    site.script = []
    site.by_path["/weights.h5"] = _alternate(answers.proper(content=bad, cut=50_000), answers.proper(content=bad))
    with pytest.raises(ChecksumError, match="not kept"):
        hub.fetch(url, sha256=sha256(content))
    assert visible() == [] == unfinished()
    assert len(site.asked) == 4


def _alternate(*several):
    state = {"next": 0}

    def answer(handler, site):
        state["next"] += 1
        several[(state["next"] - 1) % len(several)](handler, site)

    return answer


def test_a_server_that_ignores_range(site, content, answers):
    url = site.put(content)
    site.script = [answers.proper(cut=30_000), answers.proper(ignore_range=True)]
    assert hub.fetch(url).read_bytes() == content


WRONG_PARTS = {
    "starts earlier": {"content_range": "bytes 29999-100002/100003", "shift": -1},
    "starts later": {"content_range": "bytes 30001-100002/100003", "shift": 1},
    "another total": {"content_range": "bytes 30000-100002/100004"},
    "beyond the total": {"content_range": "bytes 30000-100003/100003"},
    "backwards": {"content_range": "bytes 30000-29999/100003"},
    "nonsense": {"content_range": "pieces 3-4"},
    "another length": {"length": 70_002},
    "another etag": {"etag": '"two"', "ignore_if_range": True},
    "no etag": {"etag": None, "ignore_if_range": True},
    "a weak etag": {"etag": 'W/"one"', "ignore_if_range": True},
}


@pytest.mark.parametrize("wrong", WRONG_PARTS.values(), ids=WRONG_PARTS)
def test_a_part_that_is_not_the_rest_is_dropped(site, content, answers, visible, wrong):
    url = site.put(content)
    site.script = [answers.proper(cut=30_000), answers.proper(**wrong)]
    assert hub.fetch(url).read_bytes() == content
    assert site.asked[-1].first == 0
    assert len(visible()) == 1


def test_a_part_that_nobody_asked_for(site, content, answers):
    url = site.put(content)

    def part(handler, site):
        handler.headers["Range"] = "bytes=5-"
        answers.proper()(handler, site)

    site.script = [part]
    assert hub.fetch(url).read_bytes() == content


def test_a_range_that_is_shorter_than_asked_is_continued(site, content, answers):
    url = site.put(content)

    def short(handler, site):
        first = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
        part = content[first : first + 1000]
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {first}-{first + 999}/{len(content)}")
        handler.send_header("Content-Length", "1000")
        handler.send_header("ETag", '"one"')
        handler.end_headers()
        handler.wfile.write(part)

    site.script = [answers.proper(cut=30_000), short]
    assert hub.fetch(url).read_bytes() == content
    assert [asked.first for asked in site.asked] == [0, 30_000, 31_000]


@pytest.mark.parametrize("offset", [1, 50_000, 100_002])
@pytest.mark.parametrize("validator", ["etag", "date", "fresh date", "weak etag", "none"])
@pytest.mark.parametrize("obeys", [True, False], ids=["obeys If-Range", "ignores If-Range"])
def test_a_file_that_changes_between_two_halves_is_never_spliced(
    site, content, answers, visible, long_ago, offset, validator, obeys
):
    other = content[::-1]
    url = site.put(content)
    site.etag = {"etag": '"one"', "weak etag": 'W/"one"'}.get(validator)
    site.modified = {"date": long_ago, "fresh date": formatdate(usegmt=True)}.get(validator)

    def change(handler, site):
        answers.proper(cut=offset)(handler, site)
        site.files["/weights.h5"] = other
        # A weak ETag, and a date of this very second, may stay the same while the bytes change.
        site.etag = '"two"' if validator == "etag" else site.etag
        site.modified = formatdate(time.time() - 600, usegmt=True) if validator == "date" else site.modified

    site.script = [change]
    if not obeys:
        site.script.append(answers.proper(ignore_if_range=True))
    path = hub.fetch(url)
    assert path.read_bytes() == other
    assert visible() == [path]


def test_a_date_is_a_validator_once_it_is_old(site, content, answers, long_ago):
    url = site.put(content)
    site.etag, site.modified = None, long_ago
    site.script = [answers.proper(cut=50_000)]
    assert hub.fetch(url).read_bytes() == content
    assert site.asked[1].headers["if-range"] == long_ago
    assert site.asked[1].first == 50_000


def test_without_a_validator_only_a_known_hash_allows_to_resume(site, content, sha256, answers):
    url, hashed = site.put(content), site.put(content, "/hashed.h5")
    site.etag = None
    site.script = [answers.proper(cut=50_000)]
    assert hub.fetch(url).read_bytes() == content
    assert [asked.first for asked in site.asked] == [0, 0]
    site.script = [answers.proper(cut=50_000)]
    assert hub.fetch(hashed, sha256=sha256(content)).read_bytes() == content
    assert [asked.first for asked in site.asked[2:]] == [0, 50_000]


def test_a_change_without_a_validator_is_found_by_the_hash(site, content, sha256, answers):
    url = site.put(content[::-1])
    site.etag = None
    site.script = [answers.proper(cut=50_000), answers.proper(content=content), answers.proper(content=content)]
    assert hub.fetch(url, sha256=sha256(content)).read_bytes() == content
    assert [asked.first for asked in site.asked] == [0, 50_000, 0]


def test_a_file_that_became_shorter_than_what_there_is(site, content, answers):
    url = site.put(content)
    site.script = [answers.proper(cut=50_000), answers.refuse(416)]
    assert hub.fetch(url).read_bytes() == content


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_a_busy_server_is_asked_again(site, content, answers, waits, status):
    url = site.put(content)
    site.script = [answers.refuse(status)] * 4
    assert hub.fetch(url).read_bytes() == content
    assert len(waits) == 4
    assert 0.25 <= waits[0] <= 0.75
    assert 2.0 <= waits[3] <= 6.0


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(site, content, answers, waits, form):
    url = site.put(content)
    value = "17" if form == "seconds" else formatdate(time.time() + 17, usegmt=True)
    site.script = [answers.refuse(429, {"Retry-After": value})]
    assert hub.fetch(url).read_bytes() == content
    assert waits[0] == pytest.approx(17, abs=1.5)


def test_a_server_that_asks_to_wait_for_an_hour_is_reported(site, content, answers, waits):
    site.by_path["/weights.h5"] = answers.refuse(429, {"Retry-After": "3600"})
    with pytest.raises(DownloadError, match="wait 3600 s"):
        hub.fetch(site.put(content))
    assert waits == []


@pytest.mark.parametrize("value", ["soon", "-5", "Thu, 99 Foo 2020", "1e999", "9" * 400])
def test_a_senseless_retry_after(site, content, answers, value):
    site.script = [answers.refuse(503, {"Retry-After": value})]
    url = site.put(content)
    if value.isdigit():
        with pytest.raises(DownloadError):
            hub.fetch(url)
    assert hub.fetch(url).read_bytes() == content


def test_a_server_that_never_recovers(site, content, answers, waits, visible):
    site.by_path["/weights.h5"] = answers.refuse(503)
    with pytest.raises(DownloadError, match=r"503.*6 attempts"):
        hub.fetch(site.put(content))
    assert len(site.asked) == 6
    assert sum(waits) <= 6 * transport.PATIENCE.longest_wait
    assert visible() == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_a_refusal_is_final(site, content, answers, home, status):
    site.by_path["/weights.h5"] = answers.refuse(status)
    with pytest.raises(DownloadError, match=str(status)):
        hub.fetch(site.put(content))
    assert len(site.asked) == 1
    assert not list((home / "web").rglob("*"))


@pytest.mark.parametrize("after", [0, 1, 60_000])
def test_a_server_that_hangs(site, content, answers, after):
    url = site.put(content)
    site.script = [answers.hang(after)]
    start = time.monotonic()
    assert hub.fetch(url).read_bytes() == content
    assert time.monotonic() - start < 5
    assert site.asked[1].first == after


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_a_server_that_keeps_the_connection_open_after_the_last_byte(site, content, answers, version):
    url = site.put(content)

    def keep(handler, site):
        handler.protocol_version = version
        answers.hang(len(content))(handler, site)

    site.script = [keep]
    start = time.monotonic()
    assert hub.fetch(url).read_bytes() == content
    assert time.monotonic() - start < 5
    assert len(site.asked) == 1


def test_a_server_that_drips(site, content, answers, monkeypatch):
    monkeypatch.setattr(transport, "PATIENCE", transport.Patience(timeout=0.3, slowest=1e6, sync_every=40_000))
    url = site.put(content)
    site.script = [answers.proper(pause=0.1)]
    assert hub.fetch(url).read_bytes() == content
    assert len(site.asked) == 2


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize("difference", [-100_003, -50_000, -1, 1, 1000])
def test_a_wrong_content_length(site, content, sha256, answers, visible, difference, hashed):
    url = site.put(content)
    right = sha256(content) if hashed else None
    site.by_path["/weights.h5"] = answers.proper(length=len(content) + difference)
    with pytest.raises((DownloadError, ChecksumError)):
        hub.fetch(url, sha256=right)
    assert visible() == []
    site.by_path.clear()
    assert hub.fetch(url, sha256=right).read_bytes() == content


def test_no_length_and_no_hash_is_refused(site, content, sha256, answers, visible):
    url = site.put(content)
    site.by_path["/weights.h5"] = answers.proper(no_length=True, cut=70_000)
    with pytest.raises(DownloadError, match="give the sha256"):
        hub.fetch(url)
    with pytest.raises(ChecksumError):
        hub.fetch(url, sha256=sha256(content))
    assert visible() == []
    site.by_path["/weights.h5"] = answers.proper(no_length=True)
    assert hub.fetch(url, sha256=sha256(content)).read_bytes() == content


@pytest.mark.parametrize("offset", [0, 1, 20_000, 100_002, None])
def test_chunked_answers(site, content, answers, offset):
    url = site.put(content)
    site.script = [answers.proper(chunked=True, cut=offset)]
    assert hub.fetch(url).read_bytes() == content
    assert len(site.asked) == (1 if offset is None else 2)


def test_a_compressed_answer_is_refused(site, content, answers, visible):
    site.script = [answers.proper(extra={"Content-Encoding": "gzip"})]
    with pytest.raises(DownloadError, match="compresses"):
        hub.fetch(site.put(content))
    assert visible() == []


def test_a_login_page_is_not_taken_for_weights(site, answers, visible):
    site.extra = {"Content-Type": "text/html; charset=utf-8"}
    with pytest.raises(DownloadError, match="web page"):
        hub.fetch(site.put(b"<html>please log in</html>"))
    assert visible() == []


def test_hashes_that_the_server_announces_are_checked(site, content, answers, visible):
    url = site.put(content)
    bad = content[:-1] + b"\0"
    md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
    sha = base64.b64encode(hashlib.sha256(content).digest()).decode()
    for told in ({"x-goog-hash": f"crc32c=AAAAAA==,md5={md5}"}, {"Repr-Digest": f"sha-256=:{sha}:"}):
        site.extra = told
        site.script = [answers.proper(content=bad)]
        with pytest.raises(ChecksumError, match="announces"):
            hub.fetch(url)
        assert visible() == []
    assert hub.fetch(url).read_bytes() == content


def test_an_empty_file(site):
    assert hub.fetch(site.put(b"")).read_bytes() == b""


# --- redirects ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_and_its_target_resumed(site, content, answers, status):
    url = site.base + "/old.h5"
    site.put(content, "/new/weights.h5")
    site.by_path["/old.h5"] = answers.refuse(status, {"Location": "new/weights.h5"})
    site.script = [answers.proper(cut=40_000)]
    path = hub.fetch(url)
    assert path.read_bytes() == content
    assert path.name == "old.h5"
    assert [(asked.path, asked.first) for asked in site.asked[2:]] == [("/old.h5", 40_000), ("/new/weights.h5", 40_000)]


def test_a_redirect_loop(site, answers, visible):
    site.by_path["/a"] = answers.refuse(302, {"Location": "/b"})
    site.by_path["/b"] = answers.refuse(302, {"Location": "/a"})
    with pytest.raises(DownloadError, match="more than 10 times"):
        hub.fetch(site.base + "/a")
    assert len(site.asked) == 11
    assert visible() == []


@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "", "//", "http://user:secret@127.0.0.1/", "//[::1"],
)
def test_a_redirect_to_elsewhere_than_the_web_is_refused(site, answers, visible, target):
    site.by_path["/a"] = answers.refuse(302, {"Location": target})
    with pytest.raises(DownloadError, match="refused"):
        hub.fetch(site.base + "/a")
    assert visible() == []


def test_a_redirect_from_https_to_http_is_refused():
    with pytest.raises(DownloadError, match="unprotected"):
        transport._target("https://a/x", "https://a/x", "http://a/x")
    assert transport._target("http://a/x", "http://a/x", "https://a/y z") == "https://a/y%20z"


# --- pins --------------------------------------------------------------------------------------------------------


def test_a_pinned_file_that_changed_is_an_error_that_says_how_to_accept_it(site, content, visible, unfinished):
    url = site.put(content)
    hub.fetch(url)
    site.put(content[::-1])
    assert hub.cache.rm(url)
    for _ in range(2):
        with pytest.raises(ChecksumError, match=r"warmstart cache rm --pins 'http://127[^ ]*/weights.h5'"):
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
    with pytest.raises(ChecksumError, match="not the version"):
        hub.fetch(url, sha256=wanted, offline=True)
    with pytest.raises(ChecksumError, match=wanted):
        hub.fetch(url, sha256=wanted)
    assert path.read_bytes() == content
    assert hub.fetch(url, sha256=sha256(content), md5=hashlib.md5(content).hexdigest(), offline=True) == path
    with pytest.raises(ChecksumError):
        hub.fetch(url, md5="0" * 32, offline=True)


# --- the cache cannot be written ---------------------------------------------------------------------------------


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
    home.write_text("in the way")
    with pytest.raises(CacheError, match="in the way"):
        hub.fetch(site.put(content))


# --- and the rest ------------------------------------------------------------------------------------------------


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
    monkeypatch.setattr(os, "fsync", lambda descriptor: calls.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append(str(names[1])), replace(*names)))
    path = hub.fetch(site.put(content))
    assert calls.index(str(path.parent / ".warmstart" / "weights.h5.partial")) < calls.index(str(path))
    assert calls.index(str(path)) < calls.index(str(path.parent))


def test_nobody_listens(make_site, content, waits):
    import socket

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(DownloadError, match="cannot be reached"):
        hub.fetch(f"http://127.0.0.1:{port}/x")
    assert len(waits) == transport.PATIENCE.first_attempts - 1
    assert not hub.is_reachable(f"http://127.0.0.1:{port}/x")


def test_reachable(site, content, answers, tmp_path):
    url = site.put(content)
    assert hub.is_reachable(url)
    assert [asked.method for asked in site.asked] == ["HEAD"]
    assert not hub.is_reachable(site.base + "/other")
    site.by_path["/busy"] = answers.refuse(503)
    site.by_path["/no-head"] = answers.refuse(405)
    site.by_path["/asleep"] = lambda handler, site: site.closing.wait(20) and None
    assert not hub.is_reachable(site.base + "/busy")
    assert hub.is_reachable(site.base + "/no-head")
    start = time.monotonic()
    assert not hub.is_reachable(site.base + "/asleep", timeout=0.2)
    assert time.monotonic() - start < 2
    assert not hub.is_reachable(tmp_path / "nothing")


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
