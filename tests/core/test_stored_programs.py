"""`warmstart cache` counts and removes compiled programs with all that was made of them."""

import json
import os
from pathlib import Path

import pytest
from tests.photos import CIFAR

from warmstart.core.stored_programs import stored_programs
from warmstart.engines import choose, onnxruntime, openvino_cache, store
from warmstart.hub import known_digests
from warmstart.hub.json_file import JsonFile
from warmstart.hub.known_digests import known_sha256_of


def program(key: str, model: str, weights: str) -> store.Artifact:
    """A stored program, with a network of OpenVINO, an ONNX file, its times and a note."""

    def fill(folder: Path) -> dict:
        (folder / "program.tflite").write_bytes(key.encode())
        (folder / "probe.npz").write_bytes(b"its outputs")
        return {"signatures": {}, "model": model, "weights": weights, "constants": [{"a": 1}]}

    artifact = store.make(key, "float32", fill)
    store.add_template(f"graph{key}", artifact)
    network(key, artifact.sha256)
    path = onnxruntime.path_of(artifact.sha256)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"onnx")
    path.with_suffix(".json").write_text("{}")
    choose.MEASURED.update(f"{artifact.sha256[:20]} here", {"litert": 1.0})
    return artifact


def network(name: str, sha256: str) -> Path:
    """A stored network of OpenVINO."""
    path = openvino_cache.folder() / f"{name}.blob"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"network")
    path.with_suffix(".json").write_text(json.dumps({"program": sha256}))
    return path


@pytest.fixture
def two():
    """Programs of two models."""
    return program("a", "mobilenet_v2", "w1"), program("b", "resnet50", "w2")


def stored_files() -> list[str]:
    """The names of files of programs; locks and measured times stay."""
    folders = (store.root(), openvino_cache.folder(), onnxruntime.folder())
    every = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return sorted(path.name for path in every if path.suffix != ".lock")


def measured() -> list[str]:
    """The keys of measured times of `program`."""
    return [key for key in JsonFile(choose.MEASURED.name).read() if key.endswith(" here")]


def test_the_programs_of_a_model_are_removed(two, run):
    gone, other = two
    before = stored_files()
    done = run("cache", "rm", "mobilenet_v2")
    assert done.code == 0, done.err
    assert "1 compiled program, 1 network of OpenVINO, 1 ONNX file" in done.out
    assert len(stored_files()) == len(before) // 2
    assert not gone.folder.exists()
    assert store.find("b") == other
    assert store.template("graphb") == other
    assert measured() == [f"{other.sha256[:20]} here"]
    assert run("cache", "rm", "mobilenet_v2").code == 1  # nothing is left


def test_everything_is_removed(two, run):
    abandoned = store.root() / ".making-0123456789ab"
    abandoned.mkdir()
    os.utime(abandoned, (0, 0))
    assert "in 2 compiled programs, 2 networks of OpenVINO, 2 ONNX files" in run("cache", "ls").out
    assert run("cache", "rm", "*").code == 0
    assert stored_files() == []
    assert measured() == []
    assert not abandoned.exists()
    assert not stored_programs()
    assert "program" not in run("cache", "ls").out


def test_the_programs_of_removed_weights_are_removed(two):
    chosen = stored_programs("*.h5", ["w2"])
    assert [path.name[0] for path in chosen.artifacts] == ["b"]
    chosen.remove()
    assert store.find("b") is None
    assert store.find("a") == two[0]


def test_the_networks_of_a_bundle_are_removed(run):
    own = network("own", store.Artifact.recorded(CIFAR / "artifacts" / "float32").sha256)
    other = network("other", "0" * 64)
    assert run("cache", "rm", str(CIFAR)).code == 0
    assert not own.exists()
    assert other.exists()


def test_digests_of_files_that_are_gone_are_forgotten(tmp_path, run, monkeypatch):
    monkeypatch.setattr(known_digests, "SETTLED", -1.0)
    paths = [tmp_path / name for name in ("one", "two", "three")]
    for path in paths:
        path.write_bytes(bytes(known_digests.LARGE))
    for path in paths[:2]:
        known_sha256_of(path)
    paths[0].unlink()
    known_sha256_of(paths[2])
    assert sorted(known_digests.KNOWN.read()) == sorted(map(str, paths[1:]))
    paths[1].unlink()
    run("cache", "rm", "*")
    assert sorted(known_digests.KNOWN.read()) == [str(paths[2])]
