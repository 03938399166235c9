"""Detector and segmenter from a classifier and a handful of drawn pictures: trained, bundled, resumed, refused."""

import json

import numpy as np
import pytest
from PIL import Image

import warmstart as ws
from warmstart.checkpoints import model_arrays, save_safetensors
from warmstart.errors import UsageError
from warmstart.tasks.building import build_keras

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(900)]
BASE = "mobilenet_0.25_128"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A backbone with weights of its own: drawn at random, but from a file, as pretrained ones are."""
    model = ws.load(BASE, weights=None)
    network = build_keras(model.entry, model.weights)
    path = tmp_path_factory.mktemp("base") / "weights.safetensors"
    save_safetensors(path, model_arrays(network))
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Ten pictures with a bright square or a dark one, as boxes and as masks."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    rows = []
    for n in range(10):
        array = random.integers(90, 130, (96, 96, 3)).astype(np.uint8)
        mask = np.zeros((96, 96), np.uint8)
        x, y = random.integers(4, 50, 2)
        array[y:y + 36, x:x + 36] = 250 if n % 2 else 5
        mask[y:y + 36, x:x + 36] = 1 + n % 2
        Image.fromarray(array).save(folder / "images" / f"{n}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{n}.png")
        rows.append((folder / "images" / f"{n}.png", [("bright" if n % 2 else "dark", x, y, x + 36, y + 36)]))
    return folder, rows


def moving(network):
    return {v.path: v.numpy().copy() for layer in network.layers for v in layer.weights
            if "moving" in v.path and layer.name.startswith("conv_")}


def test_a_detector_from_a_classifier(base, pictures, tmp_path, capsys):
    _, rows = pictures
    classifier = ws.load(BASE, weights=base)
    options = {"task": "object-detection", "validation": rows[:2], "epochs": 2, "image_size": (96, 96), "batch_size": 4,
               "width": 16, "depth": 1, "output": tmp_path / "out"}
    model = ws.finetune(classifier, rows, **options)
    assert isinstance(model, ws.ObjectDetector)
    assert [label.name for label in model.labels] == ["bright", "dark"]
    found = model(rows[0][0], threshold=0.0)
    assert found.size == (96, 96)
    assert len(found) > 0
    assert "2 photos" in capsys.readouterr().err
    history = json.loads((tmp_path / "out" / "training.json").read_text())["history"]
    assert [epoch["epoch"] for epoch in history] == [1, 2]
    assert {"loss", "val_ap", "val_ap50"} <= history[0].keys()
    assert "<h2>Photos</h2>" in (tmp_path / "out" / "report.html").read_text()
    before = moving(build_keras(classifier.entry, classifier.weights))
    after = moving(model.keras)
    shared = before.keys() & after.keys()
    assert len(shared) > 20
    assert all((before[key] == after[key]).all() for key in shared), "BatchNormalization of the base has moved"
    again = ws.finetune(classifier, rows, **options)  # finished: nothing is trained
    assert [box.to_dict() for box in again(rows[0][0], threshold=0)] == [box.to_dict() for box in found]
    with pytest.raises(UsageError, match="other settings"):
        ws.finetune(classifier, rows, **{**options, "batch_size": 2})


def test_a_segmenter_from_a_classifier(base, pictures, tmp_path):
    folder, _ = pictures
    model = ws.finetune(ws.load(BASE, weights=base), folder, task="image-segmentation", validation=0.2, epochs=2,
                        image_size=(96, 96), batch_size=4, width=16, labels=["ground", "dark", "bright"],
                        output=tmp_path / "out")
    assert isinstance(model, ws.ImageSegmenter)
    assert model(folder / "images" / "0.png").labels_map.shape == (96, 96)
    figures = model.evaluate(folder)
    assert set(figures["iou"]) == {"ground", "dark", "bright"}
    assert figures["count"] == 10
    history = json.loads((tmp_path / "out" / "training.json").read_text())["history"]
    assert history[-1]["loss"] < history[0]["loss"]


def test_what_is_refused(base, pictures):
    _, rows = pictures
    classifier = ws.load(BASE, weights=base)
    for options, words in (({"image_size": (100, 96)}, "multiples of 32"), ({"freeze": 3}, "freeze is"),
                           ({"validation": 0.01}, "cannot be split"), ({"head": "x"}, "no option 'head'")):
        with pytest.raises(UsageError, match=words):
            ws.finetune(classifier, rows, task="object-detection", epochs=1, **options)
    with pytest.raises(UsageError, match="no feature map of stride 8"):
        ws.finetune(ws.load("cifar10_resnet20"), rows, task="object-detection", image_size=(96, 96))
