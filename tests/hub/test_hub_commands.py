"""`warmstart pull` and `warmstart cache`, and the progress bar."""

import json
from hashlib import sha256

import pytest
from click.testing import CliRunner

from warmstart import catalog, hub
from warmstart.cli import progress
from warmstart.cli.app import app


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def mirror(site, monkeypatch, content):
    """A mirror that has the weights of vgg16 without top, under its real address."""
    monkeypatch.setenv("WARMSTART_MIRROR", site.base)
    file = catalog.get("vgg16").weights["notop"]
    fake = catalog.WeightFile(file.source, sha256=sha256(content).hexdigest())
    entry = catalog.get("vgg16")
    changed = catalog.Entry.from_dict({**entry.to_dict(), "weights": {"notop": vars(fake)}})
    real = catalog.get
    monkeypatch.setattr(catalog, "get", lambda name: changed if name == "vgg16" else real(name))
    site.put(content, "/" + file.source.removeprefix("https://storage.googleapis.com/"))
    return file.source


def test_pull_a_model(mirror, site, content):
    result = run("pull", "vgg16", "--no-top")
    assert result.exit_code == 0, result.output
    name, path = result.stdout.strip().split("\t")
    assert name == "vgg16"
    assert hub.fetch(mirror, offline=True).read_bytes() == content
    assert path == str(hub.fetch(mirror, offline=True))
    missing = run("pull", "vgg16")
    assert missing.exit_code == 2
    assert "no 'top' weights" in missing.stderr


def test_one_bad_name_does_not_stop_the_others(site, content, tmp_path):
    url = site.put(content)
    result = run("pull", "vgg61", site.base + "/nothing", url, "odd:thing", str(tmp_path))
    assert result.exit_code == 1
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [url, str(tmp_path)]
    assert "did you mean" in result.stderr
    assert "404" in result.stderr
    assert "3 of 5 could not be fetched" in result.stderr
    assert hub.is_cached(url)


def test_pull_nothing_is_a_usage_error():
    assert run("pull").exit_code == 2
    assert run("cache", "rm").exit_code == 2


def test_pull_a_repository(site, monkeypatch):
    commit = "c" * 40
    names = ["model.safetensors", "config.json", "pytorch_model.bin", "tf_model.h5"]
    listing = {"sha": commit, "siblings": [{"rfilename": name} for name in names]}
    site.files["/api/models/org/name/revision/v1?blobs=true"] = json.dumps(listing).encode()
    for name in names:
        site.files[f"/org/name/resolve/{commit}/{name}"] = name.encode()
    monkeypatch.setenv("HF_ENDPOINT", site.base)
    result = run("pull", "hf://org/name", "--revision", "v1")
    assert result.exit_code == 0, result.output
    assert sorted(file.path.name for file in hub.cache.ls()) == ["config.json", "model.safetensors"]
    assert run("pull", "hf://org/name@v1", "--files", "*.h5").exit_code == 0
    assert len(hub.cache.ls()) == 3


def test_cache_ls_verify_and_rm(mirror, site, content):
    assert "0 files" in run("cache", "ls").stdout
    run("pull", "vgg16", "--no-top")
    listed = run("cache", "ls", "vgg16")
    assert mirror in listed.stdout
    assert "100.0 kB" in listed.stdout
    (row,) = json.loads(run("cache", "ls", "--json").stdout)
    assert row["source"] == mirror
    assert row["size"] == len(content)

    result = run("cache", "verify")
    assert result.exit_code == 0
    assert "1 of 1" in result.stdout
    hub.fetch(mirror).write_bytes(b"damaged")
    result = run("cache", "verify", "--json")
    assert result.exit_code == 1
    (row,) = json.loads(result.stdout)
    assert row["ok"] is False
    assert "7 bytes" in row["problem"]
    assert "0 of 1" in run("cache", "verify").stdout

    assert run("cache", "rm", "nothing").exit_code == 1
    result = run("cache", "rm", "vgg16")
    assert result.exit_code == 0
    assert f"removed {mirror}" in result.stdout
    assert hub.cache.ls() == []


def test_rm_with_pins_accepts_a_changed_file(site, content):
    url = site.put(content)
    run("pull", url)
    site.put(content[::-1])
    assert run("cache", "rm", url).exit_code == 0
    result = run("pull", url)
    assert result.exit_code == 1
    command = result.stderr.partition("`warmstart ")[2].partition("`")[0].replace("'", "").split()
    assert command == ["cache", "rm", "--pins", url]
    assert run(*command).exit_code == 0
    assert run("pull", url).exit_code == 0


def test_downloads_are_drawn_on_a_terminal_only(capsys, monkeypatch):
    with progress.downloads() as callback:
        callback("file", 1, 2)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(progress, "is_shown", lambda: True)
    with progress.downloads() as callback:
        callback("weights[bold].h5", 1_000_000, 2_000_000)
        callback("weights[bold].h5", 2_000_000, 2_000_000)
        callback("unknown", 5, None)
    out, err = capsys.readouterr()
    assert out == ""
    assert "weights[bold].h5" in err
    assert "2.0/2.0 MB" in err
    with progress.downloads():
        pass
    assert capsys.readouterr() == ("", "")
