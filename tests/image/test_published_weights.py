"""Published weights of segmentation and of a Teachable Machine, on real photos."""

import shutil

import h5py
import numpy as np
import pytest
from PIL import Image

import warmstart as ws

pytestmark = [pytest.mark.shared, pytest.mark.tensorflow]
TFLITE = "tflite/deeplabv3_mnv2_pascal_quant.tflite"


@pytest.mark.parametrize("file", ["deeplabv3_mobilenet_v2_voc", TFLITE])
def test_a_bird_is_segmented(shared_data, file):
    weights, photos = shared_data / "weights" / file, shared_data / "images" / "photos"
    if file == TFLITE:
        model = ws.load("deeplabv3_mobilenet_v2", weights=weights, engine="keras")
    else:
        model = ws.load(weights, engine="keras")
    bird = np.asarray(Image.open(photos / "bird_segmentation_mask.bmp")) == 3
    predicted = model(photos / "bird_segmentation.bmp").mask("bird")
    assert (bird & predicted).sum() / (bird | predicted).sum() >= 0.88


def test_a_teachable_machine(shared_data, tmp_path):
    shutil.copy(shared_data / "weights" / "teachable_machine_waste.h5", tmp_path / "keras_model.h5")
    (tmp_path / "labels.txt").write_text("0 Cardboard\n1 Glass\n2 Metal\n3 Plastic\n")
    name, path = "mobilenet_v2_0.35_224", tmp_path / "keras_model.h5"
    model = ws.load(name, weights=path, engine="keras")
    assert (model.preprocessing.resize, model.preprocessing.crop_ratio) == ("crop", 1.0)
    assert [label.name for label in model.labels] == ["Cardboard", "Glass", "Metal", "Plastic"]
    photo = shared_data / "images" / "photos" / "hot_dog.jpg"
    images = model.preprocess(photo)[None]
    # the head of the file, computed by hand on the features of its backbone
    features = np.asarray(ws.backbone(name, weights=path, pooling="avg")(images))
    with h5py.File(path) as file:
        head = file["model_weights/sequential_3"]
        hidden = features @ head["dense_Dense1/kernel:0"][:] + head["dense_Dense1/bias:0"][:]
        logits = np.maximum(hidden, 0) @ head["dense_Dense2/kernel:0"][:]
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    np.testing.assert_allclose(
        model.engine.run("forward", images=images)["probabilities"], expected, atol=1e-5
    )
    assert model(photo).label == "Cardboard"
