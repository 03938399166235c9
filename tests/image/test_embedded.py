"""The detector and the segmenter inside the package: small, without TensorFlow, as good as their
cards say.
"""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import warmstart as ws
from warmstart.engines.boxes import common

EMBEDDED = Path(ws.__file__).parent / "embedded"


@pytest.mark.parametrize(("name", "largest"), [("bccd_fcos", 4e6), ("leaf_deeplabv3", 5e6)])
def test_they_are_small_and_their_cards_tell_their_figures(name, largest):
    folder = EMBEDDED / name
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= largest
    told = [
        float(number) for number in re.findall(r"\b0\.\d{3}\b", (folder / "README.md").read_text())
    ]
    for metric in ws.load(name).entry.metrics:
        assert min(abs(number - metric.value) for number in told) < 6e-4
        assert "test part" in metric.dataset


def test_they_need_no_tensorflow(tmp_path):
    Image.new("RGB", (64, 48), "white").save(tmp_path / "white.png")
    code = """if True:
        import sys, warmstart as ws
        found = ws.load("bccd_fcos")(sys.argv[1])
        told = ws.load("leaf_deeplabv3")(sys.argv[1])
        small = ws.load("leaf_deeplabv3", precision="int8")
        assert small(sys.argv[1]).labels_map.shape == (48, 64)
        assert found.size == (64, 48) and told.labels_map.shape == (48, 64)
        assert not {"tensorflow", "keras", "pandas"} & set(sys.modules)
        print(len(found), told.areas[0].label)"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "white.png")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "background"]


@pytest.mark.shared
def test_cells_are_found_where_they_are(shared_data):
    found = ws.load("bccd_fcos")(shared_data / "images/bccd/JPEGImages/BloodImage_00007.jpg")
    assert found.size == (640, 480)
    assert {"RBC", "WBC"} <= {box.label for box in found}
    assert all(0 <= box.xmin < box.xmax <= 640 and 0 <= box.ymin < box.ymax <= 480 for box in found)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "data"), [
    ("bccd_fcos", "images/bccd/ImageSets/Main/test.txt"), ("leaf_deeplabv3", "images/coffee-leaves/test"),
])  # fmt: skip
def test_the_figures_of_the_card_come_out_again(shared_data, name, data):
    model = ws.load(name)
    figures = model.evaluate(shared_data / data)
    figures |= {f"iou_{label}": value for label, value in figures.get("iou", {}).items()}
    assert figures["count"] == {"bccd_fcos": 72, "leaf_deeplabv3": 50}[name]
    for metric in model.entry.metrics:
        assert figures[metric.name] == pytest.approx(metric.value, abs=0.003), metric.name


@pytest.mark.shared
def test_its_int8_agrees_as_the_card_says(shared_data):
    photos = sorted((shared_data / "images/coffee-leaves/test/images").iterdir())[:8]
    exact, small = (
        [result.labels_map for result in ws.load("leaf_deeplabv3", precision=precision)(photos)]
        for precision in ("float32", "int8")
    )
    (recorded,) = ws.load(
        "leaf_deeplabv3", precision="int8"
    ).artifact.calibration.agreement.values()
    agreement = np.mean(np.equal(exact, small))
    assert recorded == pytest.approx(agreement, abs=0.005)
    assert 0.99 <= agreement < 1


@pytest.mark.shared
def test_symptoms_are_on_the_leaf(shared_data):
    photo = sorted((shared_data / "images/coffee-leaves/test/images").iterdir())[0]
    told = ws.load("leaf_deeplabv3")(photo)
    assert told.labels_map.shape == (256, 512)
    leaf = told.mask("leaf") | told.mask("symptom")
    assert 0.1 < leaf.mean() < 0.8
    assert np.array_equal(leaf, ~told.mask("background"))


@pytest.mark.shared
@pytest.mark.tensorflow
def test_a_detector_is_calibrated_and_its_boxes_agree(shared_data):
    photos = sorted((shared_data / "images/bccd/JPEGImages").iterdir())[:20]
    options = {"precision": "int8", "calibration": photos, "agreement": 0.8}
    record = ws.load("bccd_fcos", engine="litert", **options).artifact.calibration
    assert (record.inputs, record.validation, record.measure) == (20, 0, "F1 of the boxes")
    exact, small = (
        [as_arrays(boxes) for boxes in ws.load("bccd_fcos", engine="litert", **own)(photos)]
        for own in ({}, options)
    )
    shared = sum(common(a, b) for a, b in zip(exact, small, strict=True))
    f1 = 2 * shared / sum(map(len, (*exact, *small)))
    assert f1 == pytest.approx(record.agreement["litert"], abs=0.005)
    assert 0.8 <= f1 < 1


def as_arrays(boxes):
    sides = [[box.xmin, box.ymin, box.xmax, box.ymax, box.index] for box in boxes]
    return np.array(sides).reshape(-1, 5)
