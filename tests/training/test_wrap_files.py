"""`ws.wrap` of `.onnx` and `.tflite` files: what TensorFlow makes of them is what they compute."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import warmstart as ws
from warmstart.errors import CompileError, UsageError
from warmstart.training.wrap import files

pytestmark = pytest.mark.tensorflow
RANDOM = np.random.default_rng(0)


def weights(*shape):
    return RANDOM.normal(0, 0.3, shape).astype(np.float32)


def saved(path, nodes, inputs, outputs, constants, opset=17):
    """Write a graph; nodes are (operator, inputs, outputs, attributes)."""
    types = {"f": TensorProto.FLOAT, "i": TensorProto.INT64}
    graph = helper.make_graph(
        [helper.make_node(op, _inputs(a), b.split(), **more) for op, a, b, more in nodes],
        "graph",
        [helper.make_tensor_value_info(n, types[t], shape) for n, t, shape in inputs],
        [helper.make_tensor_value_info(n, types[t], shape) for n, t, shape in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, str(path))
    return path


def run(path, arrays):
    """The outputs of a file by ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, arrays), strict=True))


def classifier(path, rows="batch"):
    """A small residual network, channels first, as PyTorch exports them."""
    nodes = [
        (
            "Conv",
            "x w1 b1",
            "c1",
            {"strides": [2, 2], "pads": [1, 1, 1, 1], "kernel_shape": [3, 3]},
        ),
        ("BatchNormalization", "c1 s o m v", "n1", {}),
        ("Clip", "n1 zero six", "r1", {}),
        ("Conv", "r1 w2", "c2", {"group": 8, "pads": [1, 1, 1, 1]}),
        ("HardSwish", "c2", "h2", {}),
        ("Add", "h2 r1", "a", {}),
        ("Mul", "a scale", "g", {}),
        ("MaxPool", "g", "p", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ("Concat", "p p", "cc", {"axis": 1}),
        ("ReduceMean", "cc", "f", {"axes": [2, 3], "keepdims": 0}),
        ("Gemm", "f w3 b3", "l", {"transB": 1}),
        ("Softmax", "l", "y", {"axis": 1}),
    ]
    constants = {
        "w1": weights(8, 3, 3, 3),
        "b1": weights(8),
        "s": 1 + weights(8),
        "o": weights(8),
        "m": weights(8),
        "v": 1 + np.abs(weights(8)),
        "zero": np.float32(0),
        "six": np.float32(6),
        "w2": weights(8, 1, 3, 3),
        "scale": weights(1, 8, 1, 1),
        "w3": weights(3, 16),
        "b3": weights(3),
    }
    return saved(path, nodes, [("x", "f", [rows, 3, 20, 24])], [("y", "f", [rows, 3])], constants)


@pytest.mark.parametrize("rows", ["batch", 1])
def test_a_classifier_of_pytorch(rows, tmp_path):
    path = classifier(tmp_path / "net.onnx", rows)
    model = ws.wrap(
        path,
        task="image-classification",
        labels=["a", "b", "c"],
        scaling="0..1",
        output=tmp_path / "own",
    )
    photos = RANDOM.integers(0, 256, (3, 20, 24, 3), np.uint8)
    turned = photos.transpose(0, 3, 1, 2).astype(np.float32) / 255
    expected = [run(path, {"x": one[None]})["y"][0] for one in turned]
    for result, scores in zip(ws.load(model.folder)(list(photos)), expected, strict=True):
        assert [one.score for one in sorted(result, key=lambda one: one.index)] == pytest.approx(
            scores, abs=1e-5
        )
    with pytest.raises(UsageError, match=r"made from a \.onnx file"):
        model.keras  # noqa: B018
    (record,) = model.folder.glob("artifacts/*/artifact.json")
    first = json.loads(record.read_text())["signatures"]["forward"]["inputs"][0]["shape"][0]
    assert first == rows


def test_a_text_model_with_shapes_that_are_computed(tmp_path):
    """Reshapes by the operator Shape, as attention has them."""
    nodes = [
        ("Gather", "table input_ids", "e", {}),
        ("Shape", "e", "s", {}),
        ("Gather", "s first", "n", {}),
        ("Concat", "n rest", "target", {"axis": 0}),
        ("Reshape", "e target", "heads", {}),
        ("Transpose", "heads", "q", {"perm": [0, 2, 1, 3]}),
        ("Transpose", "heads", "k", {"perm": [0, 2, 3, 1]}),
        ("MatMul", "q k", "scores", {}),
        ("Softmax", "scores", "p", {"axis": -1}),
        ("MatMul", "p q", "mixed", {}),
        ("ReduceMean", "mixed", "vector", {"axes": [2], "keepdims": 0}),
        ("Flatten", "vector", "y", {}),
    ]
    constants = {
        "table": weights(11, 8),
        "first": np.array([0]),
        "rest": np.array([-1, 2, 4]),
    }
    shape = [("input_ids", "i", ["batch", "tokens"])]
    path = saved(tmp_path / "a.onnx", nodes, shape, [("y", "f", ["batch", 8])], constants)
    model = ws.wrap(path, task="tensors")
    ids = np.array([1, 4, 10, 0, 3])
    np.testing.assert_allclose(
        model({"input_ids": ids})["y"], run(path, {"input_ids": ids[None]})["y"][0], atol=1e-5
    )


WAY = "coordinate_transformation_mode"
GRAPHS = {
    "group": [("Conv", "x w", "y", {"group": 2, "dilations": [2, 2], "pads": [2, 2, 2, 1]})],
    "same": [("Conv", "x w", "y", {"group": 2, "strides": [2, 2], "auto_pad": "SAME_LOWER"})],
    "transposed": [
        ("ConvTranspose", "x t b", "y", {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]})
    ],
    "average": [
        ("AveragePool", "x", "y", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1})
    ],
    "average_with_padding": [
        ("AveragePool", "x", "y", {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "count_include_pad": 1})
    ],
    "maximum": [("MaxPool", "x", "y", {"kernel_shape": [2, 2], "strides": [3, 2], "ceil_mode": 1})],
    "resize": [("Resize", "x nothing scales", "y", {"mode": "linear", WAY: "half_pixel"})],
    "corners": [("Resize", "x nothing nothing sizes", "y", {"mode": "linear", WAY: "align_corners"})],
    "nearest": [("Resize", "x nothing scales", "y", {"mode": "nearest", WAY: "asymmetric", "nearest_mode": "floor"})],
    "shuffle": [("DepthToSpace", "x", "y", {"blocksize": 2, "mode": "CRD"})],
    "instance": [("InstanceNormalization", "x b b", "y", {})],
    "layer": [("LayerNormalization", "x row row", "y", {"axis": -1})],
    "slices": [("Slice", "x starts ends axes steps", "y", {})],
    "split": [("Split", "x", "p q", {"axis": 3, "num_outputs": 2}), ("Sub", "p q", "y", {})],
    "pad": [("Pad", "x pads", "y", {"mode": "reflect"})],
    "elements": [
        ("Relu", "x", "a", {}), ("LeakyRelu", "a", "b2", {}), ("PRelu", "x slope", "c", {}),
        ("Elu", "c", "d", {"alpha": 0.7}), ("HardSigmoid", "d", "e", {}),
        ("Softplus", "e", "f", {}), ("Erf", "f", "g", {}), ("Pow", "g two", "h", {}),
        ("Where", "truth h b2", "y", {}),
    ],
    "turned": [
        ("Conv", "x w3", "a", {}), ("Transpose", "a", "n", {"perm": [0, 2, 3, 1]}), ("Softmax", "n", "s", {"axis": -1}),
        ("Transpose", "s", "u", {"perm": [0, 3, 1, 2]}), ("Add", "u a", "y", {}),
    ],
    "reduced": [("Conv", "x w3", "a", {}), ("ReduceL2", "a axis", "y", {"keepdims": 1})],
    "einsum": [("Einsum", "x x", "y", {"equation": "bchw,bdhw->bcd"})],
    "quantised": [("QuantizeLinear", "x step zero8", "i", {}), ("DequantizeLinear", "i step zero8", "y", {})],
    "chosen": [("ArgMax", "x", "i", {"axis": 1}), ("Cast", "i", "y", {"to": 1})],
}  # fmt: skip
CONSTANTS = {
    "w": weights(6, 2, 3, 3),
    "w3": weights(5, 4, 1, 1),
    "t": weights(4, 4, 3, 3),
    "b": weights(4),
    "row": weights(8),
    "slope": weights(4, 1, 1),
    "scales": np.array([1, 1, 2, 2], np.float32),
    "sizes": np.array([1, 4, 9, 5]),
    "starts": np.array([-1, 1]),
    "ends": np.array([-9, 7]),
    "axes": np.array([2, 3]),
    "axis": np.array([1]),
    "steps": np.array([-1, 2]),
    "pads": np.array([0, 0, 1, 2, 0, 0, 2, 1]),
    "two": np.float32(2),
    "truth": RANDOM.random((1, 4, 6, 8)) > 0.5,
    "step": np.float32(0.02),
    "zero8": np.uint8(12),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_operators_compute_what_onnx_runtime_does(name, tmp_path):
    """Opening a file compares the two, and raises where they differ."""
    used = {part for _, a, _, _ in GRAPHS[name] for part in a.split()}
    constants = {key: value for key, value in CONSTANTS.items() if key in used}
    opset = 18 if name in ("split", "reduced") else 17
    path, rank = tmp_path / f"{name}.onnx", 3 if name == "einsum" else 4
    graph = helper.make_graph(
        [helper.make_node(op, _inputs(a), b.split(), **more) for op, a, b, more in GRAPHS[name]],
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 6, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * rank)],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, str(path))
    own, rows = files.onnx_model(path, name)
    assert rows == 1
    arrays = RANDOM.normal(0, 2, (1, 4, 6, 8)).astype(np.float32)
    (actual,) = own({"x": arrays}).values()
    np.testing.assert_allclose(actual, run(path, {"x": arrays})["y"], atol=1e-4)


def _inputs(inputs):
    return ["" if part == "nothing" else part for part in inputs.split()]


def recurrent(path, operator, steps="time", rows="batch", inputs="x w r b", **options):
    """Two layers one behind the other, as PyTorch exports them, and the last step of both."""
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[operator]
    directions = 2 if options.get("direction") == "bidirectional" else 1
    nodes = [
        ("Transpose", "input", "x", {"perm": [1, 0, 2]}),
        (operator, inputs, "all last", {"hidden_size": 5, **options}),
        ("ReduceMean", "all", "mean", {"axes": [0], "keepdims": 0}),
        ("Add", "mean last", "y0", {}),
        ("Transpose", "y0", "y", {"perm": [1, 0, 2]}),
    ]
    constants = {
        "w": weights(directions, gates * 5, 3),
        "r": weights(directions, gates * 5, 5),
        "b": weights(directions, 2 * gates * 5),
        "lengths": np.array([4], np.int32),
        "peepholes": weights(directions, 15),
    }
    return saved(
        path,
        nodes,
        [("input", "f", [rows, steps, 3])],
        [("y", "f", [rows, directions, 5])],
        {name: value for name, value in constants.items() if name in inputs.split()},
    )


@pytest.mark.parametrize(
    ("operator", "options"),
    [
        ("LSTM", {"direction": "bidirectional"}),
        ("LSTM", {"activations": ["Sigmoid", "Relu", "Tanh"]}),
        ("GRU", {"direction": "reverse"}),
        ("GRU", {"linear_before_reset": 1, "direction": "bidirectional"}),
        ("RNN", {"activations": ["Relu"], "inputs": "x w r"}),
    ],
)
def test_recurrent_layers(operator, options, tmp_path):
    path = recurrent(tmp_path / "series.onnx", operator, **options)
    own, rows = files.onnx_model(path, "series")
    assert rows is None
    for size in ((1, 2, 3), (4, 11, 3)):
        arrays = RANDOM.normal(0, 2, size).astype(np.float32)
        (actual,) = own({"input": arrays}).values()
        np.testing.assert_allclose(actual, run(path, {"input": arrays})["y"], atol=1e-5)


def test_a_recurrent_model_is_wrapped(tmp_path):
    path = recurrent(tmp_path / "series.onnx", "LSTM", steps=6)
    model = ws.wrap(path, task="tensors")
    arrays = RANDOM.normal(0, 2, (3, 6, 3)).astype(np.float32)
    results = model([{"input": one} for one in arrays])
    expected = run(path, {"input": arrays})["y"]
    np.testing.assert_allclose([one["y"] for one in results], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": "x w r b lengths"}, "LSTM with lengths of sequences is not supported"),
        ({"inputs": "x w r b nothing nothing nothing peepholes"}, "LSTM with peepholes"),
        ({"clip": 1.0}, "LSTM with clip"),
        ({"activations": ["Elu", "Tanh", "Tanh"]}, "the activation elu is not supported"),
    ],
)
def test_recurrent_options_that_are_refused(options, message, tmp_path):
    path = recurrent(tmp_path / "lstm.onnx", "LSTM", **options)
    with pytest.raises(UsageError, match=f"^The ONNX operator.*{message}") as caught:
        files.onnx_model(path, "lstm")
    assert "\n" not in str(caught.value).partition("See docs")[0].strip()


def test_a_difference_is_an_error(tmp_path, monkeypatch):
    from warmstart.training.wrap.onnx import evaluator

    path = classifier(tmp_path / "net.onnx")
    wrong = evaluator.HANDLERS["MaxPool"]
    monkeypatch.setitem(
        evaluator.HANDLERS,
        "MaxPool",
        lambda op: evaluator.ChannelsLast(wrong(op).tensor + 0.01),
    )
    with pytest.raises(
        CompileError, match=r"net.onnx: the result of TensorFlow differs from that of ONNX Runtime"
    ):
        files.onnx_model(path, "net")


def test_files_that_are_refused(tmp_path):
    nodes = [("LSTM", "x w r", "y", {"hidden_size": 2})]
    constants = {"w": weights(1, 8, 3), "r": weights(1, 8, 2)}
    inputs, outputs = [("x", "f", [4, 1, 3])], [("y", "f", [4, 1, 1, 2])]
    lstm = saved(tmp_path / "lstm.onnx", nodes, inputs, outputs, constants)
    batch = classifier(tmp_path / "batch.onnx", 4)
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "text.tflite").write_text("no model")
    for path, message in [
        (lstm, "takes \\[4, 1, 3\\]: export the model for one input"),
        (batch, "takes \\[4, 3, 20, 24\\]: export"),
        (tmp_path / "text.onnx", "cannot be read as ONNX"),
        (tmp_path / "text.tflite", "not a .tflite file"),
    ]:
        with pytest.raises(UsageError, match=message):
            ws.wrap(path, task="tensors")
    nodes = [("NonZero", "x", "y", {})]
    one = [("x", "f", [1, 3])], [("y", "i", [2, None])]
    with pytest.raises(UsageError, match="operator NonZero is not supported"):
        ws.wrap(saved(lstm, nodes, *one, {}), task="tensors")


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs")  # of the converter
@pytest.mark.parametrize("rows", [None, 1])
def test_a_tflite_file(rows, tmp_path):
    import keras
    import tensorflow as tf
    from keras import layers

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((16, 12, 3), batch_size=rows),
            layers.Rescaling(1 / 127.5, -1),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu6"),
            layers.DepthwiseConv2D(3, padding="same", activation="hard_swish"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    path = tmp_path / "net.tflite"
    path.write_bytes(converter.convert())
    own = ws.wrap(path, task="image-classification", labels=["a", "b", "c"], scaling="0..255")
    photos = RANDOM.integers(0, 256, (2, 16, 12, 3), np.uint8)
    for photo, result in zip(photos, own(list(photos)), strict=True):
        expected = model(photo[None].astype(np.float32)).numpy()[0]
        scores = [one.score for one in sorted(result, key=lambda one: one.index)]
        assert scores == pytest.approx(expected, abs=1e-5)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: [[photos[:1].astype(np.float32)]]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    path.write_bytes(converter.convert())
    with pytest.raises(UsageError, match="8-bit numbers: it was quantised"):
        ws.wrap(path, task="tensors")
