"""Exports as users meet them: each format read by its own runtime, nothing overwritten, nothing
half written.
"""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from tests.photos import CIFAR

import warmstart as ws
from warmstart.core import exporting
from warmstart.errors import CacheError, CompileError, EngineUnavailableError, UsageError
from warmstart.image.model import EXAMPLES

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def cifar():
    return ws.load(CIFAR, engine="litert")


@pytest.fixture(scope="module")
def want(cifar, images):
    return cifar.engine.run("forward", images=images)["probabilities"]


def test_onnx(cifar, images, want, tmp_path):
    import onnxruntime

    path = cifar.export(tmp_path / "new folder" / "cifar.onnx")
    session = onnxruntime.InferenceSession(str(path))
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("images", ["batch", 32, 32, 3])]
    np.testing.assert_allclose(
        session.run(["probabilities"], {"images": images})[0], want, atol=1e-5
    )
    note = json.loads((tmp_path / "new folder" / "cifar.onnx.json").read_text())
    assert note["labels"][:2] == ["airplane", "automobile"]
    assert note["preprocessing"]["scaling"] == "standard"
    assert note["functions"]["forward"]["inputs"] == [
        {"name": "images", "dtype": "float32", "shape": ["batch", 32, 32, 3]}
    ]
    assert 0 < note["largest_difference"] <= 1e-4
    assert sorted(os.listdir(path.parent)) == ["cifar.onnx", "cifar.onnx.json"]


def test_keras(cifar, images, want, tmp_path):
    import keras

    path = cifar.export(tmp_path / "cifar.keras")
    np.testing.assert_allclose(
        keras.models.load_model(path).predict(images, verbose=0), want, atol=1e-5
    )
    assert "functions" not in json.loads((tmp_path / "cifar.keras.json").read_text())


def test_keras_cannot_hold_layers_of_ours(tmp_path):
    with pytest.raises(CompileError, match="own layers; export as saved_model"):
        ws.load("deepar").export(tmp_path / "x.keras")
    assert not list(tmp_path.iterdir())


def test_saved_model_without_tensorflow_here(images, want, tmp_path):
    code = (
        "import sys, warmstart as ws\n"
        "from tests.warm_compiler import use; use()\n"
        f"path = ws.load({str(CIFAR)!r}).export(sys.argv[1])\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "saved")], check=True)
    import tensorflow as tf

    signatures = tf.saved_model.load(str(tmp_path / "saved")).signatures
    got = signatures["serving_default"](images=tf.constant(images))
    np.testing.assert_allclose(got["probabilities"], want, atol=1e-5)
    note = json.loads((tmp_path / "saved" / "model.json").read_text())
    assert note["format"] == "saved_model"
    photo = EXAMPLES / "cat.jpg"
    files = signatures["photos"](image_bytes=tf.constant([photo.read_bytes()] * 2))
    ours = {one.label: one.score for one in ws.load(CIFAR, engine="litert")(photo, top_k=10)}
    theirs = dict(zip(note["labels"], files["probabilities"][1].numpy(), strict=True))
    largest = max(abs(theirs[label] - score) for label, score in ours.items())
    assert largest <= note["photos"]["largest_difference"]["probabilities"] + 1e-6 < 0.1
    assert note["photos"]["share_of_equal_classes"] == 1


def test_openvino(cifar, images, want, tmp_path):
    import openvino

    path = cifar.export(tmp_path / "cifar", "openvino")
    compiled = openvino.Core().compile_model(
        str(path / "forward.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    np.testing.assert_allclose(compiled({"images": images})["probabilities"], want, atol=1e-5)


def test_openvino_with_weights_of_8_bits(tmp_path):
    import openvino

    model = ws.load("efficientnet_lite0")
    path = model.export(tmp_path / "photos", "openvino")
    compiled = openvino.Core().compile_model(str(path / "forward.xml"), "CPU")
    assert compiled.get_property("DYNAMIC_QUANTIZATION_GROUP_SIZE") == 0


def test_the_command(run, tmp_path):
    path = tmp_path / "cifar.tflite"
    done = run("export", CIFAR, path)
    assert done.code == 0, done.err
    assert done.out.startswith(f"{path}: litert, 0.6 MB\n  largest difference from the model: ")
    before = path.stat()
    done = run("export", CIFAR, path)
    assert done.code == 2
    assert "already exists" in done.err
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_kill_in_the_middle_leaves_nothing(tmp_path):
    code = (
        "from tests.warm_compiler import use; use()\n"
        f"import sys, warmstart as ws; m = ws.load({str(CIFAR)!r})\n"
        "m.on_stage = lambda stage: print(stage, flush=True); m.export(sys.argv[1])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "m.onnx")],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in process.stdout:
        if "converting" in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert [name for name in os.listdir(tmp_path) if not name.startswith(".exporting-")] == []


def test_what_cannot_be_is_told_before_any_work(cifar, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "run_process", None)
    with pytest.raises(UsageError, match="no format 'torch'"):
        cifar.export(tmp_path / "m", "torch")
    with pytest.raises(UsageError, match=r"unknown suffix \.bin; use \.tflite"):
        cifar.export(tmp_path / "m.bin")
    with pytest.raises(UsageError, match=r"call it m\.bin\.onnx"):
        cifar.export(tmp_path / "m.bin", "onnx")
    with pytest.raises(UsageError, match="int8 program can be exported as litert only"):
        ws.load(CIFAR, precision="int8").export(tmp_path / "m.onnx")
    (tmp_path / "m.onnx.json").write_text("{}")
    with pytest.raises(UsageError, match="already exists"):
        cifar.export(tmp_path / "m.onnx")
    with pytest.raises(CacheError, match="cannot be written"):
        cifar.export(tmp_path / "m.onnx.json" / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(EngineUnavailableError, match=r"pip install 'warmstart\[onnx\]'"):
        cifar.export(tmp_path / "other.onnx")


def test_a_disk_that_fills_up_is_told(cifar, tmp_path):
    code = (
        f"import resource, sys, warmstart as ws; m = ws.load({str(CIFAR)!r})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); m.export(sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m.tflite")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "CacheError" in done.stderr
    assert "cannot be written" in done.stderr
    assert os.listdir(tmp_path) == []
