"""A bundle goes to a hub on loopback that speaks as the real one does, and comes back from it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from tests.hub import local_hub
from tests.hub.local_hub import git_sha1

import warmstart as ws
from warmstart import hub
from warmstart.cli.app import app
from warmstart.errors import DownloadError, OfflineError, SourceError, UsageError

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of httpx
EMBEDDED = Path(ws.__path__[0]) / "embedded" / "sst2_bert_tiny"


@pytest.fixture
def server(monkeypatch):
    with local_hub.running(monkeypatch) as state:
        yield state


def metadata_of(server):
    """What the card in the repository says, by key."""
    head = server.files["README.md"].decode().split("---\n")[1]
    return {k: json.loads(v) for k, _, v in (line.partition(": ") for line in head.splitlines())}


def test_a_model_goes_up_and_comes_back(server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_user")
    model = ws.load("sst2_bert_tiny")
    assert model.push_to_hub("org/name", private=True).endswith("/org/name")
    assert server.tokens == {"Bearer hf_of_the_user"}
    assert server.visibility in (True, "private")
    again = ws.load("hf://org/name")
    assert again("what a film").to_dict() == model("what a film").to_dict()
    facts = metadata_of(server)
    assert facts["library_name"] == "warmstart"
    assert facts["pipeline_tag"] == "text-classification"
    assert facts["model-index"][0]["results"][0]["metrics"][0]["type"] == "accuracy"


def test_a_second_push_replaces_the_first(server, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    server.files["old.txt"] = b"old"
    done = CliRunner().invoke(app, ["push", str(EMBEDDED), "hf://org/name", "--public"])
    assert done.exit_code == 0, done.output
    assert "old.txt" not in server.files
    assert {"warmstart.json", "artifacts/float32/program.tflite"} <= server.files.keys()


@pytest.mark.parametrize(
    ("record", "base"),
    [
        ({"base_source": "hf://org/base@v2", "dataset": "org/reviews"}, "org/base"),
        ({"settings": {"base": "segformer_b0"}}, "nvidia/segformer-b0-finetuned-ade-512-512"),
        ({"settings": {"base": "my_own"}}, None),
    ],
)
def test_a_fine_tuned_model(server, monkeypatch, tmp_path, record, base):
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    folder = tmp_path / "own"
    shutil.copytree(EMBEDDED, folder)
    (folder / "training.json").write_text(json.dumps(record))
    (folder / "training").mkdir()
    (folder / "training" / "run.json").write_text("{}")
    ws.load(folder).push_to_hub("org/name")
    facts = metadata_of(server)
    assert facts.get("base_model") == base
    assert facts.get("datasets") == (["org/reviews"] if "dataset" in record else None)
    assert "training/run.json" not in server.files


def test_data_of_the_hub_is_known_by_its_repository():
    from warmstart.training.summary import hub_dataset

    addresses = {"hf://datasets/org/reviews@1234/train.parquet": {}}
    data = SimpleNamespace(info=SimpleNamespace(download_checksums=addresses))
    assert hub_dataset(data) == hub_dataset({"train": data}) == "org/reviews"
    assert hub_dataset({"text": ["a"]}) is hub_dataset("reviews.csv") is None


def test_the_stored_token_is_used(server, monkeypatch, tmp_path):
    (tmp_path / "token").write_text("hf_stored\n")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    from warmstart.hub.home import hub_token

    assert hub_token() == "hf_stored"
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert hub_token() == "hf_other"
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    assert hub_token() is None


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "the token is not valid; use a token with the scope `write`"),
        (403, "may not write to 'org'"),
        (404, "no user or organisation 'org'"),
        (400, "responds 400"),
    ],
)
def test_a_refusal_says_what_is_missing(server, monkeypatch, status, message):
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    server.status = status
    with pytest.raises(SourceError, match=message):
        ws.load("sst2_bert_tiny").push_to_hub("org/name")
    assert not server.files


def test_nothing_is_sent_without_a_token_or_offline(server, monkeypatch):
    model = ws.load("sst2_bert_tiny")
    with pytest.raises(UsageError, match="hf auth login"):
        model.push_to_hub("org/name")
    with pytest.raises(UsageError, match="is ORG/NAME"):
        model.push_to_hub("name")
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(OfflineError, match="HF_HUB_OFFLINE=1"):
        model.push_to_hub("org/name")
    assert not server.tokens


def test_a_hub_that_is_away(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match="cannot be uploaded"):
        ws.load("sst2_bert_tiny").push_to_hub("org/name")


def share(folder: Path, files: dict[str, bytes], commit: str) -> None:
    """The cache that Hugging Face's libraries write for `org/name`."""
    repository = folder / "models--org--name"
    for name, data in files.items():
        blob = repository / "blobs" / git_sha1(data)
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        link = repository / "snapshots" / commit / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)


def test_the_shared_cache_is_read(server, monkeypatch, tmp_path):
    files = {
        path.relative_to(EMBEDDED).as_posix(): path.read_bytes()
        for path in EMBEDDED.rglob("*")
        if path.is_file()
    }
    share(tmp_path, files, f"{1:040d}")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    expected = ws.load("sst2_bert_tiny")("what a film").to_dict()
    assert ws.load("hf://org/name")("what a film").to_dict() == expected


def test_a_damaged_file_of_the_shared_cache_is_fetched(server, monkeypatch, tmp_path):
    server.files, server.commits = {"a.json": b"right", "b.json": b"whole"}, 1
    share(tmp_path, server.files, f"{1:040d}")
    (tmp_path / "models--org--name" / "blobs" / git_sha1(b"right")).write_bytes(b"wrong")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    folder = hub.fetch_repo("hf://org/name")
    assert {path.name: path.read_bytes() for path in folder.glob("*.json")} == server.files
