"""The families of keras.applications: official files fill our build, and features are where they
belong.
"""

import keras
import numpy as np
import pytest

from warmstart.checkpoints.formats import open_checkpoint
from warmstart.errors import MismatchError, UsageError
from warmstart.models import architecture
from warmstart.models.image.features import feature_layer, pooled_features
from warmstart.models.image.keras_applications import network as keras_applications

pytestmark = pytest.mark.tensorflow

# One small variant a family: function, arguments, size
FAMILIES = [
    ("MobileNet", {"alpha": 0.25}, 32), ("MobileNetV2", {"alpha": 0.35}, 32), ("MobileNetV3Small", {"alpha": 0.75}, 32),
    ("MobileNetV3Small", {"minimalistic": True}, 32), ("VGG16", {}, 32), ("ResNet50", {}, 32), ("ResNet50V2", {}, 32),
    ("InceptionV3", {}, 75), ("InceptionResNetV2", {}, 75), ("Xception", {}, 71), ("DenseNet121", {}, 32),
    ("NASNetMobile", {}, 32), ("EfficientNetB0", {}, 32), ("EfficientNetV2B0", {}, 32), ("EfficientNetV2S", {}, 32),
    ("ConvNeXtTiny", {}, 32),
]  # fmt: skip
RUN = ("MobileNet", "MobileNetV2", "MobileNetV3Small", "VGG16", "ConvNeXtTiny")
STD = (0.229, 0.224, 0.225)


def images(size):
    return np.random.default_rng(1).uniform(0, 1, (2, size, size, 3)).astype(np.float32)


def load(model, path, config):
    with open_checkpoint(path) as checkpoint:
        keras_applications.load(model, checkpoint, config)


def normalization(model):
    """The variables of the model's input normalisation by name."""
    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
    return {variable.name: variable for variable in layer.variables}


def run(model, x):
    return [np.asarray(y) for y in keras.tree.flatten(model(x))]


@pytest.mark.usefixtures("not_drawn")
@pytest.mark.parametrize(("function", "arguments", "size"), FAMILIES, ids=str)
def test_official_files_fill_the_network(
    function, arguments, size, tmp_path, write_official, randomise
):
    """With and without top; the features of the whole network are the network without top, layer by
    layer.

    Arrays are compared, not outputs: a thousand layers take seconds to run, and the graph is Keras'
    own.
    """
    keras.utils.clear_session(free_memory=False)
    config = {"function": function, **arguments}
    shape = (size, size, 3)
    whole = keras_applications.build(config, input_shape=shape, classes=12)  # 12 for VGG's sake
    randomise(whole)
    expected = [variable.numpy() for variable in whole.weights]
    features = keras.Model(whole.input, pooled_features(whole))
    expected_features = [variable.numpy() for variable in features.weights]
    top = write_official(tmp_path / "top.h5", whole)
    notop = write_official(tmp_path / "notop.h5", features)

    for variable in whole.weights:
        variable.assign(np.zeros(variable.shape))
    load(whole, top, config)
    for variable, array in zip(whole.weights, expected, strict=True):
        np.testing.assert_array_equal(variable.numpy(), array, err_msg=variable.path)

    bare = keras_applications.build(config, include_top=False, pooling="avg", input_shape=shape)
    assert [type(layer) for layer in bare.layers] == [type(layer) for layer in features.layers]
    load(bare, notop, config)
    for variable, array in zip(bare.weights, expected_features, strict=True):
        np.testing.assert_array_equal(variable.numpy(), array, err_msg=variable.path)
    if function in RUN:
        x = images(size)
        np.testing.assert_array_equal(run(features, x)[0], run(bare, x)[0])
        if function != "ConvNeXtTiny":  # it normalises the average
            average = keras.layers.GlobalAveragePooling2D()(feature_layer(whole))
            np.testing.assert_array_equal(
                run(keras.Model(whole.input, average), x)[0], run(bare, x)[0]
            )


@pytest.mark.usefixtures("not_drawn")
@pytest.mark.parametrize("include_top", [True, False])
def test_efficientnet_equals_keras_with_its_extra_rescaling(
    include_top, tmp_path, write_official, randomise, monkeypatch
):
    """Keras' graph for weights="imagenet" on a file that holds the standard deviation where the
    variance belongs.
    """
    from keras.src.utils import file_utils

    size = 224 if include_top else 64  # the only one that Keras takes with top
    build = {"include_top": include_top, "input_shape": (size, size, 3)}
    plain = keras.applications.EfficientNetB0(weights=None, **build)
    randomise(plain)
    statistics = normalization(plain)
    statistics["mean"].assign([0.485, 0.456, 0.406])
    statistics["variance"].assign(STD)
    path = write_official(tmp_path / "efficientnetb0.h5", plain)
    monkeypatch.setattr(file_utils, "get_file", lambda *arguments, **keywords: str(path))
    theirs = keras.applications.EfficientNetB0(weights="imagenet", **build)
    assert len(theirs.layers) == len(plain.layers) + 1

    config = {"function": "EfficientNetB0"}
    ours = keras_applications.build(config, **build)
    load(ours, path, config)
    pixels = images(size) * 255
    expected = run(theirs, pixels)[0]
    np.testing.assert_allclose(
        run(ours, pixels)[0], expected, atol=1e-5 * max(1, np.abs(expected).max())
    )


def test_efficientnet_keeps_a_true_variance(tmp_path, write_official):
    """A file saved from our own graph must not be squared again."""
    config = {"function": "EfficientNetB0"}
    model = keras_applications.build(config, include_top=False, input_shape=(32, 32, 3))
    normalization(model)["variance"].assign(np.square(STD))
    path = write_official(tmp_path / "own.h5", model)
    again = keras_applications.build(config, include_top=False, input_shape=(32, 32, 3))
    load(again, path, config)
    np.testing.assert_array_equal(
        normalization(again)["variance"].numpy(), np.square(STD).astype(np.float32)
    )


def test_a_file_of_another_variant_changes_nothing(tmp_path, write_official):
    small = keras.applications.MobileNet(
        weights=None, alpha=0.25, input_shape=(32, 32, 3), include_top=False
    )
    path = write_official(tmp_path / "mobilenet_2_5.h5", small)
    config = {"function": "MobileNet", "alpha": 0.5}
    model = keras_applications.build(config, input_shape=(32, 32, 3), include_top=False)
    before = [variable.numpy() for variable in model.variables]
    with pytest.raises(MismatchError, match=r"mobilenet_2_5\.h5"):
        load(model, path, config)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_build_takes_size_and_classes_from_the_config():
    config = {"function": "MobileNet", "alpha": 0.25, "input_size": [160, 128], "classes": 5}
    model = keras_applications.build(config)
    assert (model.input.shape, model.output.shape) == ((None, 160, 128, 3), (None, 5))
    model = keras_applications.build(config, input_shape=(96, 96, 3), classes=7)
    assert (model.input.shape, model.output.shape) == ((None, 96, 96, 3), (None, 7))
    assert config == {
        "function": "MobileNet",
        "alpha": 0.25,
        "input_size": [160, 128],
        "classes": 5,
    }


@pytest.mark.parametrize(
    ("pooling", "shape"),
    [(None, (None, None, None, 256)), ("avg", (None, 256)), ("max", (None, 256))],
)
def test_build_without_top_at_any_size(pooling, shape):
    config = {"function": "MobileNet", "alpha": 0.25, "input_size": [128, 128]}
    model = keras_applications.build(
        config, include_top=False, pooling=pooling, input_shape=(None, None, 3)
    )
    assert model.output.shape == shape
    assert model(images(40)).shape[-1] == 256


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        ({"function": "eval"}, {}, "no function 'eval'"),
        ({}, {}, "no function None"),
        ({"function": "preprocess_input"}, {}, "no function"),
        ({"function": "VGG16", "colour": 1}, {}, "VGG16 cannot be built.*colour"),
        ({"function": "VGG16", "weights": "imagenet"}, {}, "VGG16 cannot be built.*weights"),
        (
            {"function": "VGG16"},
            {"include_top": False, "input_shape": (31, 32, 3)},
            "VGG16 cannot be built.*32",
        ),
        ({"function": "VGG16"}, {"include_top": False, "pooling": "sum"}, "pooling must be"),
    ],
)
def test_build_refuses(config, options, message):
    with pytest.raises(UsageError, match=message):
        keras_applications.build(config, **options)


def test_feature_layer_where_sizes_are_unknown():
    for function in ("MobileNetV3Small", "EfficientNetB0"):
        config = {"function": function}
        bare = keras_applications.build(
            config, include_top=False, pooling="avg", input_shape=(None, None, 3)
        )
        layer = feature_layer(bare)
        assert layer.shape == (None, None, None, bare.output.shape[-1])


def test_feature_layer_of_a_network_without_pooling_is_its_output():
    config = {"function": "MobileNetV2", "alpha": 0.35}
    bare = keras_applications.build(config, include_top=False, input_shape=(32, 32, 3))
    assert feature_layer(bare) is bare.output


def test_feature_layer_of_the_embedded_architecture():
    model = architecture("cifar_resnet").build({"depth": 8})
    assert feature_layer(model).shape == (None, 8, 8, 64)


def test_feature_layer_refuses_a_model_without_a_map():
    inputs = keras.Input((4,))
    with pytest.raises(ValueError, match=r"flat.*no feature map"):
        feature_layer(keras.Model(inputs, keras.layers.Dense(2)(inputs), name="flat"))


@pytest.mark.shared
def test_real_mobilenet_weights(shared_data):
    """An old full-model file: 0.25, 224; the arrays in the file are those in the model."""
    config = {"function": "MobileNet", "alpha": 0.25, "input_size": [224, 224]}
    model = keras_applications.build(config)
    path = shared_data / "weights" / "mobilenet_v1_0.25_224_imagenet.h5"
    load(model, path, config)
    with open_checkpoint(path) as checkpoint:
        arrays = {tuple(checkpoint.read(name).ravel()[:4]) for name in checkpoint.names()}
    assert {tuple(variable.numpy().ravel()[:4]) for variable in model.weights} == arrays
