"""Fine-tuning images from folder to bundle, with the small model inside the package as the base."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from tests.photos import CIFAR

import warmstart as ws
from warmstart.errors import UsageError

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """Photos of three kinds that a small network tells apart: stripes across, stripes down, spots;
    one is damaged.
    """
    folder = tmp_path_factory.mktemp("data") / "shapes"
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:40, :40]
    for part, count in (("train", 14), ("val", 8)):
        for name in ("across", "down", "spots"):
            target = folder / part / name
            target.mkdir(parents=True)
            for n in range(count):
                width, shift = random.integers(4, 8), random.integers(0, 8)
                pattern = {"across": rows, "down": columns, "spots": rows * columns // 8}[name]
                grey = 255.0 * ((pattern + shift) // width % 2) * 0.6 + random.normal(
                    50, 25, (40, 40)
                )
                Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB").save(
                    target / f"{n}.png"
                )
    (folder / "train" / "spots" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    return folder


@pytest.fixture(scope="module")
def watch():
    """Takes the moving statistics and the kernels of the base before phase 2 and after each of its
    epochs.
    """
    import keras

    class Watch(keras.callbacks.Callback):
        def take(self):
            weights = {w.path: w.numpy().copy() for w in self.model.weights}
            moving = {path: value for path, value in weights.items() if "/moving_" in path}
            kernels = {
                path: value for path, value in weights.items() if path.endswith("conv/kernel")
            }
            return moving, kernels

        def on_train_begin(self, logs=None):
            self.before, self.after = self.take(), []

        def on_epoch_end(self, epoch, logs=None):
            self.after.append(self.take())

    return Watch()


@pytest.fixture(scope="module")
def tuned(shapes, tmp_path_factory, watch):
    """(folder, output on the terminal) of a run through both phases."""
    import contextlib
    import io

    folder, output = tmp_path_factory.mktemp("runs") / "tuned", io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(output):
        patch.setenv("WARMSTART_HOME", str(tmp_path_factory.mktemp("home")))
        ws.finetune(CIFAR, shapes, epochs=2, output=folder, seed=3, callbacks=[watch])
    return folder, output.getvalue()


def test_the_bundle_predicts_without_tensorflow(tuned, shapes):
    folder, _ = tuned
    code = (
        "import sys, warmstart as ws; r = ws.load(sys.argv[1])(sys.argv[2]); "
        "print(r.label, sum(p.score for p in r), 'tensorflow' in sys.modules)"
    )
    photo = shapes / "val" / "across" / "0.png"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(photo)],
        capture_output=True,
        text=True,
        check=True,
    )
    label, total, tensorflow = done.stdout.split()
    assert label == "across"
    assert float(total) == pytest.approx(1, abs=1e-5)
    assert tensorflow == "False"


def test_the_terminal_shows_data_baseline_progress_result_and_use(tuned):
    folder, output = tuned
    lines = output.splitlines()
    assert lines[0] == "shapes: 3 classes; 43 to train on, 24 to validate"
    assert lines[4] == "baseline: always 'spots': 33.3% of the validation examples correct"
    assert any("left out:" in line and "bad.png" in line for line in lines)
    assert any(line.startswith("network: epoch 2/2, ") for line in lines)
    assert any(
        line.startswith("result: ") and "of the validation examples correct" in line
        for line in lines
    )
    assert lines[-5:] == [
        f"written: {folder} (report: report.html)",
        f"  warmstart classify photo.jpg --model {folder}",
        f"  warmstart serve {folder}",
        f"  warmstart export {folder} {folder.name}.tflite",
        f"  ws.load({str(folder)!r})",
    ]


def test_figures_hold_for_the_model_that_was_written(tuned, shapes):
    folder, _ = tuned
    told = json.loads((folder / "training.json").read_text())
    model = ws.load(folder)
    measured = model.evaluate(shapes / "val")
    assert measured["top1"] == pytest.approx(told["figures"]["validation"]["accuracy"])
    assert measured["top1"] > 0.6
    assert [m.value for m in model.entry.metrics] == pytest.approx([measured["top1"]], abs=1e-4)
    assert model.entry.config["temperature"] == told["temperature"]
    scale = model.keras.get_layer("calibration").scale
    assert scale == pytest.approx(1 / told["temperature"])


def test_never_worse_than_the_head_alone(tuned):
    folder, _ = tuned
    history = ws.load(folder).history
    start = next(r for r in history if r["fit"] == "network" and r["epoch"] == 0)
    best = json.loads((folder / "training.json").read_text())["best"]["network"]["epoch"]
    kept = next(r for r in history if r["fit"] == "network" and r["epoch"] == best)
    assert (kept["val_accuracy"], -kept["val_loss"]) >= (start["val_accuracy"], -start["val_loss"])
    assert [r["fit"] for r in history] == ["head", "network", "network", "network"]


def test_batch_norm_statistics_do_not_change(tuned, watch):
    """The kernels of the base do, in every epoch; the moving means and variances not in a single
    bit.
    """
    folder, _ = tuned
    (moving, kernels), published = (
        watch.before,
        {w.path: w.numpy() for w in ws.load(CIFAR).keras.weights},
    )
    assert len(moving) == 2 * 19
    assert len(watch.after) == 2
    for statistics, others in watch.after:
        for path, value in moving.items():
            np.testing.assert_array_equal(value, statistics[path])
        assert all(not np.array_equal(value, others[path]) for path, value in kernels.items())
    after = {w.path: w.numpy() for w in ws.load(folder).keras.weights}
    for path in moving:
        np.testing.assert_array_equal(published[path], after[path])


def test_the_report_and_the_card_tell_it(tuned):
    folder, _ = tuned
    page = ws.load(folder).report().read_text()
    for title in ("Data", "Curves", "Per class", "Calibration", "Mistakes", "Recipe", "Made by"):
        assert f"<h2>{title}</h2>" in page
    assert "bad.png" in page
    assert "spots" in (folder / "README.md").read_text()


def test_a_finished_run_is_returned_and_never_overwritten(tuned, shapes, capsys):
    folder, _ = tuned
    before = {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock"
    }
    again = ws.finetune(CIFAR, shapes, epochs=2, output=folder, seed=3)
    assert again.labels == ws.load(folder).labels
    assert "is finished; nothing was trained" in capsys.readouterr().err
    with pytest.raises(UsageError, match="epochs: 2, now 4"):
        ws.finetune(CIFAR, shapes, epochs=4, output=folder, seed=3)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_fine_tuned_model_is_a_base_and_has_a_backbone(tuned, shapes):
    folder, _ = tuned
    base = ws.load(folder)
    photos = [str(p) for p in sorted((shapes / "val" / "down").glob("*.png"))]
    backbone = ws.backbone(folder, pooling="avg")
    images = np.stack([base.preprocess(photo) for photo in photos])
    np.testing.assert_allclose(backbone.predict_on_batch(images), base.features(photos), atol=1e-4)
    from warmstart.image.train import network

    config = network.base_config(base)
    assert config["architecture"] == "cifar_resnet"
    net = network.build(base, {"base": config, "head": [], "classes": 2})
    assert net.output_shape == (None, 2)


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # Keras' own saving, numpy 2
def test_the_keras_model_is_keras_own_layers(tuned, shapes, tmp_path):
    """It is saved and loaded as any Keras model, and answers what the bundle answers."""
    import keras

    folder, _ = tuned
    model = ws.load(folder)
    model.keras.save(tmp_path / "whole.keras")
    net = keras.models.load_model(tmp_path / "whole.keras")
    assert net.trainable_variables
    photo = shapes / "val" / "spots" / "3.png"
    scores = {p.index: p.score for p in model(photo)}
    np.testing.assert_allclose(
        net.predict_on_batch(model.preprocess(photo)[None])[0],
        [scores[i] for i in range(3)],
        atol=1e-4,
    )


def test_photos_of_another_size(shapes, tmp_path):
    size = {"epochs": 0, "views": 0, "verbose": False}
    model = ws.finetune(CIFAR, shapes, image_size=48, output=tmp_path / "out", **size)
    assert model.preprocessing.size == (48, 48)
    again = ws.load(tmp_path / "out")
    photo = shapes / "val" / "down" / "0.png"
    assert again.preprocess(photo).shape == (48, 48, 3)
    assert again(photo).label == model(photo).label
    for image_size, words in (
        (4, "of 8 or more"),
        ((48, 64), "only square photos"),
        ("x", "an integer, or"),
    ):
        with pytest.raises(UsageError, match=words):
            ws.finetune(CIFAR, shapes, image_size=image_size, **size)
