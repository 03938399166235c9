"""The real ImageNet MobileNet on real photos: accuracy, and the same numbers from every engine."""

import numpy as np
import pytest

import warmstart as ws

pytestmark = [pytest.mark.shared, pytest.mark.tensorflow]
NAME = "mobilenet_0.25_224"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One artifact store for this module: the model is compiled once."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def weights(shared_data, home, monkeypatch):
    monkeypatch.setenv("WARMSTART_HOME", str(home))
    return shared_data / "weights" / "mobilenet_v1_0.25_224_imagenet.h5"


@pytest.fixture
def photos(shared_data):
    return sorted((shared_data / "images" / "imagenet-sample").glob("*.JPEG"))


def test_accuracy_on_a_hundred_photos(weights, photos):
    model = ws.load(NAME, weights=weights)
    metrics = model.evaluate([(photo, photo.name.split("_")[0]) for photo in photos])
    assert metrics["count"] == 100
    assert metrics["top1"] >= 0.60
    assert metrics["top5"] >= 0.80


def test_engines_give_keras_numbers_on_every_photo(weights, photos):
    models = {
        engine: ws.load(NAME, weights=weights, engine=engine)
        for engine in ("keras", "litert", "openvino")
    }
    batch = np.stack([models["keras"].preprocess(photo) for photo in photos])
    want = models["keras"].engine.run("forward", images=batch)["probabilities"]
    for engine in ("litert", "openvino"):
        got = models[engine].engine.run("forward", images=batch)["probabilities"]
        assert np.abs(got - want).max() <= 1e-4, engine
        np.testing.assert_array_equal(got.argmax(1), want.argmax(1))


def test_backbone_from_a_checkpoint_with_a_top_gives_the_features(weights, photos):
    model = ws.load(NAME, weights=weights)
    backbone = ws.backbone(NAME, weights=weights, pooling="avg")
    assert backbone.output_shape == (None, 256)
    array = model.preprocess(photos[0])
    np.testing.assert_allclose(
        np.asarray(backbone(array[None]))[0], model.features(photos[0]), atol=1e-4
    )


def test_checkpoint_of_another_model_is_refused_by_name_and_shape(weights):
    from warmstart.errors import MismatchError

    with pytest.raises(MismatchError, match=rf"{weights.name}.*conv"):
        ws.load("mobilenet_0.5_224", weights=weights).keras  # noqa: B018


def test_accuracy_of_the_embedded_classifier(photos):
    metrics = ws.load("efficientnet_lite0", engine="litert").evaluate(
        [(p, p.name.split("_")[0]) for p in photos]
    )
    assert metrics["count"] == 100
    assert metrics["top1"] >= 0.86
    assert metrics["top5"] >= 0.95
