"""Names, folders and sources; and the promise that predicting does without TensorFlow."""

import json
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from tests.photos import CIFAR

import warmstart as ws
from warmstart.core import bundle
from warmstart.errors import (
    BundleError,
    EngineUnavailableError,
    OfflineError,
    UnknownModelError,
    UsageError,
)

PHOTO = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of the package's bundle that a test may damage."""
    target = tmp_path / "model"
    shutil.copytree(CIFAR, target)
    return target


def scores(model):
    return {p.label: p.score for p in model(PHOTO, top_k=10)}


@pytest.mark.parametrize(
    "name",
    [
        "EfficientNet_Lite0",
        "embedded:efficientnet_lite0",
        "package:warmstart/embedded/efficientnet_lite0",
    ],
)
def test_ways_to_name_the_embedded_model(name):
    assert scores(ws.load(name, engine="litert")) == scores(
        ws.load("efficientnet_lite0", engine="litert")
    )


def test_a_copied_bundle_is_the_same_model(folder, model):
    assert scores(ws.load(folder)) == scores(ws.load(str(folder))) == scores(model)


def _run(code):
    """A Python process that has run this code without an error."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def test_predicting_never_imports_tensorflow(photos):
    code = (
        "import sys, warmstart as ws\n"
        f"print(ws.load({str(CIFAR)!r})({str(photos / 'photo0.png')!r}).label)\n"
        "heavy = {'tensorflow', 'keras', 'h5py', 'pandas', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    assert _run(code).stderr == ""


def test_importing_is_lazy():
    code = "import sys, warmstart; assert not {'numpy', 'PIL', 'tensorflow'} & set(sys.modules), 'not lazy'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(UnknownModelError, match="resnet50"):
        ws.load("resnet-50")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ws.load(CIFAR, ofline=True), "no option 'ofline'; did you mean offline"),
        (lambda: ws.load(CIFAR, task="text-clasification"), "did you mean text-classification"),
        (lambda: ws.list_models(task="forecast"), "did you mean forecasting"),
        (lambda: ws.list_models(family="bert_"), "did you mean bert"),
        (lambda: ws.list_models(tasks="forecasting"), "did you mean task"),
    ],
)
def test_unknown_options_tasks_and_families_are_answered_with_near_ones(call, message):
    with pytest.raises(UsageError, match=message):
        call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"agreement": "0.9", "precision": "int8"}, "agreement must be a number above 0.*'0.9'"),
        ({"agreement": True, "precision": "auto"}, "agreement must be a number above 0.*True"),
        ({"agreement": 0.9}, "agreement is for precision='int8'"),
        ({"engine": None}, "no engine None; there are auto, litert"),
        ({"precision": ["int8"]}, r"no precision \['int8'\]; there are float32"),
        ({"device": 0}, "no device 0; choose one of auto, cpu, gpu"),
        ({"offline": "no"}, "offline must be True or False, or None, not 'no'"),
        ({"revision": 3}, "revision must be a branch, tag or commit, or None, not 3"),
        ({"weights": 3}, "weights must be 'pretrained', or the path"),
        ({"weights": False}, "weights must be 'pretrained', or the path"),
        ({"task": 3}, "task must be the name of a task"),
        ({"progress": True}, "progress must be a function"),
    ],
)
def test_options_are_checked_before_any_work(options, message):
    with pytest.raises(UsageError, match=message):
        ws.load("not a model at all", **options)


def test_wrong_options():
    with pytest.raises(UsageError, match="no engine 'tpu'"):
        ws.load(CIFAR, engine="tpu")
    with pytest.raises(UsageError, match="no precision 'int4'"):
        ws.load(CIFAR, precision="int4")
    with pytest.raises(UsageError, match="image-classification, not text-generation"):
        ws.load(CIFAR, task="text-generation")
    with pytest.raises(UsageError, match="pooling"):
        ws.backbone(CIFAR, pooling="mean")
    with pytest.raises(UsageError, match="8 or more"):
        ws.backbone(CIFAR, input_shape=(4, 4, 3))
    for shape in (32, (32, 32), ("32", 32, 3), (32, 32, 0)):
        with pytest.raises(UsageError, match=r"takes input_shape \(H, W, channels\)"):
            ws.backbone(CIFAR, input_shape=shape)


def test_folders_that_are_no_bundles(tmp_path, folder):
    with pytest.raises(UsageError, match="does not exist"):
        ws.load(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"no warmstart\.json"):
        ws.load(tmp_path)
    for name in ("labels.json", "warmstart.json"):
        original = (folder / name).read_text()
        (folder / name).write_text(original[:-20])
        with pytest.raises(BundleError, match=name):
            ws.load(folder)
        (folder / name).write_text(original)
    (folder / "labels.json").unlink()
    with pytest.raises(BundleError, match=r"labels\.json is missing"):
        ws.load(folder)


def test_newer_bundle_format_is_refused(folder):
    manifest = json.loads((folder / "warmstart.json").read_text())
    (folder / "warmstart.json").write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(BundleError, match="format 99"):
        ws.load(folder)


def test_without_tensorflow_the_way_out_is_told(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    (folder / "artifacts" / "float32" / "probe.npz").unlink()
    with pytest.raises(EngineUnavailableError, match=r"pip install 'warmstart\[tensorflow\]'"):
        ws.load(folder)(PHOTO)


@pytest.mark.tensorflow
def test_damaged_artifact_in_a_bundle_is_compiled_anew(model, tmp_path):
    folder = model.save(tmp_path / "saved")
    program = folder / "artifacts" / "float32" / "program.tflite"
    program.write_bytes(program.read_bytes()[:-1000])
    again = ws.load(folder)
    assert not again.is_compiled()
    stages = []
    again.on_stage = stages.append
    assert scores(again) == pytest.approx(scores(model), abs=1e-4)
    assert "converting" in stages
    assert ws.load(folder).is_compiled()


@pytest.mark.parametrize("installed", [False, pytest.param(True, marks=pytest.mark.tensorflow)])
def test_a_damaged_program_that_holds_the_weights_is_told(installed, folder, monkeypatch):
    """With TensorFlow or without: installing it would not help."""
    from warmstart.errors import CheckpointError, CorruptCheckpointError

    if not installed:
        monkeypatch.setitem(sys.modules, "tensorflow", None)
    program = folder / "artifacts" / "float32" / "program.tflite"
    program.write_bytes(program.read_bytes()[:-1000])
    with pytest.raises(
        CorruptCheckpointError, match=r"program\.tflite is not the file that .* fetch both again"
    ):
        ws.load(folder)(PHOTO)
    program.unlink()
    with pytest.raises(CorruptCheckpointError, match=r"program\.tflite, which is missing"):
        ws.load(folder)(PHOTO)
    shutil.rmtree(program.parent)
    with pytest.raises(CheckpointError, match=r"artifact\.json cannot be opened"):
        ws.load(folder)(PHOTO)


@pytest.mark.tensorflow
def test_keras_and_engine_agree(model):
    array = model.preprocess(PHOTO)
    from_keras = np.asarray(model.keras(array[None]))[0]
    for p in model(PHOTO, top_k=10):
        assert p.score == pytest.approx(from_keras[p.index], abs=1e-4)
    reference = ws.load(CIFAR, engine="keras")
    assert scores(reference) == pytest.approx(scores(model), abs=1e-4)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "name", ["sst2_bert_tiny", "shakespeare_gpt2", "deepar", "digits_wavenet_asr"]
)
def test_only_models_for_photos_have_a_backbone(name):
    with pytest.raises(UsageError, match="only models for photos have a backbone"):
        ws.backbone(name)


def test_a_detector_has_a_backbone():
    assert len(ws.backbone("bccd_fcos").output_shape) == 4


def test_backbone_gives_the_features(model):
    array = model.preprocess(PHOTO)
    pooled = ws.backbone(CIFAR, pooling="avg")
    np.testing.assert_allclose(
        np.asarray(pooled(array[None]))[0], model.features(PHOTO), atol=1e-3, rtol=1e-3
    )
    assert ws.backbone(CIFAR, input_shape=(None, None, 3)).output_shape == (None, None, None, 64)
    assert ws.backbone(CIFAR, weights=None, input_shape=(64, 48, 3)).output_shape == (
        None,
        16,
        12,
        64,
    )


@pytest.mark.tensorflow
def test_a_backbone_for_grey_pictures_gives_the_features_of_grey_in_rgb():
    grey = np.random.default_rng(0).normal(size=(2, 32, 32, 1)).astype(np.float32)
    coloured, single = (ws.backbone(CIFAR, input_shape=(32, 32, n), pooling="avg") for n in (3, 1))
    expected = np.asarray(coloured(grey.repeat(3, -1)))
    np.testing.assert_allclose(np.asarray(single(grey)), expected, atol=1e-4, rtol=1e-4)
    with pytest.raises(UsageError, match=r"takes input_shape \(H, W, channels\)"):
        ws.backbone(CIFAR, input_shape=(32, 32, None))


@pytest.mark.tensorflow
def test_random_weights_are_the_same_in_engine_and_keras(model):
    import random

    state = random.getstate()
    untrained = ws.load(CIFAR, weights=None)
    array = untrained.preprocess(PHOTO)
    from_keras = np.asarray(untrained.keras(array[None]))[0]
    assert random.getstate() == state
    got = untrained(PHOTO, top_k=10)
    assert {p.index: p.score for p in got} == pytest.approx(dict(enumerate(from_keras)), abs=1e-4)
    assert scores(untrained) != pytest.approx(scores(model), abs=1e-2)


@pytest.mark.tensorflow
def test_save_and_load(model, tmp_path):
    saved = model.save(tmp_path / "saved")
    assert sorted(p.name for p in saved.iterdir()) == [
        "README.md",
        "artifacts",
        "labels.json",
        "model.safetensors",
        "warmstart.json",
    ]
    again = ws.load(saved)
    assert again.is_compiled()
    assert scores(again) == scores(model)
    np.testing.assert_allclose(
        np.asarray(again.keras(model.preprocess(PHOTO)[None])),
        np.asarray(model.keras(model.preprocess(PHOTO)[None])),
        atol=1e-6,
    )
    with pytest.raises(BundleError, match="not empty"):
        model.save(saved)
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".saving")] == []


def test_failed_save_leaves_nothing(model, tmp_path):
    def fail(folder):
        raise BundleError("no luck")

    with pytest.raises(BundleError, match="no luck"):
        bundle.write(tmp_path / "new", model.entry, {"a/b": np.zeros(3)}, model.labels, fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), PermissionError(13, "no")]
)
def test_a_folder_that_cannot_be_written_is_named(model, tmp_path, error):
    def fail(folder):
        raise error

    with pytest.raises(
        BundleError, match=r"new cannot be written \(.*\); free some space, or choose"
    ):
        bundle.write(tmp_path / "new", model.entry, {"a/b": np.zeros(3)}, model.labels, fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.tensorflow
def test_a_model_is_not_saved_into_a_file(model, tmp_path):
    file = tmp_path / "a file"
    file.write_text("!")
    with pytest.raises(BundleError, match="a file is a file; choose a new folder"):
        model.save(file)
    with pytest.raises(BundleError, match="below cannot be written"):
        model.save(file / "below")
    assert file.read_text() == "!"


@pytest.mark.tensorflow
def test_a_bundle_s_weights_are_checked_before_they_are_used(folder):
    from warmstart.errors import CorruptCheckpointError

    rest = folder / "artifacts" / "float32" / "rest.safetensors"
    content = bytearray(rest.read_bytes())
    content[-1] ^= 1
    rest.write_bytes(content)
    with pytest.raises(CorruptCheckpointError, match=r"rest\.safetensors is not the file"):
        ws.load(folder).keras  # noqa: B018
    with pytest.raises(CorruptCheckpointError, match=r"rest\.safetensors is not the file"):
        ws.backbone(folder)


@pytest.mark.tensorflow
def test_metrics_are_not_claimed_for_other_weights(model, tmp_path):
    assert ws.load(model.save(tmp_path / "same")).entry.metrics == model.entry.metrics
    untrained = ws.load(CIFAR, weights=None)
    assert ws.load(untrained.save(tmp_path / "untrained")).entry.metrics == ()


def test_home_is_expanded(folder, model, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert scores(ws.load("~/model")) == scores(model)


def test_with_own_weights_no_others_are_fetched(monkeypatch):
    def refuse(source, patterns, **options):
        assert not any(fnmatch("model.safetensors", pattern) for pattern in patterns)
        raise OfflineError("it is not in the cache")

    monkeypatch.setattr("warmstart.hub.fetch_repo", refuse)
    with pytest.raises(OfflineError) as caught:
        ws.load("bert_base_uncased", weights="bert_model.ckpt.index")
    assert "The config and other files of bert_base_uncased cannot be fetched" in str(caught.value)
    assert "weights=FILE" not in str(caught.value)


def test_options_are_checked_before_anything_is_fetched():
    with pytest.raises(UsageError, match="int4"):
        ws.load("mobilenet_v2", precision="int4", offline=True)
    with pytest.raises(UsageError, match="bfloat16"):
        ws.load("mobilenet_v2", engine="litert", precision="bfloat16", offline=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("efficientnet_lite0", "np.zeros((64, 64, 3), 'uint8')"), ("sst2_bert_tiny", "'a film'")],
)
def test_predicting_imports_no_reader_of_labelled_data(name, value):
    code = (
        "import sys, numpy as np, warmstart as ws\n"
        f"ws.load({name!r})({value})\n"
        "readers = {'warmstart.core.records.readers', 'warmstart.core.records.table'}\n"
        "assert not readers & sys.modules.keys()"
    )
    _run(code)
