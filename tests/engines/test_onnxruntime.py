"""ONNX Runtime gives the reference's numbers, from an ONNX form that is written once."""

import shutil

import numpy as np
import pytest

from warmstart.engines import choose, onnxruntime
from warmstart.engines.export import export_program
from warmstart.engines.keras import KerasEngine
from warmstart.errors import EngineError, EngineUnavailableError, UsageError
from warmstart.hub import home

pytestmark = pytest.mark.tensorflow
SPEEDS = {"litert": 5.0, "openvino": 4.0, "onnxruntime": 1.0}


@pytest.fixture(scope="session")
def onnx_file(compiled_folder, tmp_path_factory):
    from warmstart.engines.store import Artifact

    path = tmp_path_factory.mktemp("onnx") / "program.onnx"
    artifact = Artifact.load(compiled_folder)
    export_program(artifact, lambda: None, "onnx", path, lambda stage: None)
    return path


@pytest.fixture
def write(onnx_file):
    """Writes the ONNX form, and counts how often."""

    def copy(path):
        copy.count += 1
        shutil.copyfile(onnx_file, path)

    copy.count = 0
    return copy


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_equals_keras(batch, artifact, program, write):
    engine = choose.open_engine(artifact, "onnxruntime", write_onnx=write)
    images = np.random.default_rng(batch).normal(size=(batch, 32, 32, 3)).astype(np.float32)
    expected = KerasEngine(program).run("forward", images=images)
    for own in (engine, *engine.workers(2)):
        actual = own.run("forward", images=images)
        assert actual.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(actual[name], value, rtol=2e-5, atol=1e-5)
    assert engine.name == "onnxruntime"


def test_the_file_is_written_once_and_again_where_it_is_damaged(artifact, write):
    for _ in range(2):
        choose.open_engine(artifact, "onnxruntime", write_onnx=write)
    assert write.count == 1
    (path,) = (home() / "onnx").glob("*.onnx")
    path.write_bytes(path.read_bytes()[:-100])
    choose.open_engine(artifact, "onnxruntime", write_onnx=write)
    assert write.count == 2
    path.unlink()
    with pytest.raises(EngineUnavailableError, match="was not converted"):
        choose.open_engine(artifact, "onnxruntime")


def test_auto_measures_it_where_its_file_is_there(artifact, write, monkeypatch):
    monkeypatch.setattr(choose, "SMALL_MS", 0.0)
    monkeypatch.setattr(
        choose, "measure", lambda engines, **_: [SPEEDS[engine.name] for engine in engines]
    )
    assert choose.open_engine(artifact, write_onnx=write).name == "openvino"
    assert write.count == 0
    choose.open_engine(artifact, "onnxruntime", write_onnx=write)
    assert choose.open_engine(artifact).name == "onnxruntime"
    run = onnxruntime.ONNXRuntimeEngine._run
    monkeypatch.setattr(
        onnxruntime.ONNXRuntimeEngine,
        "_run",
        lambda *a: {k: v * np.float32(1.001) for k, v in run(*a).items()},
    )
    (home() / "engines.json").unlink()
    assert choose.open_engine(artifact).name == "openvino"


def test_what_it_does_not_run(artifact, write):
    with pytest.raises(UsageError, match="runs float32 only"):
        choose.open_engine(artifact, "onnxruntime", "int8", write_onnx=write)
    ((_, signature),) = artifact.signatures.items()
    with pytest.raises(EngineError, match="only programs with one function"):
        onnxruntime.ONNXRuntimeEngine(artifact.path, {"a": signature, "b": signature})
    with pytest.raises(EngineError, match="cannot run"):
        onnxruntime.ONNXRuntimeEngine(artifact.path, artifact.signatures)


class _Sessions:
    """Stands for `onnxruntime.InferenceSession` on a machine with a GPU, whose numbers are right,
    wrong, or not to be had.
    """

    def __init__(self, session, outcome):
        self.session, self.outcome, self.providers = session, outcome, []

    def __call__(self, path, options, providers):
        self.providers.append(providers)
        cpu = self.session(path, options, providers=["CPUExecutionProvider"])
        if providers == ["CPUExecutionProvider"] or self.outcome == "right":
            return cpu
        if self.outcome == "missing":
            raise RuntimeError("libcublas.so.12: cannot open shared object file")
        own = cpu.run
        cpu_run = lambda names, arrays: [value + 1 for value in own(names, arrays)]  # noqa: E731
        return type("Wrong", (), {"run": staticmethod(cpu_run)})()


@pytest.mark.parametrize("outcome", ["right", "wrong", "missing"])
def test_an_accelerator_is_used_where_its_numbers_are_right(outcome, artifact, write, monkeypatch):
    import onnxruntime as library

    available = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    sessions = _Sessions(library.InferenceSession, outcome)
    monkeypatch.setattr(library, "get_available_providers", lambda: available)
    monkeypatch.setattr(library, "InferenceSession", sessions)
    engine = onnxruntime.open_artifact(artifact, write)
    assert sessions.providers[0] == [
        ("CUDAExecutionProvider", {"use_tf32": "0"}),
        "CPUExecutionProvider",
    ]
    is_right = outcome == "right"
    assert (engine.provider == "CUDAExecutionProvider") == is_right
    assert choose.for_device("onnxruntime", "gpu") == "onnxruntime"
    try:
        if is_right:
            assert onnxruntime.open_artifact(artifact, write).provider == "CUDAExecutionProvider"
        else:
            with pytest.raises(
                EngineUnavailableError, match="CUDAExecutionProvider cannot be used"
            ):
                onnxruntime.open_artifact(artifact, write)
        choose.for_device("onnxruntime", "cpu")
        assert onnxruntime.open_artifact(artifact, write).provider == "CPUExecutionProvider"
    finally:
        choose.for_device("onnxruntime", "auto")


def test_a_gpu_that_is_not_there():
    with pytest.raises(EngineUnavailableError, match="no provider for a GPU"):
        choose.for_device("onnxruntime", "gpu")
