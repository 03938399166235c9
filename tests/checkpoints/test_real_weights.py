"""Published files of Keras 2, in models built with today's Keras."""

import io
import zipfile

import numpy as np
import pytest

from warmstart.checkpoints.assign import assign
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.checkpoints.naming import model_arrays
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.errors import MismatchError

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.shared,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def fill(model, path, **options):
    with open_checkpoint(path) as checkpoint:
        assign(model, checkpoint, **options)


def convolution(x, filters, size, stride=1, *, activate=True, depthwise=False):
    """Convolution with bias, BatchNorm and ReLU, with automatic names."""
    from keras import layers

    make = (
        layers.DepthwiseConv2D(size, stride, padding="same")
        if depthwise
        else layers.Conv2D(filters, size, stride, padding="same")
    )
    x = layers.BatchNormalization()(make(x))
    return layers.ReLU()(x) if activate else x


@pytest.fixture(scope="module")
def resnet8():
    """The ResNet-8 of MLPerf Tiny: three stacks of one block."""
    import keras
    from keras import layers

    def build():
        inputs = keras.Input((32, 32, 3))
        x = convolution(inputs, 16, 3)
        for filters, stride in ((16, 1), (32, 2), (64, 2)):
            y = convolution(x, filters, 3, stride)
            y = convolution(y, filters, 3, activate=False)
            if stride > 1:
                x = layers.Conv2D(filters, 1, stride, padding="same")(x)
            x = layers.ReLU()(layers.Add()([x, y]))
        x = layers.Flatten()(layers.AveragePooling2D(8)(x))
        return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))

    return build


def vww_mobilenet():
    """The MobileNet v1 0.25 of MLPerf Tiny's visual wake words, 96x96."""
    import keras
    from keras import layers

    inputs = keras.Input((96, 96, 3))
    x = convolution(inputs, 8, 3, 2)
    for filters, stride in [
        (16, 1),
        (32, 2),
        (32, 1),
        (64, 2),
        (64, 1),
        (128, 2),
        *[(128, 1)] * 5,
        (256, 2),
        (256, 1),
    ]:
        x = convolution(x, None, 3, stride, depthwise=True)
        x = convolution(x, filters, 1)
    x = layers.Flatten()(layers.AveragePooling2D(3)(x))
    return keras.Model(inputs, layers.Dense(2, activation="softmax")(x))


@pytest.fixture(scope="module")
def cifar10(shared_data):
    """The first 50 test photos of every class: (500, 32, 32, 3) of 0..255, and labels."""
    from PIL import Image

    photos, labels = [], []
    with zipfile.ZipFile(shared_data / "cifar10" / "test.zip") as archive:
        names = sorted(name for name in archive.namelist() if not name.endswith("/"))
        classes = sorted({name.split("/")[-2] for name in names})
        for label, name in enumerate(classes):
            for member in [member for member in names if member.split("/")[-2] == name][:50]:
                photos.append(np.asarray(Image.open(io.BytesIO(archive.read(member))), "float32"))
                labels.append(label)
    return np.stack(photos), np.array(labels)


def test_resnet8_in_the_order_of_its_layers(shared_data, resnet8, cifar10):
    resnet8()  # so that the automatic names are others than in the file
    model = resnet8()
    fill(model, shared_data / "weights" / "cifar10_resnet8_mlperf_tiny.h5")
    photos, labels = cifar10
    accuracy = np.mean(np.argmax(model(photos), -1) == labels)
    # 0.752 here and 0.755 on all 10,000 (these photos are JPEGs of quality 75 with halved colour).
    # With any two layers of one shape exchanged it is 0.24 at most.
    assert accuracy > 0.72


def test_a_saved_copy_is_equal_bit_for_bit(shared_data, resnet8, tmp_path):
    first, second = resnet8(), resnet8()
    fill(first, shared_data / "weights" / "cifar10_resnet8_mlperf_tiny.h5")
    save_safetensors(tmp_path / "m.safetensors", model_arrays(first))
    fill(second, tmp_path / "m.safetensors")
    for left, right in zip(first.weights, second.weights, strict=True):
        assert left.numpy().tobytes() == right.numpy().tobytes()


@pytest.mark.parametrize(
    ("file", "size"),
    [
        ("cifar10_resnet8_mlperf_tiny.h5", 32),
        ("vww_mobilenet_v1_0.25_96.h5", 96),
        ("mobilenet_v1_0.25_224_imagenet.h5", 224),
    ],
)
def test_models_are_filled_as_keras_fills_them(shared_data, resnet8, file, size):
    import keras

    def build():
        if size == 224:
            return keras.applications.MobileNet(alpha=0.25, weights=None)
        return resnet8() if size == 32 else vww_mobilenet()

    path = shared_data / "weights" / file
    ours, theirs = build(), build()
    fill(ours, path)
    theirs.load_weights(path)
    for left, right in zip(ours.weights, theirs.weights, strict=True):
        assert left.numpy().tobytes() == right.numpy().tobytes()
    images = np.random.default_rng(0).uniform(0, 1, (2, size, size, 3)).astype("float32")
    np.testing.assert_array_equal(np.asarray(ours(images)), np.asarray(theirs(images)))


def test_without_the_top(shared_data):
    import keras

    path = shared_data / "weights" / "mobilenet_v1_0.25_224_imagenet.h5"
    model = keras.applications.MobileNet(
        alpha=0.25, weights=None, include_top=False, input_shape=(64, 64, 3)
    )
    before = model.get_weights()
    with pytest.raises(MismatchError, match=r"conv_preds/kernel:0, conv_preds/bias:0.*ignore="):
        fill(model, path)
    for left, right in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(left, right)
    fill(model, path, ignore=["conv_preds/*"])
    with open_checkpoint(path) as checkpoint:
        np.testing.assert_array_equal(
            model.get_layer("conv1").get_weights()[0], checkpoint.read("conv1/kernel:0")
        )


def test_another_width_names_array_and_shapes(shared_data):
    import keras

    path = shared_data / "weights" / "mobilenet_v1_0.25_224_imagenet.h5"
    model = keras.applications.MobileNet(alpha=0.5, weights=None)
    with pytest.raises(
        MismatchError,
        match=r"imagenet\.h5: the array 'conv1/kernel:0' has shape \(3, 3, 3, 8\).*16",
    ):
        fill(model, path)


def test_every_number_as_h5py_reads_it(shared_data):
    import h5py

    for path in sorted((shared_data / "weights").glob("*.h5")):
        with open_checkpoint(path) as checkpoint, h5py.File(path) as file:
            for layer, names in checkpoint.layers().items():
                group = file["model_weights"][layer]
                weights = [
                    name.decode() if isinstance(name, bytes) else name
                    for name in group.attrs["weight_names"]
                ]
                # Names inside a nested model leave out its own name; ours are unique in the file.
                assert names == [
                    weight if weight.startswith(f"{layer}/") else f"{layer}/{weight}"
                    for weight in weights
                ]
                for name, weight in zip(names, weights, strict=True):
                    np.testing.assert_array_equal(checkpoint.read(name), group[weight][()])
