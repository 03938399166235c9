"""Compiled networks of OpenVINO on disk: reused if they are exactly the right ones, else replaced."""

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from warmstart.engines import choose, machine, openvino, openvino_cache
from warmstart.engines.openvino import OpenVINOEngine
from warmstart.engines.store import Artifact
from warmstart.errors import EngineError
from warmstart.hub import home

pytest.importorskip("openvino")
IMAGES = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)


def run(artifact, images=IMAGES, precision="float32"):
    return choose.open_engine(artifact, "openvino", precision).run("forward", images=images)


def equal(outputs, others):
    return all(np.array_equal(outputs[name], others[name]) for name in outputs)


def stored():
    """The stored networks; nothing else but their records lies in the folder."""
    files = sorted((home() / "openvino").iterdir())
    networks = [file for file in files if file.suffix == ".blob"]
    assert {file.with_suffix(".json") for file in networks} == {*files} - {*networks}
    return networks


def test_a_stored_network_is_used_without_the_program(artifact):
    outputs = run(artifact)
    (file,) = stored()
    time = file.stat().st_mtime_ns
    artifact.path.unlink()
    assert equal(outputs, run(artifact))
    assert stored() == [file]
    assert file.stat().st_mtime_ns == time
    with pytest.raises(EngineError, match="could not"):
        run(artifact, IMAGES[:1])  # no network for this shape is stored


def test_weights_are_read_again_after_their_memory_was_given_back(artifact, monkeypatch):
    monkeypatch.setattr(openvino, "RELEASED", -1.0)  # at every call
    run(artifact)
    engine = choose.open_engine(artifact, "openvino")
    first, second = (engine.run("forward", images=IMAGES) for _ in range(2))
    assert equal(first, second)


def test_networks_are_not_stored_without_the_hash_of_the_program(artifact):
    outputs = OpenVINOEngine(artifact.path, artifact.signatures).run("forward", images=IMAGES)
    assert not (home() / "openvino").exists()
    assert equal(outputs, run(artifact))


def _truncate(file: Path, other: Path):
    file.write_bytes(file.read_bytes()[:-1])


def _empty(file: Path, other: Path):
    file.write_bytes(b"")


def _change_content(file: Path, other: Path):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _change_record(file: Path, other: Path):
    file.with_suffix(".json").write_text("[]")


def _replace_with_record(file: Path, other: Path):
    for suffix in (".blob", ".json"):
        file.with_suffix(suffix).write_bytes(other.with_suffix(suffix).read_bytes())


def _replace_by_another(file: Path, other: Path):
    file.write_bytes(other.read_bytes())


def _replace_by_a_folder(file: Path, other: Path):
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _empty,
        _change_content,
        _change_record,
        _replace_with_record,
        _replace_by_another,
        _replace_by_a_folder,
    ],
)
def test_a_damaged_network_is_never_used(damage, artifact):
    outputs = run(artifact)
    (file,) = stored()
    run(artifact, IMAGES[:1])
    (other,) = set(stored()) - {file}
    damage(file, other)
    assert equal(outputs, run(artifact))
    if file.is_file():
        artifact.path.unlink()
        assert equal(outputs, run(artifact))  # it was stored again


def _other_version(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "version", lambda package: "0.1")


def _other_processor(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "instruction_sets", lambda: "flags: mmx")


def _other_rewrite(monkeypatch, tmp_path):
    (tmp_path / "rewrite.py").write_text("# nothing is rewritten")
    monkeypatch.setattr(openvino_cache, "REWRITE", (tmp_path / "rewrite.py",))


@pytest.mark.parametrize("change", [_other_version, _other_processor, _other_rewrite])
def test_another_environment_has_networks_of_its_own(change, artifact, monkeypatch, tmp_path):
    outputs = run(artifact)
    assert len(stored()) == 1
    change(monkeypatch, tmp_path)
    assert equal(outputs, run(artifact))
    assert len(stored()) == 2


def test_other_shapes_precisions_and_programs_have_networks_of_their_own(artifact):
    run(artifact)
    run(artifact, IMAGES[:1])
    run(artifact, precision="int8")
    OpenVINOEngine(artifact.path, artifact.signatures, sha256="0" * 64).run(
        "forward", images=IMAGES
    )
    assert len(stored()) == 4


def _run_in_process(environment, folder, barrier, results):
    os.environ.update(environment)
    artifact = Artifact.load(folder)
    engine = choose.open_engine(artifact, "openvino")
    barrier.wait()
    results.put(engine.run("forward", images=IMAGES))


def test_four_processes_at_once(artifact):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    barrier, results = context.Barrier(4), context.Queue()
    environment = {"WARMSTART_HOME": os.environ["WARMSTART_HOME"]}
    arguments = (environment, artifact.folder, barrier, results)
    assert choose.openvino_runs()  # tried once, before
    workers = [context.Process(target=_run_in_process, args=arguments) for _ in range(4)]
    for worker in workers:
        worker.start()
    outputs = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
    assert len(stored()) == 1
    artifact.path.unlink()
    assert all(equal(run(artifact), each) for each in outputs)


def test_a_folder_that_cannot_be_written(artifact):
    home().mkdir(parents=True, exist_ok=True)
    (home() / "openvino").write_text("not a folder")
    assert equal(run(artifact), run(artifact))


def test_a_full_disk(artifact):
    resource = pytest.importorskip("resource")
    choose.open_engine(artifact, "openvino")  # stores that OpenVINO runs here
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))
    try:
        outputs = run(artifact)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert stored() == []
    assert equal(outputs, run(artifact))
    assert len(stored()) == 1
