"""Static int8: by TensorFlow Lite with as many layers in float32 as the agreement needs, and by NNCF
for OpenVINO.
"""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from warmstart.engines.agreement import Rule
from warmstart.engines.calibration import Calibration
from warmstart.engines.choose import open_engine
from warmstart.engines.int8 import compile_int8
from warmstart.engines.integer import IntegerEngine, export_integer
from warmstart.engines.litert import LiteRTEngine
from warmstart.engines.store import Artifact, write_record
from warmstart.errors import CompileError

pytestmark = pytest.mark.tensorflow


def silent(stage: str) -> None: ...


def calibration(threshold: float, validation: int = 0) -> Calibration:
    images = np.random.default_rng(0).normal(size=(12, 32, 32, 3)).astype(np.float32)
    rule = Rule("values", ("probabilities",))
    return Calibration({"images": images}, rule, threshold, validation)


def quantised(program, artifact, folder, threshold, validation=0) -> Artifact:
    folder.mkdir()
    record = compile_int8(program, artifact, folder, calibration(threshold, validation), silent)
    write_record(folder, "int8", record)
    return Artifact.load(folder)


@pytest.fixture
def reaching(program, artifact, tmp_path, monkeypatch):
    """`reaching(fastest)`: more agreement than all layers in 8 bits have, and the program that
    reaches it; `fastest` is the one of several programs that takes the least time.
    """

    def make(fastest):
        whole = quantised(program, artifact, tmp_path / "whole", 0.1)
        least = 1 - (1 - whole.calibration.agreement["litert"]) * 0.8
        monkeypatch.setattr(
            "warmstart.engines.choose.measure",
            lambda engines: [1.0 if index == fastest else 2.0 for index in range(len(engines))],
        )
        return least, quantised(program, artifact, tmp_path / "more", least)

    return make


def test_layers_stay_in_float32_until_the_agreement_is_met(program, artifact, tmp_path, reaching):
    whole = quantised(program, artifact, tmp_path / "int8", 0.1)
    record = whole.calibration
    assert record.inputs == 12
    assert record.float_layers == 0
    assert whole.size_on("litert") < artifact.size_on("litert")
    reached = record.agreement["litert"]
    assert 0.1 <= reached < 1
    engine = LiteRTEngine(whole.path, whole.signatures)
    inputs = calibration(0.1)
    expected = inputs.decisions(LiteRTEngine(artifact.path, artifact.signatures))
    assert inputs.agreement(engine, expected) == pytest.approx(reached, abs=1e-5)

    least, mixed = reaching(fastest=0)
    assert mixed.calibration.float_layers > 0
    assert mixed.calibration.dynamic == ()
    assert mixed.calibration.agreement["litert"] >= least
    assert "agreement with float32" in str(mixed.calibration)
    assert [path.name for path in mixed.folder.glob("*.tflite")] == ["program.tflite"]


def test_activations_are_quantised_at_run_time_where_that_is_faster(artifact, reaching):
    least, made = reaching(fastest=1)
    record = made.calibration
    assert record.float_layers is None
    assert record.dynamic == ("litert",)
    assert record.agreement["litert"] >= least
    assert str(record).startswith("Activations are quantised at run time; agreement with float32")
    assert "on 12 inputs;" in str(record)
    assert [path.name for path in made.folder.glob("*.tflite")] == ["program.tflite"]
    inputs = calibration(least)
    expected = inputs.decisions(LiteRTEngine(artifact.path, artifact.signatures))
    agreement = inputs.agreement(open_engine(made, "litert", "int8"), expected)
    assert agreement == pytest.approx(record.agreement["litert"], abs=1e-5)
    assert made.size_on("litert") < artifact.size_on("litert")


def test_ranges_are_of_some_inputs_and_the_agreement_is_of_the_others(program, artifact, tmp_path):
    made = quantised(program, artifact, tmp_path / "int8", 0.1, validation=8)
    record, inputs = made.calibration, calibration(0.1, validation=8)
    assert (record.inputs, record.validation) == (4, 8)
    assert record.digest != calibration(0.1).digest
    np.testing.assert_array_equal(inputs.to_compare.inputs["images"], inputs.inputs["images"][4:])
    exact = LiteRTEngine(artifact.path, artifact.signatures)
    engine = LiteRTEngine(made.path, made.signatures)
    for rows, is_measured in ((inputs.to_compare, True), (inputs.to_calibrate, False)):
        agreement = rows.agreement(engine, rows.decisions(exact))
        assert (abs(agreement - record.agreement["litert"]) < 1e-5) is is_measured


def test_an_agreement_out_of_reach_is_an_error(program, artifact, tmp_path):
    with pytest.raises(
        CompileError, match=r"on the 12 inputs of the calibration.*requested 100.0%"
    ):
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


@pytest.fixture
def small(program, artifact, tmp_path):
    """`small(threshold)`: the calibrated artifact."""
    pytest.importorskip("openvino")
    return lambda threshold: quantised(program, artifact, tmp_path / "int8", threshold)


def test_nncf_makes_a_second_program_for_openvino(small, artifact):
    pytest.importorskip("nncf")
    made = small(0.1)
    reached = made.calibration.agreement
    assert list(reached) == ["litert", "openvino"]
    assert {"nncf", "tensorflow"} <= set(made.record["made_with"])
    assert made.size_on("openvino") != made.size_on("litert")
    inputs = calibration(0.1)
    expected = inputs.decisions(LiteRTEngine(artifact.path, artifact.signatures))
    agreement = inputs.agreement(open_engine(made, "openvino", "int8"), expected)
    assert agreement == pytest.approx(reached["openvino"], abs=1e-3)
    assert 0.1 <= agreement < 1


class FakeNNCF:
    """Returns the network in float32, or with rounded outputs, after it has asked for the
    agreement of the network on a part of the inputs.
    """

    ModelType = SimpleNamespace(TRANSFORMER="transformer")
    Dataset = list
    AdvancedAccuracyRestorerParameters = SimpleNamespace

    def __init__(self, rounds: bool):
        self.rounds, self.calls = rounds, []

    def quantize_with_accuracy_control(
        self, network, data, validation, agreement, *, max_drop, model_type, **options
    ):
        import openvino

        assert len(data) == len(validation) == 12
        if self.rounds:
            for result in network.get_results():
                output = result.input_value(0)
                step = openvino.opset8.round(output, "half_to_even")
                step.output(0).get_tensor().set_names(output.get_tensor().get_names())
                result.input(0).replace_source_output(step.output(0))
        settings = {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(network, "CPU", settings)
        self.calls.append((agreement(compiled, validation[3:7]), max_drop, model_type))
        return network


@pytest.fixture
def with_nncf(monkeypatch):
    """`with_nncf(fake)`: as if NNCF were installed."""

    def install(fake):
        monkeypatch.setitem(sys.modules, "nncf", fake)
        monkeypatch.setattr("warmstart.engines.int8.is_installed", lambda package: True)
        monkeypatch.setattr("warmstart.engines.int8.version", lambda package: "1")
        return fake

    return install


def test_a_program_of_nncf_that_agrees_is_used(small, with_nncf):
    fake = with_nncf(FakeNNCF(rounds=False))
    made = small(0.999999)
    ((agreement, max_drop, model_type),) = fake.calls
    assert agreement == pytest.approx(1, abs=1e-6)
    assert max_drop == pytest.approx(1e-6)
    assert model_type is None
    assert made.engines == ("openvino",)
    assert [path.name for path in made.programs] == ["program.xml", "program.bin"]
    assert open_engine(made, "auto", "int8").name == "openvino"
    reached = made.calibration.too_low["litert"]
    assert 0 < reached < 0.999999
    message = rf"on litert is too low: .*{reached:.1%}, requested 100.0%.*Use engine='openvino'"
    with pytest.raises(CompileError, match=message):
        open_engine(made, "litert", "int8")


def test_a_program_of_nncf_that_agrees_too_little_is_left_out(small, with_nncf):
    with_nncf(FakeNNCF(rounds=True))
    made = small(0.1)
    assert made.engines == ("litert",)
    assert sorted(path.name for path in made.folder.glob("program*")) == ["program.tflite"]
