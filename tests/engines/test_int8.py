"""Static int8 by TensorFlow Lite: as many layers in float32 as the agreement asks for, no more."""

import numpy as np
import pytest

from warmstart.engines.agreement import Rule
from warmstart.engines.calibration import Calibration
from warmstart.engines.int8 import compile_int8
from warmstart.engines.integer import IntegerEngine, export_integer
from warmstart.engines.litert import LiteRTEngine
from warmstart.engines.store import Artifact, write_record
from warmstart.errors import CompileError

pytestmark = pytest.mark.tensorflow


def silent(stage: str) -> None: ...


def calibration(threshold: float, count: int = 12) -> Calibration:
    images = np.random.default_rng(0).normal(size=(count, 32, 32, 3)).astype(np.float32)
    return Calibration({"images": images}, Rule("values", ("probabilities",)), threshold)


def quantised(program, artifact, folder, threshold) -> Artifact:
    folder.mkdir()
    record = compile_int8(program, artifact, folder, calibration(threshold), silent)
    write_record(folder, "int8", record)
    return Artifact.load(folder)


def test_layers_stay_in_float32_until_the_agreement_is_met(program, artifact, tmp_path):
    whole = quantised(program, artifact, tmp_path / "whole", 0.1)
    facts = whole.calibration
    assert facts["inputs"] == 12
    assert facts["float_layers"] == 0
    assert whole.size < artifact.size
    reached = facts["agreement"]["litert"]
    assert 0.1 <= reached < 1
    engine = LiteRTEngine(whole.path, whole.signatures)
    inputs = calibration(0.1)
    expected = inputs.decisions(LiteRTEngine(artifact.path, artifact.signatures))
    assert inputs.agreement(engine, expected) == pytest.approx(reached, abs=1e-5)

    asked = 1 - (1 - reached) * 0.8
    mixed = quantised(program, artifact, tmp_path / "mixed", asked)
    assert mixed.calibration["float_layers"] > 0
    assert mixed.calibration["agreement"]["litert"] >= asked
    assert "agreement with float32" in mixed.calibration_in_words


def test_an_agreement_out_of_reach_is_an_error(program, artifact, tmp_path):
    with pytest.raises(CompileError, match=r"on 12 inputs.*requested 100.0%"):
        quantised(program, artifact, tmp_path / "int8", 1.0)


def test_integers_only(program, artifact, tmp_path):
    path = tmp_path / "integer.tflite"
    facts = export_integer(artifact, program, calibration(0.5), path, silent)
    assert facts["agreement"] >= 0.5
    assert set(facts["scales"]) == {"images", "probabilities", "features"}
    engine = IntegerEngine(path, artifact.signatures)
    dtypes = {one["dtype"] for one in engine._interpreter.get_input_details()}
    assert dtypes == {np.int8}
    with pytest.raises(CompileError, match="integers only"):
        export_integer(artifact, program, calibration(1.0), tmp_path / "b.tflite", silent)
