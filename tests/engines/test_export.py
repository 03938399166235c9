"""Programs of several functions and dynamic dimensions in the formats of others; what cannot be
held is told.
"""

import json

import numpy as np
import pytest

from warmstart.engines import export, onnx_files
from warmstart.engines.base import TensorSpec
from warmstart.engines.export import export_keras, export_program
from warmstart.engines.store import Artifact, write_record
from warmstart.errors import CompileError

pytestmark = pytest.mark.tensorflow


def silent(stage: str) -> None: ...


def make_reader(scale: float = 1.0):
    """Embeds ids; `forward` gives a mean and all states, `score` compares two vectors. `scale`
    changes the numbers.
    """
    import keras
    from keras import ops

    from warmstart.engines.keras import Function, Program

    ids = keras.Input((None,), dtype="int32", name="input_ids")
    x = keras.layers.Embedding(50, 8, name="embedding")(ids)
    x = keras.layers.Dense(
        8, activation=lambda v: keras.activations.gelu(v, approximate=False), name="dense"
    )(x)
    x = keras.layers.Dense(
        8, activation=lambda v: keras.activations.gelu(v, approximate=True), name="tanh"
    )(x)
    model = keras.Model(ids, {"mean": ops.mean(x, axis=1), "states": x})
    random = np.random.default_rng(0)
    model.set_weights(
        [scale * random.normal(size=w.shape).astype(np.float32) for w in model.get_weights()]
    )
    matrix = model.get_layer("dense").kernel
    tokens = TensorSpec("input_ids", "int32", ("batch", "length"), 0, 49)
    left, right = (
        TensorSpec(name, "float32", ("batch", 8), -1.0, 1.0) for name in ("left", "right")
    )
    return Program(
        {
            "forward": Function(lambda input_ids: model(input_ids, training=False), (tokens,)),
            "score": Function(
                lambda left, right: {"score": ops.sum(ops.matmul(left, matrix) * right, axis=-1)},
                (left, right),
            ),
        },
        model,
    )


@pytest.fixture(scope="module")
def reader():
    return make_reader()


@pytest.fixture(scope="module")
def artifact(reader, tmp_path_factory):
    from warmstart.engines.compile import compile_program

    folder = tmp_path_factory.mktemp("reader")
    write_record(folder, "float32", compile_program(reader, folder, "float32", silent))
    return Artifact.load(folder)


@pytest.fixture(scope="module")
def probe():
    """Seven sentences of eleven words: sizes that no conversion has seen."""
    return np.random.default_rng(5).integers(0, 50, (7, 11)).astype(np.int32)


@pytest.fixture(scope="module")
def want(reader, probe):
    return {
        name: np.asarray(value) for name, value in reader.functions["forward"].call(probe).items()
    }


def test_saved_model_has_a_signature_per_function(artifact, reader, tmp_path, probe, want):
    import tensorflow as tf

    assert (
        export_program(artifact, lambda: reader, "saved_model", tmp_path / "saved", silent) <= 1e-4
    )
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    assert set(loaded.signatures) == {"forward", "score", "serving_default"}
    for name in ("forward", "serving_default"):
        got = loaded.signatures[name](input_ids=tf.constant(probe))
        np.testing.assert_allclose(got["states"], want["states"], atol=1e-5)
    one = tf.ones((3, 8))
    assert loaded.signatures["score"](left=one, right=one)["score"].shape == (3,)


def test_onnx_is_a_file_per_function(artifact, reader, tmp_path, probe, want):
    import onnxruntime

    assert export_program(artifact, lambda: reader, "onnx", tmp_path / "onnx", silent) <= 1e-4
    assert sorted(path.name for path in (tmp_path / "onnx").iterdir()) == [
        "forward.onnx",
        "score.onnx",
    ]
    session = onnxruntime.InferenceSession(str(tmp_path / "onnx" / "forward.onnx"))
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("input_ids", ["batch", "length"])]
    mean, states = session.run(["mean", "states"], {"input_ids": probe})
    np.testing.assert_allclose(mean, want["mean"], atol=1e-5)
    np.testing.assert_allclose(states, want["states"], atol=1e-5)


def test_openvino_is_a_file_per_function(artifact, reader, tmp_path, probe, want):
    import openvino

    assert export_program(artifact, lambda: reader, "openvino", tmp_path / "ir", silent) <= 1e-4
    compiled = openvino.Core().compile_model(
        str(tmp_path / "ir" / "forward.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    np.testing.assert_allclose(compiled({"input_ids": probe})["states"], want["states"], atol=1e-5)
    assert (tmp_path / "ir" / "score.bin").exists()


def test_litert_holds_all_functions(artifact, tmp_path, probe, want):
    from ai_edge_litert.interpreter import Interpreter

    def build():
        raise AssertionError("needs no Keras model")

    assert export_program(artifact, build, "litert", tmp_path / "m.tflite", silent) <= 1e-4
    interpreter = Interpreter(str(tmp_path / "m.tflite"))
    assert set(interpreter.get_signature_list()) == {"forward", "score"}
    got = interpreter.get_signature_runner("forward")(input_ids=probe)
    np.testing.assert_allclose(got["states"], want["states"], atol=1e-5)


def test_an_export_that_strays_is_refused(artifact, tmp_path):
    with pytest.raises(CompileError, match="saved_model export differs from the model by"):
        export_program(
            artifact, lambda: make_reader(1.01), "saved_model", tmp_path / "saved", silent
        )


def test_onnx_falls_back_to_the_traced_function(artifact, reader, tmp_path, monkeypatch):
    def fails(*arguments):
        raise ValueError("no such operator\nand more")

    monkeypatch.setattr(onnx_files, "from_tflite", fails)
    said = []
    assert (
        export_program(artifact, lambda: reader, "onnx", tmp_path / "second", said.append) <= 1e-4
    )
    assert "converting forward with tf2onnx from the traced function" in said
    monkeypatch.setattr(onnx_files, "from_function", fails)
    with pytest.raises(CompileError) as raised:
        export_program(artifact, lambda: reader, "onnx", tmp_path / "none", silent)
    assert str(raised.value).count("ValueError: no such operator") == 2
    assert "export as saved_model or litert" in str(raised.value)


def test_onnx_fallback_keeps_constants_that_are_no_variables(tmp_path):
    """EfficientNet's Normalization holds its mean as a constant; tf2onnx makes an input of it."""
    import keras

    from warmstart.engines.keras import Function, KerasEngine, Program

    inputs = keras.Input((4,), name="x")
    model = keras.Model(
        inputs, {"y": keras.layers.Normalization(mean=[1.0, 2, 3, 4], variance=[4.0] * 4)(inputs)}
    )
    spec = TensorSpec("x", "float32", ("batch", 4))
    program = Program({"forward": Function(lambda x: model(x, training=False), (spec,))}, model)
    signature = KerasEngine(program).signatures["forward"]
    onnx_files.from_function(program, "forward", signature, tmp_path / "m.onnx")
    got = onnx_files.runner(tmp_path / "m.onnx")({"x": np.array([[3, 4, 5, 6]], np.float32)})
    np.testing.assert_allclose(got["y"], [[1, 1, 1, 1]], atol=1e-6)


def test_keras_files_must_load_without_warmstart(tmp_path):
    import keras

    @keras.saving.register_keras_serializable("own")
    class Doubling(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    inputs = keras.Input((4,), name="x")
    model = keras.Model(inputs, Doubling()(inputs))
    with pytest.raises(CompileError, match=r"Plain Keras cannot load this model .*Doubling"):
        export_keras(model, {}, tmp_path / "m.keras", silent)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves so
def test_a_sequential_model_as_a_keras_file(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    assert export_keras(model, {}, tmp_path / "m.keras", silent) == 0


def test_keras_inputs_are_tried_in_the_programs_ranges():
    import keras

    specs = {
        "input_ids": TensorSpec("input_ids", "int32", ("batch", "length"), 0, 30521),
        "images": TensorSpec("images", "float32", ("batch", 8, 8, 3), -120.0, 140.0),
    }
    ids = keras.Input((None,), dtype="int32", name="input_ids")
    mask = keras.Input((None,), dtype="int32", name="mask")
    pixels = keras.Input((8, 8, 3), name="input_layer_7")
    other = keras.Input((2,), name="other")
    found = {tensor.name: export._spec(tensor, specs) for tensor in (ids, mask, pixels, other)}
    assert (found["input_ids"].high, found["mask"].high) == (30521, 30521)
    assert found["input_layer_7"].low == -120.0
    assert found["other"] == TensorSpec("other", "float32", ("any", 2))
    json.dumps({name: spec.shape for name, spec in found.items()})
