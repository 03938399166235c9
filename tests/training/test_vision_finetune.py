"""Detector and segmenter from a classifier and a handful of drawn pictures: trained, bundled, resumed, refused."""

import json
from unittest import mock

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import warmstart as ws
from warmstart.checkpoints import model_arrays, save_safetensors
from warmstart.cli.app import app
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
    told = json.loads((tmp_path / "out" / "training.json").read_text())
    history = told["history"]
    assert [epoch["epoch"] for epoch in history] == [1, 2]
    best = next(epoch for epoch in history if epoch["epoch"] == told["best"]["network"]["epoch"])
    assert best["val_ap"] == max(epoch["val_ap"] for epoch in history) == told["figures"]["ap"]
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


def trained(data, output, **options):
    """The epochs and the last figures of a small segmenter; the bundle is left out."""
    told = {}

    def finish(run, network, entry, labels, *, fits, **others):
        told.update(history=fits["network"].history, best=fits["network"].best, figures=others["told"]["figures"],
                    weights=[float(np.abs(w).sum()) for w in network.get_weights()])

    with mock.patch("warmstart.training.result.finish", finish):
        ws.finetune(ws.load("mobilenet_0.25_128", weights=None), data, task="image-segmentation", validation=0.2,
                    epochs=3, image_size=(64, 64), batch_size=4, width=8, labels=["ground", "dark", "bright"],
                    output=output, verbose=False, **options)
    told["history"] = [{key: value for key, value in epoch.items() if key != "seconds"} for epoch in told["history"]]
    return told


def test_stopped_and_started_again_it_ends_with_the_same_figures(pictures, tmp_path, as_killed):
    """From the folder as a kill in the middle of the second epoch leaves it; test_fit.py kills the same loop."""
    copy = as_killed(tmp_path / "whole", tmp_path / "stopped")
    whole = trained(pictures[0], tmp_path / "whole", callbacks=[copy])
    assert json.loads((tmp_path / "stopped" / "training" / "fit.json").read_text())["epoch"] == 1
    begun = []
    counted = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: begun.append(epoch))
    told = trained(pictures[0], tmp_path / "stopped", callbacks=[counted])
    assert begun == [1, 2]
    assert json.dumps(told) == json.dumps(whole)  # as text: NaN equals NaN
    assert [epoch["epoch"] for epoch in told["history"]] == [1, 2, 3]


def test_the_command(base, pictures, tmp_path):
    """Boxes as a table, `--set` for what the task has no option of its own for; then predicting with the result."""
    folder, rows = pictures
    lines = ["image,label,xmin,ymin,xmax,ymax", *(f"images/{path.name},{label},{x},{y},{right},{low}"
             for path, [(label, x, y, right, low)] in rows)]
    (folder / "boxes.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    done = CliRunner().invoke(app, [
        "finetune", str(folder / "boxes.csv"), "--model", BASE, "--weights", str(base), "--task", "object-detection",
        "--epochs", "1", "--validation", "0.2", "--output", str(out), "--set", "image_size=64", "--set", "width=8",
        "--set", "batch_size=4", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["task"] == "object-detection"
    assert set(told["metrics"]) == {"ap", "ap50"}
    drawn = tmp_path / "drawn.png"
    done = CliRunner().invoke(app, ["predict", str(rows[0][0]), "--model", str(out), "--threshold", "0", "--draw",
                                    str(drawn)])
    assert done.exit_code == 0, done.output
    with Image.open(drawn) as picture:
        assert picture.size == (96, 96)
    done = CliRunner().invoke(app, ["finetune", str(folder / "boxes.csv"), "--model", BASE, "--weights", str(base),
                                    "--task", "object-detection", "--output", str(tmp_path / "x"), "--set", "widht=8"])
    assert "no option 'widht'" in str(done.exception)


def test_the_stem_stays(base):
    from warmstart.models import architecture
    from warmstart.training.dense import learning

    entry = ws.load(BASE, weights=base).entry.to_dict()
    network = architecture("deeplabv3").build({
        "base": {"architecture": entry["architecture"], "config": entry["config"]}, "classes": 2, "width": 8,
        "input_size": [64, 64]})
    learning(network, "stem", pretrained=True)
    learns = {layer.name for layer in network.layers if layer.trainable_weights}
    assert not {"conv1", "conv_dw_1", "conv_pw_1"} & learns
    assert {"conv_dw_2", "conv_pw_2", "conv_pw_13", "segmentation_logits"} <= learns


def test_what_is_refused(base, pictures):
    _, rows = pictures
    classifier = ws.load(BASE, weights=base)
    for options, words in (({"image_size": (100, 96)}, "multiples of 32"), ({"freeze": 3}, "freeze is"),
                           ({"validation": 0.01}, "cannot be split"), ({"head": "x"}, "no option 'head'")):
        with pytest.raises(UsageError, match=words):
            ws.finetune(classifier, rows, task="object-detection", epochs=1, **options)
    with pytest.raises(UsageError, match="no feature map of stride 8"):
        ws.finetune(ws.load("cifar10_resnet20"), rows, task="object-detection", image_size=(96, 96))
