"""The artifact store never trusts what it did not check, and makes each artifact once."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from warmstart.engines import choose, store
from warmstart.errors import CacheError, EngineError, EngineUnavailableError


def _fill(folder: Path) -> dict:
    (folder / "program.tflite").write_bytes(b"a program")
    (folder / "probe.npz").write_bytes(b"its outputs")
    return {"signatures": {}, "differences": {}, "made_with": {}}


def _damage_truncate(folder):
    (folder / "program.tflite").write_bytes(b"a prog")


def _damage_flip(folder):
    (folder / "program.tflite").write_bytes(b"b program")


def _damage_outputs(folder):
    (folder / "probe.npz").unlink()


def _damage_record(folder):
    (folder / "artifact.json").write_text('{"format": 1, "sha')


def _damage_types(folder):
    (folder / "artifact.json").write_text("[1, 2]")


def _damage_format(folder):
    record = json.loads((folder / "artifact.json").read_text())
    (folder / "artifact.json").write_text(json.dumps({**record, "format": 0}))


DAMAGES = [
    _damage_truncate,
    _damage_flip,
    _damage_outputs,
    _damage_record,
    _damage_types,
    _damage_format,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_artifact_is_refused_and_made_again(damage):
    first = store.make("key", "float32", _fill)
    assert store.find("key") == first
    damage(first.folder)
    with pytest.raises(EngineError, match="damaged"):
        store.Artifact.load(first.folder)
    assert store.find("key") is None
    again = store.make("key", "float32", _fill)
    assert again.path.read_bytes() == b"a program"
    assert store.find("key") == again


def test_failed_making_leaves_nothing():
    def fail(folder):
        _fill(folder)
        raise EngineError("no luck")

    with pytest.raises(EngineError, match="no luck"):
        store.make("key", "float32", fail)
    assert store.find("key") is None
    assert [p.name for p in store.root().iterdir() if not p.name.endswith(".lock")] == []


def test_other_converter_makes_another_artifact(monkeypatch):
    monkeypatch.setattr(store, "version", lambda package: "2.20")
    old = store.make("key", "float32", _fill)
    monkeypatch.setattr(store, "version", lambda package: "2.21")
    assert store.find("key") is None
    monkeypatch.setattr(
        store, "version", lambda package: "none"
    )  # without TensorFlow: what there is
    assert store.find("key") == old


def test_unwritable_store_is_told(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("WARMSTART_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(CacheError, match="WARMSTART_HOME"):
        store.make("key", "float32", _fill)


def test_full_disk_is_told(monkeypatch):
    def full(folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(CacheError, match=r"no space is left for .*artifacts.* WARMSTART_HOME"):
        store.make("key", "float32", full)


def _make_in_process(home: str, marks: str) -> None:
    os.environ["WARMSTART_HOME"] = home

    def slow(folder):
        Path(marks, str(os.getpid())).touch()
        time.sleep(0.3)
        return _fill(folder)

    store.make("key", "float32", slow)


def test_eight_processes_make_it_once(tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # imported once, not eight times
    arguments = (os.environ["WARMSTART_HOME"], str(tmp_path))
    workers = [context.Process(target=_make_in_process, args=arguments) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 8
    assert len(list(tmp_path.iterdir())) == 1
    assert store.find("key") is not None


def test_key_depends_on_everything_that_decides_the_numbers():
    base = store.content_key("w", {"a": 1}, "float32")
    assert base == store.content_key("w", {"a": 1}, "float32")
    others = {
        store.content_key("v", {"a": 1}, "float32"),
        store.content_key("w", {"a": 2}, "float32"),
        store.content_key("w", {"a": 1}, "int8"),
    }
    assert base not in others
    assert len(others) == 3


CALIBRATION = {
    "inputs": 20,
    "validation": 0,
    "digest": "d1",
    "threshold": 0.99,
    "float_layers": None,
    "engine": "openvino",
    "float32": {"engine": "litert"},
    "measure": "same best class",
    "agreement": {"openvino": 0.995},
    "milliseconds": {"float32": 4.0, "openvino": 2.0},
    "processor": "",
}


def _calibrated(folder: Path, calibration: object = CALIBRATION) -> dict:
    (folder / "program.xml").write_text("<net/>")
    (folder / "program.bin").write_bytes(b"numbers")
    (folder / "probe.npz").write_bytes(b"its outputs")
    details = {"signatures": {}, "differences": {}, "made_with": {}}
    return {**details, "calibration": calibration}


def test_a_program_of_openvino_alone(tmp_path):
    artifact = store.make("key", "int8", _calibrated)
    assert store.find("key") == artifact
    assert artifact.path == artifact.openvino_path == artifact.folder / "program.xml"
    assert artifact.size_on("openvino") == len("<net/>") + len(b"numbers")
    assert artifact.engines == ("openvino",)
    assert str(artifact.calibration) == (
        "Calibrated on 20 inputs; agreement with float32 99.5% (same best class) on the same inputs, "
        "which were too few to set some aside; 2.00 ms per input on openvino, float32 4.00 ms on "
        "litert (a processor)."
    )
    single = replace(artifact.calibration, inputs=1, validation=1)
    assert str(single).startswith("Calibrated on 1 input; ")
    assert "on 1 other; " in str(single)
    details = artifact.copy_to(tmp_path)
    store.write_record(tmp_path, "int8", details)
    assert store.Artifact.load(tmp_path).record == artifact.record
    with pytest.raises(EngineUnavailableError, match="on litert its agreement"):
        choose.open_engine(artifact, "litert", "int8")
    (artifact.folder / "program.bin").write_bytes(b"others!")
    assert store.find("key") is None


@pytest.mark.parametrize(
    "calibration",
    [[], {}, {**CALIBRATION, "agreement": {}}, {**CALIBRATION, "milliseconds": {"openvino": "x"}}],
)
def test_a_damaged_calibration_is_refused(tmp_path, calibration):
    store.write_record(tmp_path, "int8", _calibrated(tmp_path, calibration))
    with pytest.raises(EngineError, match="damaged"):
        store.Artifact.load(tmp_path)


KILLED = """
import os, signal, sys
from pathlib import Path
from warmstart.engines import store

def fill(folder):
    (folder / "program.tflite").write_bytes(bytes(1000))
    os.kill(os.getpid(), signal.SIGKILL)

store.make("killed", "float32", fill)
"""


def unfinished() -> list[str]:
    return sorted(path.name for path in store.root().glob("*.making-*"))


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_what_a_killed_process_left_is_removed_by_the_next():
    done = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(unfinished()) == 2  # a folder and its lock
    store.make("another key", "float32", _fill)
    assert unfinished() == []
    assert store.find("another key") is not None


def test_what_another_process_is_making_is_not_removed():
    def fill(folder):
        inside = _fill(folder)
        store.make("other", "float32", _fill)  # as another process would
        assert (folder / "program.tflite").is_file()
        return inside

    store.make("key", "float32", fill)
    assert unfinished() == []


@pytest.mark.parametrize(("age", "is_left"), [(60, True), (2 * 86_400, False)])
def test_leftovers_of_earlier_versions_have_no_lock(age, is_left):
    folder = store.root() / ".making-0123456789ab"
    folder.mkdir(parents=True)
    os.utime(folder, (time.time() - age,) * 2)
    store.make("key", "float32", _fill)
    assert folder.is_dir() is is_left


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"signatures": None}, "signatures must be an object, not null"),
        ({"signatures": {"forward": {"inputs": []}}}, "the key 'outputs' is missing"),
        ({"signatures": {"forward": {"inputs": [], "outputs": []}}}, "no inputs"),
        ({"sha256": ["program.tflite"]}, "sha256 must be an object, not a list"),
        ({"differences": {"probabilities": "none"}}, "must be a number, not the string 'none'"),
    ],
)
def test_a_damaged_record_names_the_file_and_the_field(record, message):
    folder = store.make("key", "float32", _fill).folder
    content = json.loads((folder / "artifact.json").read_text())
    (folder / "artifact.json").write_text(json.dumps({**content, **record}))
    with pytest.raises(EngineError, match=f"damaged: artifact.json: .*{message}"):
        store.Artifact.load(folder)
