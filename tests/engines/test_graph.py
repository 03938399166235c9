"""A compiled graph is filled with other weights only where all of them are accounted for."""

import dataclasses
import json

import numpy as np
import pytest

from warmstart.engines import graph
from warmstart.engines.store import Artifact, write_record

EPSILON = 1e-3


def network(seed: int, **changed) -> graph.Network:
    """A convolution with its normalisation, one with a bias and another, and a layer whose outputs
    are divided by a number.
    """
    random = np.random.default_rng(seed)
    shapes = [
        (3, 3, 4, 8),
        (8,),
        (8,),
        (8,),
        (8,),
        (1, 1, 8, 4),
        (4,),
        (4,),
        (4,),
        (4,),
        (4,),
        (4, 2),
        (2,),
    ]
    arrays = [np.abs(random.normal(1, 0.5, shape)).astype(np.float32) for shape in shapes]
    arrays.append(np.arange(2))  # a seed: no part of any program
    norms = [graph.Norm(1, 2, 3, 4, EPSILON), graph.Norm(7, 8, 9, 10, EPSILON)]
    for index, array in changed.pop("arrays", {}).items():
        arrays[index] = array
    return graph.Network(arrays, norms, {"temperature": 1 + seed / 10, **changed})


def constants(one: graph.Network) -> dict[str, np.ndarray]:
    """What a converter makes of the network."""
    a, t = one.arrays, np.float32(one.scalars["temperature"])
    scales = [a[n] / np.sqrt(a[n + 3] + np.float32(EPSILON)) for n in (1, 7)]
    return {
        "conv": (a[0] * scales[0]).transpose(3, 0, 1, 2),
        "conv bias": a[2] - a[3] * scales[0],
        "point": (a[5] * scales[1]).transpose(3, 0, 1, 2),
        "point bias": (a[6] - a[9]) * scales[1] + a[8],
        "dense": a[11].T / t,
        "dense bias": a[12] / t,
        "six": np.array(6, np.float32),
        "axes": np.array([1, 2], np.int32),
    }


def program(one: graph.Network) -> bytes:
    return b"TFL3" + b"".join(np.ascontiguousarray(c).tobytes() for c in constants(one).values())


def formulas(one: graph.Network):
    return graph.formulas(program(one), constants(one), one)


def test_a_program_is_filled_with_other_weights():
    first, other = network(1), network(2)
    found = formulas(first)
    assert len(found) == 6
    again = [graph.Formula.from_dict(json.loads(json.dumps(one.to_dict()))) for one in found]
    filled = np.frombuffer(graph.filled(program(first), again, other)[4:-8], np.float32)
    np.testing.assert_allclose(filled, np.frombuffer(program(other)[4:-8], np.float32), rtol=1e-5)


def test_a_weight_that_is_in_no_constant_is_not_overlooked():
    whole = network(1)
    more = graph.Network([*whole.arrays, np.ones(5, np.float32)], whole.norms, whole.scalars)
    assert formulas(whole)
    assert graph.formulas(program(whole), constants(whole), more) is None
    for name in constants(whole):
        less = {key: value for key, value in constants(whole).items() if key != name}
        assert (graph.formulas(program(whole), less, whole) is None) == (
            name not in ("six", "axes")
        )
    number = graph.Network(whole.arrays, whole.norms, {**whole.scalars, "other": 3.5})
    assert graph.formulas(program(whole), constants(whole), number) is None


def test_what_could_be_made_in_two_ways_is_not_guessed():
    equal = network(1).arrays
    for changed in (
        {"arrays": {6: equal[12].repeat(2), 12: equal[12]}, "temperature": 1.0},
        {
            "arrays": {
                8: np.zeros(4, np.float32),
                9: np.zeros(4, np.float32),
                6: np.zeros(4, np.float32),
            }
        },
    ):
        assert formulas(network(1, **changed)) is None
    twice = network(1)
    assert graph.formulas(program(twice) * 2, constants(twice), twice) is None


@pytest.mark.tensorflow
def test_compiled_programs(compiled_folder, tmp_path):
    from warmstart.engines.compile import fill_program
    from warmstart.engines.keras import KerasEngine
    from warmstart.engines.litert import LiteRTEngine
    from warmstart.engines.parity import TOLERANCE, compare

    from .conftest import make_program

    other = make_program()
    random = np.random.default_rng(7)
    for layer in other.model.layers:
        layer.set_weights([random.uniform(0.1, 0.5, w.shape) for w in layer.get_weights()])
    like = Artifact.load(compiled_folder)
    record = fill_program(other, tmp_path, like, lambda stage: None)
    write_record(tmp_path, "float32", record)
    made = Artifact.load(tmp_path)
    assert made.sha256 != like.sha256
    assert made.record["constants"] == like.record["constants"]
    reference, engine = KerasEngine(other), LiteRTEngine(made.path, made.signatures)
    images = made.signatures["forward"].probe(seed=3)
    expected = {"forward": reference.run("forward", **made.signatures["forward"].probe())}
    assert max(compare(engine, expected).values()) <= TOLERANCE
    np.testing.assert_allclose(
        engine.run("forward", **images)["probabilities"],
        reference.run("forward", **images)["probabilities"],
        atol=TOLERANCE,
    )
    wrong = dataclasses.replace(
        like, record={**like.record, "constants": like.record["constants"][1:]}
    )
    assert fill_program(other, tmp_path, wrong, lambda stage: None) is None
    versions = dataclasses.replace(like, record={**like.record, "made_with": {"keras": "0"}})
    assert fill_program(other, tmp_path, versions, lambda stage: None) is None
