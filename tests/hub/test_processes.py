"""Several processes, killed processes, and disks that are really full."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

FETCH = """
import json, sys
from warmstart import hub
from warmstart.hub import files, retries
retries.DEFAULT_POLICY = retries.RetryPolicy(first_wait=0.01, sync_every=65536)
try:
    path = hub.fetch(sys.argv[1])
    print(json.dumps({"path": str(path), "sha256": files.digests_of(path)["sha256"]}))
except Exception as error:
    print(json.dumps({"error": type(error).__name__, "message": str(error)}))
"""


def start(url: str, *prefix: str, **options) -> subprocess.Popen:
    command = [*prefix, sys.executable, "-c", FETCH]
    return subprocess.Popen([*command, url], stdout=subprocess.PIPE, text=True, **options)


def result(process: subprocess.Popen) -> dict:
    with process:
        return json.loads(process.communicate(timeout=60)[0])


def test_eight_processes_fetch_once(site, content, sha256, answers):
    url = site.put(content)
    site.script = [answers.proper(pause=0.1)]  # long enough for all to be waiting
    processes = [start(url) for _ in range(8)]
    results = [result(process) for process in processes]
    assert {found["sha256"] for found in results} == {sha256(content)}
    assert len({found["path"] for found in results}) == 1
    assert len(site.asked) == 1


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_killed_download_is_resumed(site, content, sha256, answers, visible, unfinished):
    big = content * 20  # 2 MB
    url = site.put(big)
    site.script = [answers.proper(pause=0.01)]
    process = start(url)
    deadline = time.monotonic() + 30
    while (
        sum(path.stat().st_size for path in unfinished()) < 300_000 and time.monotonic() < deadline
    ):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    with process:
        assert process.wait() == -signal.SIGKILL
    assert visible() == []
    assert unfinished()[0].stat().st_size < len(big)
    assert result(start(url))["sha256"] == sha256(big)
    assert site.asked[1].first >= 65_536
    assert "if-range" in site.asked[1].headers
    assert len(visible()) == 1


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_killed_again_and_again(site, content, sha256, answers, visible):
    big = content * 10
    url = site.put(big)
    site.by_path["/weights.h5"] = answers.proper(pause=0.02)
    for delay in (0.02, 0.2, 0.4):
        asked, process = len(site.asked), start(url)
        while len(site.asked) == asked and process.poll() is None:
            time.sleep(0.005)
        time.sleep(delay)
        process.kill()
        with process:
            process.wait()
        assert all(sha256(path.read_bytes()) == sha256(big) for path in visible())
    site.by_path.clear()
    assert result(start(url))["sha256"] == sha256(big)


def test_a_limit_on_file_sizes(site, content, visible, unfinished):
    resource = pytest.importorskip("resource")
    url = site.put(content * 10)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    found = result(start(url, preexec_fn=limit))
    assert found["error"] == "CacheError"
    assert "no space is left" in found["message"]
    assert visible() == [] == unfinished()


@pytest.mark.parametrize("length_known", [True, False], ids=["before", "while writing"])
def test_a_disk_that_is_really_full(site, content, answers, home, tmp_path, length_known):
    """A file system of 256 KiB, in a mount namespace of its own (needs the right to make one)."""
    if not shutil.which("unshare") or not shutil.which("mount"):
        pytest.skip("no unshare")
    script = tmp_path / "full.sh"
    script.write_text(
        f"mount -t tmpfs -o size=256k tmpfs {home} || exit 77\n"
        '"$@"\n'
        f"find {home} -type f -path '*web*' | sed 's/^/left: /' >&2\n"
    )
    url = site.put(content * 10)
    if not length_known:
        site.by_path["/weights.h5"] = answers.proper(chunked=True)
    with start(url, "unshare", "-rm", "sh", str(script), stderr=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=60)
    if not out:
        pytest.skip(f"no mount namespace: {err.strip()}")
    found = json.loads(out)
    assert found["error"] == "CacheError"
    assert "no space is left" in found["message"]
    assert "left:" not in err
