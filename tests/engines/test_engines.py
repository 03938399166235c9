"""Every engine gives the reference's numbers, and `auto` keeps the fastest of those that do."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import warmstart as ws
from warmstart.engines import choose, openvino
from warmstart.engines.keras import KerasEngine
from warmstart.engines.litert import LiteRTEngine
from warmstart.engines.parity import compare
from warmstart.engines.store import Artifact
from warmstart.errors import CompileError, EngineError, EngineUnavailableError, UsageError
from warmstart.hub import home

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("name", ["litert", "openvino"])
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_engine_equals_keras(name, batch, artifact, program):
    engine = choose.open_engine(artifact, name)
    assert engine.name == name
    images = np.random.default_rng(batch).normal(size=(batch, 32, 32, 3)).astype(np.float32)
    want = KerasEngine(program).run("forward", images=images)
    got = engine.run("forward", images=images)
    assert got.keys() == want.keys() == {"probabilities", "features"}
    for output in want:
        np.testing.assert_allclose(got[output], want[output], rtol=2e-5, atol=1e-5)
    assert np.ptp(want["probabilities"]) > 0.01  # else equality would show nothing
    assert engine.size == artifact.size_on(name)


@pytest.mark.parametrize("name", ["litert", "openvino"])
def test_outputs_belong_to_the_caller(name, artifact):
    engine = choose.open_engine(artifact, name)
    first = engine.run("forward", **artifact.signatures["forward"].probe(0))["probabilities"]
    kept = first.copy()
    engine.run("forward", **artifact.signatures["forward"].probe(1))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("name", ["litert", "openvino"])
def test_engine_is_safe_in_threads_with_changing_batch_sizes(name, artifact):
    engine = choose.open_engine(artifact, name)
    batches = [
        np.random.default_rng(n).normal(size=(1 + n % 3, 32, 32, 3)).astype(np.float32)
        for n in range(24)
    ]
    alone = [engine.run("forward", images=b)["probabilities"] for b in batches]
    with ThreadPoolExecutor(8) as pool:
        together = list(
            pool.map(lambda b: engine.run("forward", images=b)["probabilities"], batches)
        )
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_compare_finds_a_strayed_output(artifact):
    engine = LiteRTEngine(artifact.path, artifact.signatures)
    expected = artifact.expected()
    assert max(compare(engine, expected).values()) < 1e-5
    expected["forward"]["probabilities"][1, 3] += 0.01
    assert compare(engine, expected)["probabilities"] == pytest.approx(0.01, rel=0.01)
    expected["forward"]["features"][0, 0] = np.nan
    assert compare(engine, expected)["features"] == float("inf")


def test_auto_remembers_what_it_measured(artifact, monkeypatch):
    monkeypatch.setattr(
        choose, "SMALL_MS", 0.0
    )  # this program is too small to try other engines for
    asked = []
    monkeypatch.setattr(
        choose, "measure", lambda engines, **_: asked.append(len(engines)) or _speeds(engines)
    )
    assert choose.open_engine(artifact).name == "openvino"
    assert choose.open_engine(artifact).name == "openvino"
    assert asked == [1, 2]
    assert SPEEDS in json.loads((home() / "engines.json").read_text()).values()


@pytest.mark.parametrize("other", [4.9, 5.0, 9.0])
def test_auto_stays_with_litert_unless_the_other_is_clearly_faster(other, artifact, monkeypatch):
    monkeypatch.setattr(choose, "SMALL_MS", 0.0)
    monkeypatch.setattr(choose, "measure", lambda engines, **_: [5.0, other][: len(engines)])
    assert choose.open_engine(artifact).name == "litert"


def test_auto_drops_an_engine_that_strays(artifact, monkeypatch):
    monkeypatch.setattr(choose, "SMALL_MS", 0.0)
    monkeypatch.setattr(choose, "measure", lambda engines, **_: _speeds(engines))
    run = openvino.OpenVINOEngine._run
    monkeypatch.setattr(
        openvino.OpenVINOEngine,
        "_run",
        lambda *a: {k: v * np.float32(1.001) for k, v in run(*a).items()},
    )
    assert choose.open_engine(artifact).name == "litert"


def test_auto_does_without_an_engine_that_crashes_or_is_missing(artifact, monkeypatch):
    monkeypatch.setattr(choose, "SMALL_MS", 0.0)
    monkeypatch.setattr(openvino, "probe_cpu", lambda: False)
    assert choose.open_engine(artifact).name == "litert"
    with pytest.raises(EngineUnavailableError, match="does not run on this CPU"):
        choose.open_engine(artifact, "openvino")
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert choose.open_engine(artifact).name == "litert"
    with pytest.raises(EngineUnavailableError, match=r"pip install 'warmstart\[openvino\]'"):
        choose.open_engine(artifact, "openvino")


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_auto_does_without_an_engine_that_cannot_run_the_program(precision, artifact, monkeypatch):
    def fail(*_):
        raise EngineError("OpenVINO could not compile it")

    monkeypatch.setattr(choose, "SMALL_MS", 0.0)
    monkeypatch.setattr(openvino.OpenVINOEngine, "_run", fail)
    assert choose.open_engine(artifact, "auto", precision).name == "litert"


def test_damaged_memory_costs_only_a_measurement(artifact, monkeypatch):
    home().mkdir(parents=True, exist_ok=True)
    (home() / "engines.json").write_text('{"a": [1')
    monkeypatch.setattr(choose, "SMALL_MS", 0.0)
    assert choose.open_engine(artifact).name in ("litert", "openvino")
    json.loads((home() / "engines.json").read_text())


def test_unknown_engine_and_impossible_precision(artifact):
    with pytest.raises(UsageError, match="no engine 'onnx'"):
        choose.open_engine(artifact, "onnx")
    with pytest.raises(UsageError, match="not artifacts"):
        choose.open_engine(artifact, "keras")
    with pytest.raises(UsageError, match="bfloat16"):
        choose.open_engine(artifact, "litert", "bfloat16")


def test_bfloat16_says_why_it_is_not_used(artifact, monkeypatch):
    monkeypatch.setattr(openvino, "computes_in_bfloat16", lambda: False)
    with pytest.raises(EngineUnavailableError, match="This processor does not compute in bfloat16"):
        choose.open_engine(artifact, "auto", "bfloat16")
    monkeypatch.setattr(choose, "openvino_runs", lambda: False)
    with pytest.raises(EngineUnavailableError, match=r"on this CPU; use precision='float32'"):
        choose.open_engine(artifact, "auto", "bfloat16")


@pytest.mark.parametrize("name", ["digits_wavenet", "deepar"])
def test_openvino_runs_several_functions_only_without_loops(name, tmp_path):
    pytest.importorskip("openvino")
    with pytest.raises(EngineError, match=r"without loops; use engine='litert' with"):
        ws.load(name, engine="openvino").engine  # noqa: B018
    broken = tmp_path / "x.tflite"
    broken.write_bytes(b"hello")
    signatures = ws.load(name).artifact.signatures
    with pytest.raises(EngineError, match=r"x\.tflite is not a program"):
        openvino.OpenVINOEngine(broken, signatures)


def test_litert_refuses_a_file_that_is_no_program(tmp_path, artifact):
    broken = tmp_path / "x.tflite"
    for content in (b"", b"hello", artifact.path.read_bytes()[:1000]):
        broken.write_bytes(content)
        with pytest.raises(EngineError, match=r"x\.tflite"):
            LiteRTEngine(broken, artifact.signatures)


@pytest.mark.parametrize(("precision", "allowed"), [("int8", 0.02), ("float16", 1e-5)])
def test_lower_precisions_are_smaller_and_close(precision, allowed, half_program, tmp_path):
    from warmstart.engines.compile import compile_program

    sizes = []
    for kind in ("float32", precision):
        folder = tmp_path / kind
        folder.mkdir()
        record = compile_program(half_program, folder, kind, lambda stage: None)
        sizes.append((folder / "program.tflite").stat().st_size)
    assert record["differences"]["probabilities"] < allowed
    assert sizes[1] < sizes[0]


def test_compile_refuses_a_program_whose_numbers_stray(program, tmp_path, monkeypatch):
    from warmstart.engines import compile as compiling

    monkeypatch.setattr(compiling, "compare", lambda engine, expected: {"probabilities": 0.1})
    with pytest.raises(CompileError, match=r"differs from Keras by 0\.1"):
        compiling.compile_program(program, tmp_path, "float32", lambda stage: None)


def test_compile_notices_missing_weights(program, tmp_path, monkeypatch):
    from warmstart.engines import compile as compiling

    monkeypatch.setattr(compiling, "_converted", lambda *arguments: b"TFL3")
    with pytest.raises(CompileError, match="less than its weights"):
        compiling.compile_program(program, tmp_path, "float32", lambda stage: None)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_public_converter_stands_in_where_the_inner_one_has_changed(
    precision, program, tmp_path, monkeypatch
):
    import tensorflow as tf

    from warmstart.engines.compile import compile_program

    asked, outputs = [], []
    public = tf.lite.TFLiteConverter.from_saved_model
    monkeypatch.setattr(
        tf.lite.TFLiteConverter,
        "from_saved_model",
        lambda *arguments, **named: asked.append(way) or public(*arguments, **named),
    )
    for way in ("inner", "public"):
        folder = tmp_path / way
        folder.mkdir()
        record = compile_program(program, folder, precision, lambda stage: None)
        signatures = Artifact(folder, record).signatures
        engine = LiteRTEngine(folder / "program.tflite", signatures)
        outputs.append(engine.run("forward", **signatures["forward"].probe()))
        monkeypatch.setitem(sys.modules, "tensorflow.python.saved_model.loader_impl", None)
    assert asked == ["public"]
    for name in outputs[0]:
        np.testing.assert_array_equal(outputs[0][name], outputs[1][name])


class _Slept:
    """An engine that takes so many seconds, and counts its calls."""

    def __init__(self, seconds):
        self.seconds, self.calls, self.signatures = seconds, 0, {"forward": self}

    def probe(self, size):
        return {}

    def run(self, function):
        self.calls += 1
        time.sleep(self.seconds)


@pytest.mark.parametrize(
    ("seconds", "clear_ratio", "rounds"),
    [((0.001, 0.02), 0.75, 2), ((0.001, 0.02), 0.0, 4), ((0.02, 0.02), 0.5, 4)],
)
def test_measuring_ends_early_where_one_is_faster_clear_ratio(seconds, clear_ratio, rounds):
    engines = [_Slept(one) for one in seconds]
    found = choose.measure(engines, seconds=0.0, clear_ratio=clear_ratio)
    assert [engine.calls for engine in engines] == [
        4 * rounds
    ] * 2  # one call to warm up, and three
    assert all(milliseconds >= one * 1e3 for milliseconds, one in zip(found, seconds, strict=True))


@pytest.mark.parametrize(("clear_ms", "is_clear"), [(1e4, True), (0.5, False)])
def test_a_clearly_fast_engine_is_called_four_times(clear_ms, is_clear):
    engine = _Slept(0.001)
    choose.measure([engine], rounds=1, seconds=0.2, clear_ms=clear_ms)
    assert (engine.calls == 4) is is_clear  # one call to warm up, and three


SPEEDS = {"litert": 5.0, "openvino": 1.0}


def _speeds(engines):
    return [SPEEDS[engine.name] for engine in engines]


def test_weights_that_no_tflite_can_hold_are_refused_before_tracing(tmp_path):
    from types import SimpleNamespace

    from warmstart.engines.compile import convert
    from warmstart.engines.keras import Program

    huge = SimpleNamespace(variables=[SimpleNamespace(shape=(768_000_000,))])
    with pytest.raises(CompileError, match=r"2\.9 GiB of float32 weights .* engine='keras'"):
        convert(Program({}, huge), tmp_path / "program.tflite", "float32", lambda stage: None)
