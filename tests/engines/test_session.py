"""Sessions: inputs that stay in the engine between calls, as the cache of a decoder does, also of
many functions.
"""

import numpy as np
import pytest

from warmstart.engines.base import TensorSpec
from warmstart.engines.compile import compile_program
from warmstart.engines.keras import Function, KerasEngine, Program
from warmstart.engines.litert import LiteRTEngine
from warmstart.engines.parity import compare
from warmstart.errors import EngineError

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    """A program of two functions, in both engines: `weigh` multiplies a memory (5, 3), `double` has
    an own graph.
    """
    import keras
    from keras import ops

    dense = keras.layers.Dense(4)
    model = keras.Sequential([keras.Input((3,)), dense])
    memory = TensorSpec("memory", "float32", (5, 3), -1.0, 1.0)
    row = TensorSpec("row", "float32", (5, 1), -1.0, 1.0)
    many = TensorSpec("row", "float32", ("rows", 3), -1.0, 1.0)
    program = Program(
        {
            "weigh": Function(
                lambda memory, row: {"mixed": dense(memory * row), "sum": ops.sum(memory)},
                (memory, row),
            ),
            "double": Function(
                lambda memory, row: {"mixed": dense(memory)[:1] + dense(row)}, (memory, many)
            ),
        },
        model,
    )
    folder = tmp_path_factory.mktemp("held")
    record = compile_program(program, folder, "float32", lambda stage: None)
    assert record["differences"].keys() == {"mixed", "sum"}
    reference = KerasEngine(program)
    return {
        "keras": reference,
        "litert": LiteRTEngine(folder / "program.tflite", reference.signatures),
    }


@pytest.mark.parametrize("name", ["keras", "litert"])
def test_kept_inputs_stay_and_can_be_written_in_part(name, engines):
    engine, random = engines[name], np.random.default_rng(0)
    sessions = [engine.session("weigh", ("memory",)) for _ in range(2)]
    memories = [np.zeros((5, 3), np.float32) for _ in range(2)]
    for session in sessions:
        session.resize({"memory": (5, 3)})
    for n in range(10):
        session, memory = (
            sessions[n % 2],
            memories[n % 2],
        )  # in turns: each call sees its own inputs
        memory[n % 5] = random.normal(size=3)
        session.write("memory", n % 5, memory[n % 5])
        row = random.normal(size=(5, 1)).astype(np.float32)
        want = engines["keras"].run("weigh", memory=memory, row=row)
        got = session.run(row=row)
        np.testing.assert_allclose(got["mixed"], want["mixed"], atol=1e-6)
        if n % 3:
            engine.run(
                "double", memory=0 * memory, row=memory
            )  # another function does not disturb it
        if n % 4 == 3:
            engine.run(
                "weigh", memory=0 * memory, row=row
            )  # nor the same one, called without a session


@pytest.mark.parametrize("name", ["keras", "litert"])
def test_what_does_not_fit_is_refused(name, engines):
    session = engines[name].session("weigh", ("memory",))
    session.resize({"memory": (5, 3)})
    with pytest.raises(EngineError, match="takes row as"):
        session.run(row=np.zeros((5, 2), np.float32))
    assert session.run(row=np.zeros((5, 1), np.float32))["sum"] == 0
    with pytest.raises(EngineError, match="takes memory, row; got"):
        session.run(rows=np.zeros((5, 1), np.float32))
    with pytest.raises(EngineError, match="takes row as float32"):
        session.run(row=np.zeros((5, 1)))


@pytest.mark.parametrize("name", ["keras", "litert"])
def test_the_other_inputs_may_change_their_size(name, engines):
    session = engines[name].session("double", ("memory",))
    session.resize({"memory": (5, 3)})
    memory = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    session.write("memory", ..., memory)
    for rows in (1, 4, 2):
        row = np.ones((rows, 3), np.float32) * rows
        want = engines["keras"].run("double", memory=memory, row=row)
        np.testing.assert_allclose(session.run(row=row)["mixed"], want["mixed"], atol=1e-6)


def test_an_output_name_that_several_functions_have_is_compared_in_all(engines):
    expected = {
        name: engines["keras"].run(name, **s.probe())
        for name, s in engines["keras"].signatures.items()
    }
    expected["weigh"]["mixed"][0, 0] += 0.5
    assert compare(engines["litert"], expected)["mixed"] > 0.1
