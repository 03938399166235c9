"""Attention over blocks of a common cache, by OpenVINO."""

from dataclasses import replace

import numpy as np
import pytest
from tests.optional import require_bfloat16, require_paged_attention

import warmstart as ws
from warmstart.engines import choose
from warmstart.engines.base import Signature
from warmstart.engines.paged import PagedEngine, is_decoder
from warmstart.errors import EngineError
from warmstart.hub import home
from warmstart.text.decoding.decoders import open_decoder

openvino = pytest.importorskip("openvino")
require_paged_attention()


@pytest.fixture(scope="module")
def model():
    return ws.load("shakespeare_gpt2", engine="litert")


def _logits(engine, model):
    """Of a batch of texts in which one is replaced: (9, V)."""
    decoder = open_decoder(engine, model.max_length)
    rows = [decoder.start([list(range(40)), list(range(3)), list(range(50, 114))])]
    rows.append(decoder.step([1, 2, 3]))
    decoder.keep([2, 0])
    decoder.add([list(range(7, 30))])
    rows.append(decoder.step([4, 5, 6]))
    return np.concatenate(rows)


@pytest.mark.parametrize(
    ("precision", "limit", "dtype"),
    [("float32", 1e-4, "float32"), ("bfloat16", 0.02, "uint16"), ("int8", 0.05, "uint8")],
)
def test_logits_are_those_of_litert(model, precision, limit, dtype):
    if precision == "bfloat16":
        require_bfloat16()
    artifact = model.artifact
    engine = PagedEngine(artifact.path, artifact.signatures, precision=precision)
    logits, expected = _logits(engine, model), _logits(model.engine, model)
    assert np.abs(logits - expected).max() <= limit * np.abs(expected).max()
    assert engine.signatures["step"].specs["values_3"].dtype == dtype
    with pytest.raises(EngineError, match="step takes"):
        engine.run("step", ids=np.zeros(1, np.int32))


@pytest.mark.parametrize("damage", [None, b"", b"\xff" * 64])
def test_the_graph_is_stored_once_and_again_where_it_is_damaged(model, damage):
    artifact = model.artifact

    def logits():
        engine = PagedEngine(artifact.path, artifact.signatures, sha256=artifact.sha256)
        return _logits(engine, model)

    expected = logits()
    (file,) = (home() / "openvino").glob("*.blob")
    assert file.stat().st_size < artifact.path.stat().st_size / 2  # it has no large constants
    if damage is not None:
        file.write_bytes(damage)
    time = file.stat().st_mtime_ns
    assert np.array_equal(logits(), expected)
    assert (file.stat().st_mtime_ns == time) == (damage is None)
    assert len(file.read_bytes()) > len(damage or b"")


@pytest.mark.parametrize(("times", "name"), [([5.0, 1.0], "openvino"), ([5.0, 4.9], "litert")])
def test_auto_takes_it_where_it_is_faster(model, monkeypatch, times, name):
    asked = []
    monkeypatch.setattr(choose, "SMALL_STEP_MS", 0.0)
    monkeypatch.setattr(
        choose, "measure", lambda engines, **_: asked.append(1) or times[: len(engines)]
    )
    for _ in range(2):
        assert ws.load("shakespeare_gpt2").engine.name == name
    assert len(asked) == 2  # LiteRT alone, then both; not again
    assert (home() / "engines.json").is_file()


@pytest.mark.parametrize("fault", ["another OpenVINO", "other numbers"])
def test_auto_does_without_it(model, monkeypatch, fault):
    monkeypatch.setattr(choose, "SMALL_STEP_MS", 0.0)
    monkeypatch.setattr(choose, "measure", lambda engines, **_: [5.0, 1.0][: len(engines)])
    if fault == "another OpenVINO":
        monkeypatch.delattr(openvino.op, "_PagedAttentionExtension")
    else:
        run = PagedEngine._run
        monkeypatch.setattr(
            PagedEngine,
            "_run",
            lambda *a: {name: 1.001 * array for name, array in run(*a).items()},
        )
    assert ws.load("shakespeare_gpt2").engine.name == "litert"
    if fault == "another OpenVINO":
        with pytest.raises(EngineError, match=r"with paged attention, .* use engine='litert'"):
            ws.load("shakespeare_gpt2", engine="openvino").engine  # noqa: B018
        require_bfloat16()
        with pytest.raises(EngineError, match=r"paged attention, .* use precision='float32'"):
            ws.load("shakespeare_gpt2", precision="bfloat16").engine  # noqa: B018


def test_a_graph_with_another_attention_is_refused(model):
    step = model.artifact.signatures["step"]
    turned = {"keys_0": "values_0", "values_0": "keys_0"}
    inputs = [
        replace(spec, tensor=step.specs[turned.get(spec.name, spec.name)].tensor)
        for spec in step.inputs
    ]
    other = Signature(tuple(inputs), step.outputs)
    with pytest.raises(EngineError, match="use engine='litert'"):
        PagedEngine(model.artifact.path, {"step": other})


def test_a_file_that_is_missing_is_an_error_of_the_engine(model, tmp_path):
    with pytest.raises(EngineError, match="absent"):
        PagedEngine(tmp_path / "absent.tflite", model.artifact.signatures)


def test_only_programs_that_write_texts_are_changed(model):
    assert is_decoder(model.artifact.signatures)
    assert not is_decoder(ws.load("efficientnet_lite0").artifact.signatures)
