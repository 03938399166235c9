"""What ships with the package is what its own check asks for, so that every engine is measured
against it.
"""

import pytest

import warmstart as ws
from warmstart.catalog.queries import EMBEDDED as EMBEDDED_FOLDER
from warmstart.core.calibration_inputs import collect
from warmstart.core.precision import fastest
from warmstart.engines import choose
from warmstart.engines.litert import LiteRTEngine
from warmstart.engines.parity import TOLERANCE, compare

EMBEDDED = [
    entry.name
    for entry in ws.list_models()
    if any(file.source.startswith("embedded:") for file in entry.weights.values())
]


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_program_gives_the_numbers_that_are_stored_beside_it(name):
    artifact = ws.load(name).artifact
    engine = LiteRTEngine(artifact.path, artifact.signatures)
    assert artifact.folder.is_relative_to(EMBEDDED_FOLDER), "compiled anew"
    assert max(compare(engine, artifact.expected()).values()) <= TOLERANCE


@pytest.mark.parametrize("name", EMBEDDED)
def test_openvino_gives_these_numbers(name):
    """Also with weights that are stored in 8 bits, which its defaults would quantise further."""
    pytest.importorskip("openvino")
    artifact = ws.load(name).artifact
    if list(artifact.signatures) == ["forward"]:
        engine = choose.open_engine(artifact, "openvino")
        assert max(compare(engine, artifact.expected()).values()) <= TOLERANCE


INT8 = [path.parts[-3] for path in sorted(EMBEDDED_FOLDER.glob("*/artifacts/int8"))]


@pytest.mark.parametrize("name", INT8)
def test_int8_programs_are_used_at_once_and_agree_with_float32(name, monkeypatch):
    monkeypatch.setattr("warmstart.core.compiling.COMPILER", ("/bin/false",))
    small, folder = ws.load(name, precision="int8"), EMBEDDED_FOLDER / name
    assert small.is_compiled()
    assert small.artifact.folder == folder / "artifacts" / "int8"
    assert small.engine.name in small.artifact.engines
    record = small.artifact.calibration
    assert min(record.agreement.values()) >= 0.99
    assert record.milliseconds["litert"] <= choose.CLEARLY_FASTER * record.milliseconds["float32"]
    assert str(record) in (folder / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", INT8)
def test_auto_considers_int8_programs(name):
    exact = ws.load(name)
    choice = fastest(exact, None)[1]
    candidates = {candidate.precision: candidate for candidate in choice.candidates}
    assert not candidates["int8"].reason
    assert candidates["int8"].agreement >= 0.99
    assert ws.load(name, precision="auto").precision == choice.precision


@pytest.mark.shared
@pytest.mark.parametrize("name", INT8)
def test_int8_programs_agree_on_inputs_that_they_were_not_calibrated_on(name, shared_data):
    exact, small = (
        ws.load(name, engine="litert", precision=precision) for precision in ("float32", "int8")
    )
    inputs = collect(exact, unseen(name, shared_data), least=1)
    agreement = inputs.agreement(small.engine, inputs.decisions(exact.engine))
    assert agreement >= 0.99
    assert agreement == pytest.approx(small.artifact.calibration.agreement["litert"], abs=0.01)


def unseen(name, data):
    """Inputs of an embedded model that neither its training nor its calibration has seen."""
    if name == "sst2_bert_tiny":
        lines = (data / "text" / "sst2" / "dev.tsv").read_text("utf-8").splitlines()
        return [line.rpartition("\t")[0] for line in lines]
    assert name == "leaf_deeplabv3"
    return sorted((data / "images" / "coffee-leaves" / "test" / "images").iterdir())


def test_some_ship_an_int8_program():
    assert {"leaf_deeplabv3", "sst2_bert_tiny"} <= set(INT8)


def test_there_are_embedded_models():
    assert {"efficientnet_lite0", "shakespeare_gpt2", "deepar"} <= set(EMBEDDED)


def test_they_are_small():
    assert sum(file.stat().st_size for file in EMBEDDED_FOLDER.rglob("*") if file.is_file()) < 20e6
