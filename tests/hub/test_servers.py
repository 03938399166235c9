"""Servers that are busy, slow, wrong about lengths, or that redirect."""

import base64
import hashlib
import ssl
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from warmstart import hub
from warmstart.errors import ChecksumError, DownloadError
from warmstart.hub import retries


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
    assert sum(waits) <= 6 * retries.DEFAULT_POLICY.max_wait
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
def test_a_server_that_keeps_the_connection_open_after_the_last_byte(
    site, content, answers, waits, version
):
    url = site.put(content)

    def keep(handler, site):
        handler.protocol_version = version
        answers.hang(len(content))(handler, site)

    site.script = [keep]
    start = time.monotonic()
    assert hub.fetch(url).read_bytes() == content
    assert time.monotonic() - start < 5
    assert len(site.asked) == 1
    assert waits == []


def test_a_server_that_drips(site, content, answers, monkeypatch):
    monkeypatch.setattr(
        retries,
        "DEFAULT_POLICY",
        retries.RetryPolicy(timeout=0.3, minimum_rate=1e6, sync_every=40_000),
    )
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
    for told in (
        {"x-goog-hash": f"crc32c=AAAAAA==,md5={md5}"},
        {"Repr-Digest": f"sha-256=:{sha}:"},
    ):
        site.extra = told
        site.script = [answers.proper(content=bad)]
        with pytest.raises(ChecksumError, match="announces"):
            hub.fetch(url)
        assert visible() == []
    assert hub.fetch(url).read_bytes() == content


def test_an_empty_file(site):
    assert hub.fetch(site.put(b"")).read_bytes() == b""


# --- redirects
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_and_its_target_resumed(site, content, answers, status):
    url = site.base + "/old.h5"
    site.put(content, "/new/weights.h5")
    site.by_path["/old.h5"] = answers.refuse(status, {"Location": "new/weights.h5"})
    site.script = [answers.proper(cut=40_000)]
    path = hub.fetch(url)
    assert path.read_bytes() == content
    assert path.name == "old.h5"
    assert [(asked.path, asked.first) for asked in site.asked[2:]] == [
        ("/old.h5", 40_000),
        ("/new/weights.h5", 40_000),
    ]


def test_a_redirect_loop(site, answers, visible):
    site.by_path["/a"] = answers.refuse(302, {"Location": "/b"})
    site.by_path["/b"] = answers.refuse(302, {"Location": "/a"})
    with pytest.raises(DownloadError, match="more than 10 times"):
        hub.fetch(site.base + "/a")
    assert len(site.asked) == 11
    assert visible() == []


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "data:,x",
        "",
        "//",
        "http://user:secret@127.0.0.1/",
        "//[::1",
    ],
)
def test_a_redirect_to_elsewhere_than_the_web_is_refused(site, answers, visible, target):
    site.by_path["/a"] = answers.refuse(302, {"Location": target})
    with pytest.raises(DownloadError, match="refused"):
        hub.fetch(site.base + "/a")
    assert visible() == []


@pytest.fixture
def secure_site(make_site, monkeypatch):
    """A site that speaks TLS, with a certificate that new processes trust."""
    certificate = Path(__file__).with_name("localhost.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return make_site(context)


def fetch_in_a_new_process(url: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from warmstart import hub; print(hub.fetch(sys.argv[1]))"
    return subprocess.run(
        [sys.executable, "-c", code, url], capture_output=True, text=True, check=False
    )


def test_a_redirect_from_https_to_http_is_refused(site, secure_site, content, answers, visible):
    secure_site.by_path["/a"] = answers.refuse(302, {"Location": site.put(content)})
    done = fetch_in_a_new_process(secure_site.base + "/a")
    assert "unprotected" in done.stderr
    assert site.asked == []
    assert visible() == []


def test_a_redirect_from_http_to_https_is_followed_and_its_spaces_are_quoted(
    site, secure_site, content, answers
):
    secure_site.put(content, "/y%20z.h5")
    site.by_path["/a"] = answers.refuse(302, {"Location": secure_site.base + "/y z.h5"})
    done = fetch_in_a_new_process(site.base + "/a")
    assert Path(done.stdout.strip()).read_bytes() == content, done.stderr
    assert [asked.path for asked in secure_site.asked] == ["/y%20z.h5"]


def test_a_certificate_that_nobody_signed_is_refused(secure_site, content, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(DownloadError, match="certificate"):
        hub.fetch(secure_site.put(content))
