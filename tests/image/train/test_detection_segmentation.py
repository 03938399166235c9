"""Detector and segmenter from a classifier and a handful of drawn pictures: trained, bundled,
resumed, refused.
"""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tests.photos import CIFAR

import warmstart as ws
from warmstart.checkpoints.naming import model_arrays
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.cli.app import app
from warmstart.core.compiling import build_keras
from warmstart.errors import UsageError
from warmstart.training.result import record

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
        array[y : y + 36, x : x + 36] = 250 if n % 2 else 5
        mask[y : y + 36, x : x + 36] = 1 + n % 2
        Image.fromarray(array).save(folder / "images" / f"{n}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{n}.png")
        rows.append(
            (
                folder / "images" / f"{n}.png",
                [("bright" if n % 2 else "dark", x, y, x + 36, y + 36)],
            )
        )
    return folder, rows


def moving(network):
    return {
        v.path: v.numpy().copy()
        for layer in network.layers
        for v in layer.weights
        if "moving" in v.path and layer.name.startswith("conv_")
    }


@pytest.fixture(scope="module")
def detector(base, pictures, tmp_path_factory):
    """A detector that the command has trained on boxes in a table: the table, the run's folder,
    what was printed.
    """
    folder, rows = pictures
    table, out = folder / "boxes.csv", tmp_path_factory.mktemp("detector") / "out"
    lines = [
        "image,label,xmin,ymin,xmax,ymax",
        *(
            f"images/{path.name},{label},{x},{y},{right},{low}"
            for path, [(label, x, y, right, low)] in rows
        ),
    ]
    table.write_text("\n".join(lines) + "\n")
    done = CliRunner().invoke(
        app,
        [
            "finetune",
            str(table),
            "--model",
            BASE,
            "--weights",
            str(base),
            "--task",
            "object-detection",
            "--epochs",
            "2",
            "--validation",
            "0.2",
            "--output",
            str(out),
            "--set",
            "image_size=96",
            "--set",
            "width=16",
            "--set",
            "depth=1",
            "--set",
            "batch_size=4",
            "--json",
        ],
    )
    assert done.exit_code == 0, done.output
    return table, out, done


def test_a_detector_from_a_classifier(base, pictures, detector):
    """What the command has begun and finished, Python goes on with: nothing is trained again."""
    _, rows = pictures
    table, out, printed = detector
    classifier = ws.load(BASE, weights=base)
    options = {
        "task": "object-detection",
        "validation": 0.2,
        "epochs": 2,
        "image_size": (96, 96),
        "batch_size": 4,
        "width": 16,
        "depth": 1,
        "output": out,
    }
    before = (out / "training.json").read_bytes()
    model = ws.finetune(classifier, table, **options)
    assert (out / "training.json").read_bytes() == before
    assert isinstance(model, ws.ObjectDetector)
    assert [label.name for label in model.labels] == ["bright", "dark"]
    found = model(rows[0][0], threshold=0.0)
    assert found.size == (96, 96)
    assert len(found) > 0
    assert [box.to_dict() for box in ws.load(out)(rows[0][0], threshold=0)] == [
        box.to_dict() for box in found
    ]
    assert "2 photos" in printed.stderr
    figures = model.evaluate(rows)
    assert figures["count"] == 10
    assert json.dumps(figures) == json.dumps(model.evaluate(table))  # as text: NaN equals NaN
    told = json.loads(before)
    history = told["history"]
    assert [epoch["epoch"] for epoch in history] == [1, 2]
    best = next(epoch for epoch in history if epoch["epoch"] == told["best"]["network"]["epoch"])
    assert best["val_ap"] == max(epoch["val_ap"] for epoch in history) == told["figures"]["ap"]
    assert {"loss", "val_ap", "val_ap50"} <= history[0].keys()
    assert "<h2>Photos</h2>" in (out / "report.html").read_text()
    moved, still = moving(model.keras), moving(build_keras(classifier.entry, classifier.weights))
    shared = still.keys() & moved.keys()
    assert len(shared) > 20
    assert all((still[key] == moved[key]).all() for key in shared), (
        "BatchNormalization of the base has moved"
    )
    with pytest.raises(UsageError, match="other settings"):
        ws.finetune(classifier, table, **{**options, "batch_size": 2})


def segment(base, folder, output, **others):
    return ws.finetune(
        ws.load(BASE, weights=base),
        folder,
        task="image-segmentation",
        validation=0.2,
        epochs=3,
        image_size=(96, 96),
        batch_size=4,
        width=16,
        labels=["ground", "dark", "bright"],
        output=output,
        verbose=False,
        **others,
    )


@pytest.fixture(scope="module")
def segmenter(base, pictures, tmp_path_factory, as_killed):
    """A segmenter, its run's folder, and the folder as a kill in the middle of the second epoch
    would leave it.
    """
    folder = tmp_path_factory.mktemp("segmenter")
    whole, stopped = folder / "whole", folder / "stopped"
    return segment(base, pictures[0], whole, callbacks=[as_killed(whole, stopped)]), whole, stopped


def test_a_segmenter_from_a_classifier(pictures, segmenter):
    folder, _ = pictures
    model, out, _ = segmenter
    assert isinstance(model, ws.ImageSegmenter)
    assert model(folder / "images" / "0.png").labels_map.shape == (96, 96)
    figures = model.evaluate(folder)
    assert set(figures["iou"]) == {"ground", "dark", "bright"}
    assert figures["count"] == 10
    history = json.loads((out / "training.json").read_text())["history"]
    assert [epoch["epoch"] for epoch in history] == [1, 2, 3]
    assert history[-1]["loss"] < history[0]["loss"]


def test_stopped_and_started_again_it_ends_with_the_same_figures(
    base, pictures, segmenter, begun, unwritten
):
    """The bundle is left out the second time; test_fit.py really kills the same loop."""
    model, whole, stopped = segmenter
    assert json.loads((stopped / "training" / "fit.json").read_text())["epoch"] == 1
    segment(base, pictures[0], stopped, callbacks=[begun])
    assert begun.epochs == [1, 2]
    arrays = model_arrays(unwritten.network)
    for name, array in model_arrays(model.keras).items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)
    resumed = record(unwritten.run, unwritten.fits, unwritten.details)
    undisturbed = json.loads((whole / "training.json").read_text())
    for epoch in (*resumed["history"], *undisturbed["history"]):
        del epoch["seconds"]
    assert json.dumps(resumed) == json.dumps(undisturbed)  # as text: NaN equals NaN


def test_without_a_box_to_validate_with_the_training_loss_chooses_the_epoch(
    base, pictures, tmp_path, capsys, unwritten
):
    """Neither figure is defined then; boxes that do not count are as none."""
    _, rows = pictures
    ws.finetune(
        ws.load(BASE, weights=base),
        rows[:4],
        task="object-detection",
        validation=[(photo, []) for photo, _ in rows[4:6]],
        epochs=2,
        image_size=96,
        width=8,
        depth=1,
        batch_size=4,
        output=tmp_path / "out",
    )
    recorded = record(unwritten.run, unwritten.fits, unwritten.details)
    losses = [epoch["loss"] for epoch in recorded["history"]]
    assert recorded["best"]["network"]["epoch"] == 1 + losses.index(min(losses))
    assert unwritten.entry.metrics == ()
    assert (
        "no validation photo has a box that counts, so ap is not defined; the epoch with the "
        "lowest training loss is selected"
    ) in capsys.readouterr().err


def test_a_class_of_one_photo_and_photos_without_boxes_are_split():
    """A photo with boxes is set aside although every class has a single one."""
    from warmstart.image.train.dense import rarest_shared
    from warmstart.training.split import split_rows

    labels = [["a"], ["b"], ["c"], *[[]] * 10, ["d", "e"], ["e"]]
    strata = rarest_shared(labels)
    _, validation = split_rows(len(labels), 0.2, 0, strata=strata)
    aside = [labels[row] for row in validation]
    assert sum(bool(some) for some in aside) == 2
    assert sum("e" in some for some in aside) == 1


def test_the_command(base, pictures, detector, tmp_path):
    """Boxes as a table, `--set` for what the task has no option of its own for; then predicting
    with the result.
    """
    table, out, printed = detector
    told = json.loads(printed.stdout)
    assert told["task"] == "object-detection"
    assert set(told["metrics"]) == {"ap", "ap50"}
    drawn = tmp_path / "drawn.png"
    done = CliRunner().invoke(
        app,
        [
            "predict",
            str(pictures[1][0][0]),
            "--model",
            str(out),
            "--threshold",
            "0",
            "--draw",
            str(drawn),
        ],
    )
    assert done.exit_code == 0, done.output
    with Image.open(drawn) as picture:
        assert picture.size == (96, 96)
    done = CliRunner().invoke(
        app,
        [
            "finetune",
            str(table),
            "--model",
            BASE,
            "--weights",
            str(base),
            "--task",
            "object-detection",
            "--output",
            str(tmp_path / "x"),
            "--set",
            "widht=8",
        ],
    )
    assert "no option 'widht'" in str(done.exception)


@pytest.mark.parametrize(
    ("how", "first"),
    [
        ("none", "conv1"),
        ("stem", "conv_dw_2"),
        ("conv_pw_1_bn", "conv_dw_2"),
        (4, "conv_pw_1"),
        ("backbone", None),
    ],
)
def test_what_is_frozen(base, how, first):
    from warmstart.image.train.backbone import is_added
    from warmstart.models import architecture
    from warmstart.training.freeze import freeze

    entry = ws.load(BASE, weights=base).entry.to_dict()
    network = architecture("deeplabv3").build(
        {
            "base": {"architecture": entry["architecture"], "config": entry["config"]},
            "classes": 2,
            "width": 8,
            "input_size": [64, 64],
        }
    )
    blocks = [[layer] for layer in network.layers if layer.weights and not is_added(layer.name)]
    stem = sum(block[0].output.shape[1] > 16 for block in blocks)
    learned = freeze(network, blocks, how, words={"stem": stem, "backbone": len(blocks)})
    assert (learned[0] if learned else None) == first
    assert not any("bn" in name for name in learned)
    assert "segmentation_logits" in {
        layer.name for layer in network.layers if layer.trainable_weights
    }


def test_what_is_refused(base, pictures, tmp_path):
    _, rows = pictures
    output = tmp_path / "run"
    classifier = ws.load(BASE, weights=base)
    for options, words in (
        ({"image_size": (100, 96)}, "multiples of 32"),
        ({"freeze": 999}, "freeze must be"),
        ({"validation": 1.5}, "fraction between 0 and 1"),
        ({"head": "x"}, "no option 'head'"),
        ({"validation": 0}, "needs validation data"),
    ):
        with pytest.raises(UsageError, match=words):
            ws.finetune(
                classifier, rows, task="object-detection", epochs=1, output=output, **options
            )
    with pytest.raises(UsageError, match="no training photo with a box that counts"):
        ws.finetune(
            classifier,
            [(photo, []) for photo, _ in rows],
            task="object-detection",
            labels=["bright", "dark"],
        )
    with pytest.raises(UsageError, match="no feature map of stride 8"):
        ws.finetune(
            ws.load(CIFAR), rows, task="object-detection", image_size=(96, 96), output=output
        )
    assert not output.exists()  # all is known before a run begins
