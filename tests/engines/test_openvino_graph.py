"""Networks of OpenVINO before and after they are rewritten."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import warmstart as ws

openvino = pytest.importorskip("openvino")
ops = pytest.importorskip("openvino.opset13")
B, T, HEADS, SIZE = 2, 5, 3, 4
WIDTH = HEADS * SIZE
RANDOM = np.random.default_rng(0)
WEIGHTS = RANDOM.normal(size=(WIDTH, WIDTH)).astype(np.float32)


def run(network, inputs):
    compiled = openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [np.array(output) for output in compiled(inputs).values()]


def rewritten(make, inputs):
    """(types of operations, largest difference) of a network that is rewritten."""
    from warmstart.engines.openvino_graph import rewrite

    before, network = run(make(), inputs), rewrite(make())
    after = run(network, inputs)
    types = Counter(node.get_type_name() for node in network.get_ops())
    return types, max(np.abs(a - b).max() for a, b in zip(before, after, strict=True))


def test_a_compiled_encoder():
    program = ws.load("sst2_bert_tiny").artifact.path
    ids = RANDOM.integers(5, 1000, (B, T)).astype(np.int32)
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], np.int32)
    network = openvino.Core().read_model(program)
    inputs = {}
    for port in network.inputs:
        (name,) = port.names
        inputs[name] = mask if "mask" in name else 0 * ids if "types" in name else ids
    types, difference = rewritten(lambda: openvino.Core().read_model(program), inputs)
    assert types["MVN"] == 7
    assert types["StridedSlice"] + types["SquaredDifference"] + types["ShapeOf"] == 1
    assert difference < 2e-6


def _attention(order=(0, 1, 2), last=SIZE, axis=-1, transposed=True):
    """Attention head by head, or something like it."""

    def make():
        query, key, value = (ops.parameter([-1, -1, WIDTH], np.float32) for _ in range(3))
        bias = ops.parameter([-1, 1, -1], np.float32)

        def part(array, head):
            start, stop = head * SIZE, head * SIZE + (last if head == HEADS - 1 else SIZE)
            bounds = (np.array([0, 0, n]) for n in (start, stop))
            return ops.strided_slice(array, *bounds, np.ones(3, int), [1, 1, 0], [1, 1, 0])

        mixed = []
        for head in order:
            key_part = part(key, head)
            if not transposed:
                key_part = ops.transpose(key_part, np.array([0, 2, 1]))
            scores = ops.add(ops.matmul(part(query, head), key_part, False, transposed), bias)
            mixed.append(ops.matmul(ops.softmax(scores, axis), part(value, head), False, False))
        return openvino.Model([ops.concat(mixed, -1)], [query, key, value, bias])

    return make


ARRAYS = [RANDOM.normal(size=(B, T, WIDTH)).astype(np.float32) for _ in range(3)]


@pytest.mark.parametrize(
    ("options", "is_rewritten"),
    [
        ({}, True),
        ({"order": (0, 2, 1)}, False),
        ({"order": (1, 2)}, False),
        ({"last": SIZE - 1}, False),
        ({"axis": 1}, False),
        ({"transposed": False}, False),
    ],
    ids=str,
)
def test_attention(options, is_rewritten):
    bias = RANDOM.normal(size=(B, 1, T)).astype(np.float32)
    types, difference = rewritten(_attention(**options), [*ARRAYS, bias])
    assert (types["Softmax"] == 1) is is_rewritten
    assert difference < 2e-6


def _normalization(power=-0.5, epsilon=(1e-3,), other_mean=False):
    def make():
        x = ops.parameter([-1, -1, WIDTH], np.float32)
        axes = np.array([-1])
        mean = ops.reduce_mean(x, axes, True)
        variance = ops.reduce_mean(ops.squared_difference(x, mean), axes, True)
        added = ops.add(variance, np.array(epsilon, np.float32))
        scale = ops.multiply(ops.power(added, np.float32(power)), WEIGHTS[:1, :WIDTH])
        if other_mean:
            mean = ops.reduce_mean(ops.multiply(x, np.float32(2)), axes, True)
        shift = ops.add(ops.multiply(ops.negative(mean), scale), WEIGHTS[0])
        return openvino.Model([ops.add(ops.multiply(x, scale), shift)], [x])

    return make


@pytest.mark.parametrize(
    ("options", "is_rewritten"),
    [
        ({}, True),
        ({"power": -1.0}, False),
        ({"epsilon": np.linspace(0.1, 1, WIDTH)}, False),
        ({"other_mean": True}, False),
    ],
    ids=str,
)
def test_normalization(options, is_rewritten):
    types, difference = rewritten(_normalization(**options), ARRAYS[:1])
    assert (types["MVN"] == 1) is is_rewritten
    assert difference < 1e-5


def _product(shape=None, bias=False, axes=(B, T)):
    """A product of a flattened array; `shape`: of the result, default: the axes of the array."""

    def make():
        x = ops.parameter([-1, -1, WIDTH] if axes is None else [*axes, WIDTH], np.float32)
        flat = ops.reshape(x, np.array([-1, WIDTH]), False)
        product = ops.matmul(flat, WEIGHTS, False, True)
        if bias:
            product = ops.add(product, WEIGHTS[0])
        if shape is None:
            measured = ops.gather(ops.shape_of(x, "i32"), np.array([0, 1], np.int32), np.int32(0))
            target = ops.concat([measured, np.array([WIDTH], np.int32)], 0)
        else:
            target = np.array(shape)
        return openvino.Model([ops.reshape(product, target, False)], [x])

    return make


@pytest.mark.parametrize(
    ("options", "is_rewritten"),
    [
        ({"axes": None}, True),
        ({"axes": None, "bias": True}, True),
        ({"axes": (-1, T), "shape": (-1, T, WIDTH)}, True),
        ({"shape": (B, T, WIDTH)}, True),
        ({"shape": (T, B, WIDTH)}, False),
        ({"shape": (1, B * T, WIDTH)}, False),
        ({"axes": None, "shape": (-1, T, WIDTH)}, False),
        ({"axes": None, "shape": (-1, T * 2, WIDTH)}, False),
    ],
    ids=str,
)
def test_a_product(options, is_rewritten):
    types, difference = rewritten(_product(**options), ARRAYS[:1])
    assert (types["Reshape"] == 0) is is_rewritten
    assert difference < 1e-5
