"""Reloading: what is accepted, what is refused, and that nothing of old versions stays."""

import json
import os
import re
import shutil
import threading
from pathlib import Path

import pytest
from tests.photos import CIFAR

import warmstart as ws
from warmstart.errors import BundleError, UsageError
from warmstart.serve.metrics import Metrics
from warmstart.serve.models import open_models
from warmstart.serve.registry import Registry
from warmstart.serve.reloading import StoppedError, snapshot
from warmstart.serve.settings import Settings

from .conftest import Client
from .processes import copy_of, running, until

TEXTS = Path(ws.__file__).parent / "embedded" / "sst2_bert_tiny"
TERABYTE = 2**40
RELOADS = int(os.environ.get("WARMSTART_TEST_RELOADS", "12"))


def load(folder: str) -> ws.Model:
    return ws.load(folder, engine="litert")


class Watched:
    """One watched bundle, without a server; `look` reloads it where it has changed."""

    def __init__(self, folder: Path, opened):
        self.folder, self.metrics = folder, Metrics()
        settings = Settings(watch=0)
        self.registry = Registry(opened.models, settings, self.metrics)
        state = type("State", (), {"registry": self.registry, "metrics": self.metrics})
        state.settings = settings
        self._look = opened.reloading(state, load)
        self._reloader = self._look.__enter__()

    def check(self) -> int:
        """The version after two looks, between which nothing changes."""
        self._reloader.check()
        self._reloader.check()
        return self.registry["net"].version

    def refused(self) -> int:
        """How many reloads were refused."""
        text = self.metrics.text().decode()
        counts = re.findall(r'outcome="refused"} (\d+)', text)
        return int(counts[0]) if counts else 0


@pytest.fixture
def watched(tmp_path, request):
    folder = copy_of(getattr(request, "param", CIFAR), tmp_path / "net")
    with open_models([f"net={folder}"], load) as opened:
        yield Watched(folder, opened)


def edit(path: Path, change) -> None:
    data = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(change(data)), "utf-8")


def cut_labels(folder: Path) -> None:
    edit(folder / "labels.json", lambda labels: labels[:3])


def other_size(folder: Path) -> None:
    def change(manifest):
        manifest["entry"]["preprocessing"]["size"] = [40, 40]
        return manifest

    edit(folder / "warmstart.json", change)


def endless_mean(folder: Path) -> None:
    def change(manifest):
        manifest["entry"]["preprocessing"] |= {"scaling": "standard", "mean": [0.5] * 3}
        manifest["entry"]["preprocessing"]["std"] = [0.2, float("nan"), 0.2]
        return manifest

    edit(folder / "warmstart.json", change)


def no_deviation(folder: Path) -> None:
    def change(manifest):
        manifest["entry"]["preprocessing"] |= {"scaling": "standard", "mean": [0.5] * 3}
        manifest["entry"]["preprocessing"]["std"] = [0.2, 0.0, 0.2]
        return manifest

    edit(folder / "warmstart.json", change)


DAMAGES = {
    cut_labels: "10 classes and 3 labels",
    other_size: "40 x 40",
    endless_mean: "NaN",
    no_deviation: "standard deviation",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_parts_that_do_not_belong_together_are_refused(tmp_path, damage):
    folder = copy_of(CIFAR, tmp_path / "net")
    damage(folder)
    with pytest.raises(BundleError, match=DAMAGES[damage]) as caught:
        load(str(folder))
    assert str(folder) in str(caught.value)
    with pytest.raises(BundleError) as caught, open_models([str(folder)], load):
        pass
    assert str(folder) in str(caught.value)
    assert "warmstart-serve-" not in str(caught.value)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_reload_is_accepted_only_if_the_model_answers(watched, damage, caplog):
    damage(watched.folder)
    assert watched.check() == 1
    assert DAMAGES[damage] in caplog.text
    assert str(watched.folder) in caplog.text
    copy_of(CIFAR, watched.folder)
    assert watched.check() == 2


def test_a_tokenizer_of_another_model_is_refused(tmp_path):
    from warmstart.digests import sha256_of

    source = Path(ws.__file__).parent / "embedded"
    folder = copy_of(source / "sst2_bert_tiny", tmp_path / "net")
    shutil.copyfile(source / "shakespeare_gpt2" / "tokenizer.json", folder / "tokenizer.json")
    digest = sha256_of(folder / "tokenizer.json")

    def change(manifest):
        manifest["sha256"]["tokenizer.json"] = digest
        return manifest

    edit(folder / "warmstart.json", change)
    with pytest.raises(BundleError, match="768 tokens"):
        load(str(folder))


def test_a_model_that_loads_but_does_not_answer_is_refused(watched, monkeypatch, caplog):
    def fails(self, prepared, outputs, options):
        raise IndexError("no such class")

    (watched.folder / "README.md").write_text("changed")
    monkeypatch.setattr(ws.ImageClassifier, "decode", fails)
    assert watched.check() == 1
    assert "no such class" in caplog.text


def remove(folder: Path) -> None:
    shutil.rmtree(folder)


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "notes.txt.bak").write_text("no file of a model")


def replace_by_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("a file")


def replace_by_dangling_link(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to("nowhere")


LOSSES = {
    remove: "does not exist",
    empty: "has no file of a model",
    replace_by_file: "is not a folder",
    replace_by_dangling_link: "link to nowhere",
}


@pytest.mark.parametrize("lose", LOSSES)
def test_a_folder_that_is_lost_is_reported_once(watched, lose, caplog):
    lose(watched.folder)
    assert watched.check() == 1
    assert watched.check() == 1
    assert watched.refused() == 1
    (line,) = caplog.messages
    assert LOSSES[lose] in line
    if watched.folder.is_dir():
        shutil.rmtree(watched.folder)
    watched.folder.unlink(missing_ok=True)
    copy_of(CIFAR, watched.folder)
    assert watched.check() == 2


def test_only_the_files_of_the_model_are_copied(watched):
    with (watched.folder / "recordings.bin").open("wb") as file:
        file.truncate(TERABYTE)
    (watched.folder / "checkpoints").mkdir()
    (watched.folder / "checkpoints" / "model.json").write_text("{}")
    assert watched.check() == 1, "no file of the model has changed"
    (watched.folder / "README.md").write_text("changed")
    assert watched.check() == 2
    copied = watched.registry["net"].model.folder
    assert {path.name for path in copied.iterdir()} == {path.name for path in CIFAR.iterdir()}


def test_a_model_larger_than_the_free_space_is_refused(watched, caplog):
    probe = watched.folder / "artifacts" / "float32" / "probe.npz"
    os.truncate(probe, TERABYTE)
    assert watched.check() == 1
    assert "take 1,09" in caplog.text
    assert "TMPDIR" in caplog.text
    with pytest.raises(UsageError, match="TMPDIR"), open_models([str(watched.folder)], load):
        pass


def test_copying_ends_with_the_server(tmp_path):
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        snapshot(CIFAR, tmp_path, stop)
    assert not list(tmp_path.iterdir())


MANIFEST_AND_PARTS = ("warmstart.json", "labels.json", "artifacts")


@pytest.mark.parametrize("watched", [TEXTS], indirect=True)
@pytest.mark.parametrize("missing", [MANIFEST_AND_PARTS[:1], MANIFEST_AND_PARTS])
def test_a_bundle_without_its_manifest_is_not_a_repository(watched, missing, caplog):
    """It has a config.json, so it could be opened as one, with other labels."""
    for name in missing:
        path = watched.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert watched.check() == 1
    assert watched.refused() == 1
    assert "warmstart.json" in caplog.text
    if missing == MANIFEST_AND_PARTS[:1]:
        with pytest.raises(BundleError, match=r"no warmstart.json, so it is not a whole bundle"):
            load(str(watched.folder))
    copy_of(TEXTS, watched.folder)
    assert watched.check() == 2


def memory() -> int:
    """Bytes of this process that are in memory and belong to no file."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024


def test_old_versions_are_released(watched):
    grown = []
    for number in range(RELOADS):
        (watched.folder / "README.md").write_text(str(number))
        assert watched.check() == number + 2
        grown.append((memory(), len(os.listdir("/proc/self/fd"))))
    start, end = grown[min(10, RELOADS // 2)], grown[-1]
    print([f"{used >> 20} MiB, {files} files" for used, files in grown[:: max(RELOADS // 15, 1)]])
    assert end[1] <= start[1]
    assert end[0] <= start[0] * 1.05
    copies = watched.registry["net"].model.folder.parents[1]
    assert len([path for path in copies.iterdir() if path.is_dir()]) == 1


def test_linked_folders_as_kubernetes_mounts_them(tmp_path):
    """A ConfigMap: files are links into `..data`, a link to a folder that is exchanged as a whole."""
    mount = tmp_path / "net"
    first, second = mount / "..2026_1", mount / "..2026_2"
    copy_of(CIFAR, first)
    copy_of(CIFAR, second)
    edit(second / "labels.json", lambda ls: [{**one, "name": one["name"].upper()} for one in ls])
    (mount / "..data").symlink_to(first.name)
    for name in os.listdir(first):
        (mount / name).symlink_to(Path("..data", name))
    with open_models([f"net={mount}"], load) as opened:
        watched = Watched(mount, opened)
        assert watched.registry["net"].model.labels[3].name == "cat"
        (mount / "..new").symlink_to(second.name)
        os.replace(mount / "..new", mount / "..data")
        assert watched.check() == 2
        assert watched.registry["net"].model.labels[3].name == "CAT"


def test_copies_of_a_killed_server_are_cleared_at_the_next_start(tmp_path):
    folder = copy_of(CIFAR, tmp_path / "net")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {"TMPDIR": str(temporary)}
    with running(f"net={folder}", environment=environment) as server:
        (left,) = temporary.glob("warmstart-serve-*")
        with running(f"net={folder}", environment=environment):
            assert len(list(temporary.glob("warmstart-serve-*"))) == 2  # both are in use
        assert left.is_dir()
        server.process.kill()
        server.wait()
    assert left.is_dir()
    with running(f"net={folder}", environment=environment) as server:
        until(lambda: not left.exists())
        assert Client(server.address).get("/v2/health/ready").status == 200
