"""Repositories of a hub on loopback that speaks as the real one does."""

import hashlib
import json

import pytest

from warmstart import hub
from warmstart.errors import ChecksumError, DownloadError, OfflineError, SourceError, UsageError

FIRST, SECOND = "a" * 40, "b" * 40


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class FakeHub:
    """One repository, `org/name`, on a site; large files are redirected to another site, as to a
    CDN.
    """

    def __init__(self, site, cdn, answers):
        self.site, self.cdn, self.answers = site, cdn, answers
        self.blobs = True

    def publish(self, commit: str, files: dict[str, bytes], *revisions: str) -> None:
        siblings = []
        for path, data in files.items():
            url = f"/org/name/resolve/{commit}/{path}"
            sibling: dict = {"rfilename": path}
            if path.endswith(".safetensors"):
                lfs = {
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "size": len(data),
                    "pointerSize": 134,
                }
                sibling |= {"size": len(data), "blobId": "0" * 40, "lfs": lfs}
                self.cdn.files[f"/blobs/{lfs['sha256']}"] = data
                target = f"{self.cdn.base}/blobs/{lfs['sha256']}"
                self.site.by_path[url] = self.answers.refuse(302, {"Location": target})
            else:
                sibling |= {"size": len(data), "blobId": git_sha1(data)}
                self.site.files[url] = data
            siblings.append(sibling if self.blobs else {"rfilename": path})
        self.listing({"id": "org/name", "sha": commit, "siblings": siblings}, commit, *revisions)

    def listing(self, value, *revisions: str) -> None:
        for revision in revisions:
            self.site.files[f"/api/models/org/name/revision/{revision}?blobs=true"] = json.dumps(
                value
            ).encode()

    @property
    def asked(self) -> list[str]:
        return [asked.path for asked in self.site.asked]


@pytest.fixture
def files(content) -> dict[str, bytes]:
    return {
        "config.json": b'{"a": 1}',
        "model.safetensors": content,
        "onnx/model.onnx": b"onnx",
        "sub folder/vocab ü.txt": b"words",
        "empty.txt": b"",
    }


@pytest.fixture
def hugging(make_site, answers, monkeypatch, files) -> FakeHub:
    fake = FakeHub(make_site(), make_site(), answers)
    quoted = {path.replace(" ", "%20").replace("ü", "%C3%BC"): data for path, data in files.items()}
    fake.publish(FIRST, files, "main", "v1", "refs%2Fpr%2F1")
    for path, data in quoted.items():
        if not path.endswith(".safetensors"):
            fake.site.files[f"/org/name/resolve/{FIRST}/{path}"] = data
    monkeypatch.setenv("HF_ENDPOINT", fake.site.base + "/")
    return fake


def test_one_file_from_the_endpoint_and_then_from_the_cache(hugging, content):
    path = hub.fetch("hf://org/name/model.safetensors")
    assert path.read_bytes() == content
    assert path.parts[-5:] == ("hf", "org", "name", FIRST, "model.safetensors")
    asked = len(hugging.asked)
    assert hub.fetch("hf://org/name/model.safetensors") == path
    assert hub.fetch(f"hf://org/name@{FIRST}/model.safetensors", offline=True) == path
    assert hub.is_cached("hf://org/name/model.safetensors")
    assert hub.is_cached("hf://org/name")
    assert not hub.is_cached("hf://org/name/config.json")
    assert not hub.is_cached("hf://org/name@v1/model.safetensors")
    assert len(hugging.asked) == asked


def test_a_repository_is_a_folder_with_nothing_but_its_files(hugging, files):
    folder = hub.fetch_repo("hf://org/name")
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    assert {
        name: path.read_bytes()
        for name, path in found.items()
        if not name.startswith(".warmstart/")
    } == files
    asked = len(hugging.asked)
    assert hub.fetch_repo("hf://org/name", offline=True) == folder
    assert hub.fetch_repo("hf://org/name") == folder
    assert len(hugging.asked) == asked


def test_patterns_and_subfolders(hugging):
    folder = hub.fetch_repo("hf://org/name", ["*.json", "no such"])
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["config.json"]
    sub = hub.fetch_repo("hf://org/name/onnx")
    assert sub == folder / "onnx"
    assert (sub / "model.onnx").read_bytes() == b"onnx"
    with pytest.raises(SourceError, match=r"matches \*\.h5"):
        hub.fetch_repo("hf://org/name", ["*.h5"])
    with pytest.raises(OfflineError):
        hub.fetch_repo("hf://org/name", offline=True)
    with pytest.raises(SourceError, match=r"no file 'tf_model\.h5'"):
        hub.fetch("hf://org/name/tf_model.h5")
    with pytest.raises(UsageError, match="repository"):
        hub.fetch("hf://org/name")


@pytest.mark.parametrize("revision", ["v1", "refs/pr/1", FIRST])
def test_revisions(hugging, revision):
    path = hub.fetch("hf://org/name/config.json", revision=revision)
    assert FIRST in path.parts
    assert hub.fetch("hf://org/name/config.json", revision=revision, offline=True) == path


def test_a_branch_means_one_commit_until_it_is_forgotten(hugging, files):
    hub.fetch("hf://org/name/config.json")
    changed = {"config.json": b'{"a": 2}', "new.json": b"{}"}
    hugging.publish(SECOND, changed, "main")
    assert hub.fetch("hf://org/name/config.json").read_bytes() == files["config.json"]
    assert FIRST in hub.fetch("hf://org/name/onnx/model.onnx").parts
    assert SECOND in hub.fetch("hf://org/name/new.json").parts  # only the new commit has it
    hub.cache.rm("hf://org/name")
    assert hub.cache.ls() == []
    assert not hub.is_cached("hf://org/name")
    assert hub.fetch("hf://org/name/config.json").read_bytes() == changed["config.json"]


@pytest.mark.parametrize("path", ["config.json", "model.safetensors"])
def test_every_file_is_checked_against_the_commit(hugging, path, visible, unfinished):
    for site in (hugging.site, hugging.cdn):
        for name, data in list(site.files.items()):
            if not name.startswith("/api"):
                site.files[name] = bytes([data[0] ^ 1]) + data[1:] if data else data
    with pytest.raises(ChecksumError, match="git sha1" if path == "config.json" else "sha256"):
        hub.fetch(f"hf://org/name/{path}")
    assert visible() == [] == unfinished()


def test_a_file_of_another_size_is_not_even_downloaded(hugging, visible):
    hugging.site.files[f"/org/name/resolve/{FIRST}/config.json"] = b"{}"
    with pytest.raises(ChecksumError, match="2 bytes, but 8"):
        hub.fetch("hf://org/name/config.json")
    assert visible() == []


def test_a_mirror_that_tells_no_hashes(make_site, answers, monkeypatch, content):
    fake = FakeHub(make_site(), make_site(), answers)
    fake.blobs = False
    fake.publish(FIRST, {"model.safetensors": content, "config.json": b"{}"}, "main")
    monkeypatch.setenv("HF_ENDPOINT", fake.site.base)
    assert hub.fetch("hf://org/name/model.safetensors").read_bytes() == content
    hub.cache.rm("*")
    fake.cdn.files = {path: data[::-1] for path, data in fake.cdn.files.items()}
    with pytest.raises(ChecksumError, match="--pins"):
        hub.fetch("hf://org/name/model.safetensors")


def test_a_large_file_is_resumed_through_the_redirect(hugging, content, answers):
    hugging.cdn.script = [answers.proper(cut=60_000)]
    assert hub.fetch("hf://org/name/model.safetensors").read_bytes() == content
    assert [asked.first for asked in hugging.cdn.asked] == [0, 60_000]


def test_the_token_goes_to_the_endpoint_and_to_nobody_else(hugging, monkeypatch, content):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.fetch_repo("hf://org/name")
    assert {asked.headers.get("authorization") for asked in hugging.site.asked} == {
        "Bearer hf_secret"
    }
    assert len(hugging.cdn.asked) == 1
    assert "hf_secret" not in str(hugging.cdn.asked)
    hugging.site.asked.clear()
    hub.fetch(hugging.site.put(content))  # a plain address, though it is on the same host
    assert "hf_secret" not in str(hugging.site.asked)


def test_the_token_does_not_come_back_after_a_redirect_elsewhere(hugging, monkeypatch, answers):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    url = f"/org/name/resolve/{FIRST}/config.json"
    hugging.site.by_path[url] = answers.refuse(302, {"Location": hugging.cdn.base + "/x"})
    hugging.cdn.by_path["/x"] = answers.refuse(302, {"Location": hugging.site.base + "/y"})
    hugging.site.files["/y"] = b'{"a": 1}'
    hub.fetch("hf://org/name/config.json")
    assert "hf_secret" not in str(hugging.cdn.asked)
    assert [
        asked.headers.get("authorization") for asked in hugging.site.asked if asked.path == "/y"
    ] == [None]


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("where", ["metadata", "data"])
def test_a_private_or_gated_repository(hugging, answers, status, where):
    path = {
        "metadata": "/api/models/org/name/revision/main?blobs=true",
        "data": f"/org/name/resolve/{FIRST}/config.json",
    }[where]
    hugging.site.by_path[path] = answers.refuse(status)
    with pytest.raises(DownloadError, match=r"/org/name and set HF_TOKEN"):
        hub.fetch("hf://org/name/config.json")


@pytest.mark.parametrize(
    "path",
    [
        "../evil",
        "/etc/passwd",
        "a/../../evil",
        "a\\b",
        ".warmstart/x.json",
        "",
        ".",
        "a//b",
        3,
        None,
    ],
)
def test_a_listing_that_names_files_outside_is_refused(hugging, path, home):
    hugging.listing(
        {"sha": FIRST, "siblings": [{"rfilename": "config.json"}, {"rfilename": path}]}, "main"
    )
    with pytest.raises(SourceError, match="outside"):
        hub.fetch_repo("hf://org/name")
    assert not [found for found in home.rglob("*") if found.is_file()]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"sha": "x", "siblings": []}',
        b'{"sha": 1}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_an_answer_that_is_no_listing(hugging, answer):
    hugging.site.files["/api/models/org/name/revision/main?blobs=true"] = answer
    with pytest.raises(SourceError):
        hub.fetch("hf://org/name/config.json")


def test_an_answer_for_another_commit(hugging):
    hugging.listing({"sha": SECOND, "siblings": []}, FIRST)
    with pytest.raises(SourceError, match="another commit"):
        hub.fetch(f"hf://org/name@{FIRST}/config.json")


def test_metadata_is_asked_for_again_when_the_hub_is_busy(hugging, answers, waits):
    hugging.site.script = [answers.refuse(503), answers.slam, answers.proper(cut=50)]
    hub.fetch("hf://org/name/config.json")
    assert len(waits) == 3


def test_offline(hugging, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for source in ("hf://org/name/config.json", f"hf://org/name@{FIRST}/config.json"):
        with pytest.raises(OfflineError, match="not in the cache"):
            hub.fetch(source)
    with pytest.raises(OfflineError):
        hub.fetch_repo("hf://org/name")
    assert hugging.asked == []


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"sha": "../../x", "siblings": []}'])
def test_damaged_notes_are_asked_for_again(hugging, home, damage):
    path = hub.fetch("hf://org/name/config.json")
    for note in home.glob("hf/org/name/*.json"):
        note.write_bytes(damage)
    assert hub.fetch("hf://org/name/config.json") == path
    for note in home.glob("hf/org/name/refs/*.json"):
        note.write_bytes(damage)
    assert hub.fetch("hf://org/name/config.json") == path


def test_hashes_of_the_caller(hugging, content, sha256, files):
    assert hub.fetch("hf://org/name/model.safetensors", sha256=sha256(content))
    with pytest.raises(ChecksumError, match="name the revision"):
        hub.fetch("hf://org/name/model.safetensors", sha256="0" * 64)
    with pytest.raises(ChecksumError, match="sha256"):
        hub.fetch("hf://org/name/config.json", sha256="0" * 64)


def test_an_endpoint_that_is_no_address(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "file:///tmp")
    with pytest.raises(UsageError, match="HF_ENDPOINT"):
        hub.fetch("hf://org/name/config.json")


def test_alternatives_of_missing_files(hugging):
    folder = hub.fetch_repo(
        "hf://org/name",
        ["config.json"],
        alternatives={"*.h5": ("onnx/*",), "*.safetensors": ("model*",)},
    )
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {name for name in files if ".warmstart" not in name} == {
        "config.json",
        "onnx/model.onnx",
    }
