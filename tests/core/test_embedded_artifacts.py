"""What ships with the package is what its own check asks for, so that every engine is measured
against it.
"""

import pytest

import warmstart as ws
from warmstart.catalog.queries import EMBEDDED as EMBEDDED_FOLDER
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


@pytest.mark.parametrize("path", sorted(EMBEDDED_FOLDER.glob("*/artifacts/int8")))
def test_calibrated_programs_agree_with_float32(path):
    name = path.parts[-3]
    artifact = ws.load(name, precision="int8").artifact
    assert artifact.folder == path, "compiled anew"
    assert min(artifact.calibration.agreement.values()) >= 0.99
    assert str(artifact.calibration) in (path.parents[1] / "README.md").read_text("utf-8")


def test_there_are_embedded_models():
    assert {"efficientnet_lite0", "shakespeare_gpt2", "deepar"} <= set(EMBEDDED)


def test_they_are_small():
    assert sum(file.stat().st_size for file in EMBEDDED_FOLDER.rglob("*") if file.is_file()) < 20e6
