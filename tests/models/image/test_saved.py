"""Classifiers that were trained and saved with Keras: as backbones, and whole."""

from __future__ import annotations

import numpy as np
import pytest

import warmstart as ws
from warmstart.errors import CheckpointError, InputError, MismatchError, UsageError

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file"),
]
NAME, SIZE = "mobilenet_0.25_128", 64
CLASSES = 3


def random_weights(model, seed=0):
    """Weights of which no two layers have the same."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        if variable.dtype == "float32":
            value = random.uniform(0.5, 1.5, variable.shape)
            if "kernel" in variable.path:
                value = (value - 1) / np.sqrt(max(1, value.size // value.shape[-1]))
            variable.assign(value.astype(np.float32))
    return model


@pytest.fixture(scope="module")
def mobilenet():
    import keras

    def build(**options):
        return keras.applications.MobileNet(
            alpha=0.25, weights=None, include_top=False, input_shape=(SIZE, SIZE, 3), **options
        )

    return build


def tutorial(base, keras):
    """Augmentation and scaling in front of a nested backbone; the Keras guide to transfer learning."""
    layers = keras.layers
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.RandomRotation(0.1)(layers.RandomFlip("horizontal")(inputs))
    x = base(layers.Rescaling(1 / 127.5, offset=-1)(x), training=False)
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x))


def sequential(base, keras):
    layers = keras.layers
    return keras.Sequential([
        keras.Input((SIZE, SIZE, 3)),
        keras.Sequential([layers.RandomFlip(), layers.RandomZoom(0.1)]),
        layers.Rescaling(1 / 255),
        base,
        layers.Flatten(),
        layers.Dense(8, activation="relu"),
        layers.BatchNormalization(),
        layers.Dense(CLASSES),
    ])  # fmt: skip


def teachable_machine(base, keras):
    """Sequentials in a Sequential, and no bias at the end."""
    layers = keras.layers
    return keras.Sequential([
        keras.Sequential([base, layers.GlobalAveragePooling2D()]),
        keras.Sequential([
            layers.Dense(8, activation="relu"),
            layers.Dense(CLASSES, activation="softmax", use_bias=False),
        ]),
    ])  # fmt: skip


def flat(base, keras):
    """The layers of the backbone among the others; independent classes."""
    x = keras.layers.GlobalMaxPooling2D()(base.output)
    return keras.Model(base.input, keras.layers.Dense(CLASSES, activation="sigmoid")(x))


def binary(base, keras):
    """`preprocess_input` inside the graph, and one logit for two classes."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = base(keras.applications.mobilenet.preprocess_input(inputs))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(1)(x))


def normalized(base, keras):
    """Scaling by weights, another size, and convolutions on the map."""
    layers = keras.layers
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Normalization()(layers.Resizing(SIZE, SIZE)(inputs))
    x = layers.SeparableConv2D(8, 2, activation="relu")(base(x))
    x = layers.Activation("softmax")(layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x)))
    return keras.Model(inputs, x)


LOSSES = {binary: "binary_crossentropy", sequential: "sparse_categorical_crossentropy"}


def saved(build, base, path):
    import keras

    model = random_weights(build(base, keras))
    if build in LOSSES:
        model.compile("sgd", LOSSES[build])
    model.build((None, SIZE, SIZE, 3))
    model.save(path)
    return model


@pytest.mark.parametrize(("build", "suffix"), [
    (tutorial, ".keras"),
    (sequential, ".keras"),
    (teachable_machine, ".h5"),
    (flat, ".h5"),
    (binary, ".keras"),
    (binary, ".h5"),
    (normalized, ".keras"),
    (normalized, ".h5"),
])  # fmt: skip
def test_a_saved_classifier_answers_as_it_does_in_keras(build, suffix, mobilenet, tmp_path):
    model = saved(build, mobilenet(), tmp_path / f"model{suffix}")
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    scaled = pixels.astype(np.float32)
    if build in (teachable_machine, flat):  # they take scaled photos
        scaled = scaled / 127.5 - 1
    expected = np.asarray(model(scaled, training=False))
    if build is sequential:
        expected = np.exp(expected) / np.exp(expected).sum(-1, keepdims=True)
    if build is binary:
        expected = 1 / (1 + np.exp(-expected))
        expected = np.concatenate([1 - expected, expected], -1)
    loaded = ws.load(NAME, weights=tmp_path / f"model{suffix}", engine="keras")
    images = np.stack([loaded.preprocess(photo) for photo in pixels])
    probabilities = loaded.engine.run("forward", images=images)["probabilities"]
    np.testing.assert_allclose(probabilities, expected, atol=2e-6)
    assert probabilities.max(-1).min() < 0.999  # the classes are not decided by a few large numbers


@pytest.mark.parametrize(("build", "suffix"), [
    (tutorial, ".h5"),
    (sequential, ".weights.h5"),
    (teachable_machine, ".weights.h5"),
    (teachable_machine, ".keras"),
    (flat, ".weights.h5"),
    (flat, ".h5"),
])  # fmt: skip
def test_its_backbone_is_found(build, suffix, mobilenet, tmp_path):
    import keras

    base = mobilenet()
    model = random_weights(build(base, keras))
    path = tmp_path / f"model{suffix}"
    model.save_weights(path) if suffix == ".weights.h5" else model.save(path)
    backbone = ws.backbone(NAME, weights=path)
    for own, theirs in zip(backbone.get_weights(), base.get_weights(), strict=True):
        np.testing.assert_array_equal(own, theirs)


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_pooling_inside_the_backbone(pooling, mobilenet, tmp_path):
    import keras

    dense = keras.layers.Dense(CLASSES, activation="softmax")
    model = random_weights(keras.Sequential([mobilenet(pooling=pooling), dense]))
    model.save(tmp_path / "model.keras")
    loaded = ws.load(NAME, weights=tmp_path / "model.keras", engine="keras")
    images = np.random.default_rng(0).uniform(-1, 1, (2, SIZE, SIZE, 3)).astype(np.float32)
    np.testing.assert_allclose(
        loaded.engine.run("forward", images=images)["probabilities"],
        np.asarray(model(images)),
        atol=2e-6,
    )


def test_the_default_model_inside_a_classifier(tmp_path):
    import keras

    base = ws.backbone("efficientnet_lite0", weights=None, input_shape=(64, 64, 3), pooling="avg")
    model = keras.Sequential([base, keras.layers.Dense(CLASSES, activation="softmax")])
    model.save(tmp_path / "model.keras")
    loaded = ws.load("efficientnet_lite0", weights=tmp_path / "model.keras", engine="keras")
    assert loaded.preprocessing.size == (64, 64)
    images = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    np.testing.assert_allclose(
        loaded.engine.run("forward", images=images)["probabilities"],
        np.asarray(model(images)),
        atol=2e-6,
    )


@pytest.mark.parametrize(("text", "names", "resize"), [
    ("0 Cardboard\n1 Glass bottle\n2 7 Up\n", ["Cardboard", "Glass bottle", "7 Up"], "crop"),
    ("\ufeffant\nbee\n\nwasp\n", ["ant", "bee", "wasp"], "squash"),
    ("1 euro\n2 euro\n5 euro\n", ["1 euro", "2 euro", "5 euro"], "squash"),
    (None, ["LABEL_0", "LABEL_1", "LABEL_2"], "squash"),
])  # fmt: skip
def test_labels_beside_the_file(text, names, resize, mobilenet, tmp_path):
    saved(tutorial, mobilenet(), tmp_path / "keras_model.h5")
    if text is not None:
        (tmp_path / "labels.txt").write_text(text, "utf-8")
    loaded = ws.load(NAME, weights=tmp_path / "keras_model.h5")
    assert [label.name for label in loaded.labels] == names
    assert loaded.preprocessing.resize == resize
    assert loaded.preprocessing.size == (SIZE, SIZE)


@pytest.mark.parametrize(("text", "message"), [
    ("ant\nbee\n", r"labels\.txt names 2 classes, but the model has 3"),
    ("0 ant\n2 wasp\n1 bee\n", "numbers its lines from 0, but not in order"),
])  # fmt: skip
def test_labels_that_do_not_fit_are_refused(text, message, mobilenet, tmp_path):
    saved(tutorial, mobilenet(), tmp_path / "keras_model.h5")
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        ws.load(NAME, weights=tmp_path / "keras_model.h5")


def with_code(base, keras):
    layers = keras.layers
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.GlobalAveragePooling2D()(base(inputs))
    x = layers.Lambda(lambda x: x * 2)(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x))


def with_two_outputs(base, keras):
    x = keras.layers.GlobalAveragePooling2D()(base.output)
    return keras.Model(base.input, [keras.layers.Dense(n)(x) for n in (2, 3)])


def regression(base, keras):
    x = keras.layers.GlobalAveragePooling2D()(base.output)
    return keras.Model(base.input, keras.layers.Dense(1)(x))


def unscaled(base, keras):
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.RandomCrop(SIZE, SIZE)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(base(x))
    return keras.Model(inputs, keras.layers.Dense(CLASSES, activation="softmax")(x))


def before(layer):
    """A classifier with a layer before its backbone that is not one of scaling."""

    def build(base, keras):
        inputs = keras.Input((SIZE, SIZE, 3))
        x = base(layer(keras)(inputs))
        x = keras.layers.GlobalAveragePooling2D()(x)
        return keras.Model(inputs, keras.layers.Dense(CLASSES, activation="softmax")(x))

    return build


def after(layer):
    """Layers of the backbone among the others, and one more before the head."""

    def build(base, keras):
        x = keras.layers.GlobalAveragePooling2D()(layer(keras)(base.output))
        return keras.Model(base.input, keras.layers.Dense(CLASSES, activation="softmax")(x))

    return build


def grey(base, keras):
    base = keras.applications.MobileNet(
        alpha=0.25, weights=None, include_top=False, input_shape=(SIZE, SIZE, 1)
    )
    x = keras.layers.GlobalAveragePooling2D()(base.output)
    return keras.Model(base.input, keras.layers.Dense(CLASSES, activation="softmax")(x))


@pytest.mark.parametrize(("build", "message"), [
    (before(lambda keras: keras.layers.Lambda(lambda x: x * 2)), r"\(Lambda\) before the network"),
    (before(lambda keras: keras.layers.Cropping2D(0)), r"\(Cropping2D\) before the network"),
    (after(lambda keras: keras.layers.Lambda(lambda x: x * 2)), r"\(Lambda\) between the network"),
    (after(lambda keras: keras.layers.Activation("tanh")), r"\(Activation\) between the network"),
    (grey, "the number of channels of its input is 1, and photos have 3"),
    (with_code, r"the layer 'lambda.*' \(Lambda\)"),
    (with_two_outputs, "a model with 2 outputs"),
    (regression, "ends with a linear layer"),
    (unscaled, r"'random_crop.*' \(RandomCrop\) before the network cannot be read"),
])  # fmt: skip
def test_what_cannot_be_read_is_refused(build, message, mobilenet, tmp_path):
    import keras

    build(mobilenet(), keras).save(tmp_path / "model.keras")
    with pytest.raises(UsageError, match=message):
        ws.load(NAME, weights=tmp_path / "model.keras")


def test_two_backbones_are_ambiguous(mobilenet, tmp_path):
    import keras

    inputs = keras.Input((SIZE, SIZE, 3))
    both = [keras.layers.GlobalAveragePooling2D()(mobilenet(name=name)(inputs)) for name in "ab"]
    keras.Model(inputs, keras.layers.Concatenate()(both)).save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(CheckpointError, match=r"contains the network .* 2 times"):
        ws.backbone(NAME, weights=tmp_path / "m.weights.h5")


def test_another_network_is_refused(mobilenet, tmp_path):
    saved(tutorial, mobilenet(), tmp_path / "model.keras")
    with pytest.raises(MismatchError, match=r"model\.keras"):
        ws.load("mobilenet_0.5_128", weights=tmp_path / "model.keras").keras  # noqa: B018
