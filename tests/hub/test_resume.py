"""Cut, flipped and changed transfers: whatever happens, the file that becomes visible is the right
one.
"""

import hashlib
import random
import time
from email.utils import formatdate

import pytest

from warmstart import hub
from warmstart.errors import ChecksumError, DownloadError


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
def test_too_many_cuts_fail_but_keep_what_has_arrived(
    site, content, answers, visible, unfinished, offset
):
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
def test_a_flipped_bit_in_a_resumed_download_is_fetched_again_in_one_piece(
    site, content, sha256, answers, where
):
    url = site.put(content)
    bad = bytearray(content)
    bad[100 if where == "first half" else 90_000] ^= 1
    site.script = [
        answers.proper(content=bytes(bad) if where == "first half" else None, cut=50_000),
        answers.proper(content=bytes(bad) if where == "second half" else None),
    ]
    assert hub.fetch(url, sha256=sha256(content)).read_bytes() == content
    assert [asked.first for asked in site.asked] == [0, 50_000, 0]


def test_a_server_that_always_flips_a_bit_of_the_second_half(
    site, content, sha256, answers, visible, unfinished
):
    url = site.put(content)
    bad = content[:-1] + bytes([content[-1] ^ 1])
    site.by_path["/weights.h5"] = answers.proper(content=bad)
    site.script = []
    site.by_path["/weights.h5"] = _alternate(
        answers.proper(content=bad, cut=50_000), answers.proper(content=bad)
    )
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
        with site.lock:  # a client that asks again is answered when the file has changed
            answers.proper(cut=offset)(handler, site)
            site.files["/weights.h5"] = other
            # A weak ETag, and a date of this very second, may stay the same while the bytes change.
            site.etag = '"two"' if validator == "etag" else site.etag
            site.modified = (
                formatdate(time.time() - 600, usegmt=True) if validator == "date" else site.modified
            )

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
    site.script = [
        answers.proper(cut=50_000),
        answers.proper(content=content),
        answers.proper(content=content),
    ]
    assert hub.fetch(url, sha256=sha256(content)).read_bytes() == content
    assert [asked.first for asked in site.asked] == [0, 50_000, 0]


def test_a_file_that_became_shorter_than_what_there_is(site, content, answers):
    url = site.put(content)
    site.script = [answers.proper(cut=50_000), answers.refuse(416)]
    assert hub.fetch(url).read_bytes() == content
