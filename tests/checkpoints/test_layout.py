"""Names and axes of public checkpoints: one table, used to read and to write."""

import re

import numpy as np
import pytest

from warmstart.checkpoints.formats import open_checkpoint
from warmstart.checkpoints.layout import Layout, fill, layout_arrays
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.errors import MismatchError

pytestmark = pytest.mark.tensorflow
LAYOUT = Layout(
    prefix="net",
    outside=("top.*",),
    modules=((r"^head\.", ""), (r"^block_(\d+)", r"blocks.\1")),
    aliases=((r"\.gamma$", ".weight"), (r"^tied\.", "blocks.0.dense.")),
    optional=("extra.*",),
)


@pytest.fixture
def make():
    """A network with a layer of each kind whose axes differ."""
    import keras
    from keras import layers

    def build(top=True):
        image = keras.Input((6, 6, 3))
        x = layers.Conv2D(4, 2, name="block_0.conv")(image)
        x = layers.DepthwiseConv2D(3, name="block_0.depthwise")(x)
        x = layers.BatchNormalization(name="block_0.norm")(x)
        x = layers.Reshape((9, 4), name="rows")(x)
        x = layers.Conv1D(5, 3, name="block_1.conv")(x)
        x = layers.Dense(5, name="block_0.dense")(x)
        return keras.Model(image, layers.Dense(2, name="head.top")(x) if top else x)

    return build


def filled(make, path, top=True, **options):
    model = make(top)
    with open_checkpoint(path) as checkpoint:
        fill(model, checkpoint, LAYOUT, **options)
    return model


@pytest.fixture
def written(make, tmp_path):
    """(the model, its arrays, a function that writes arrays to a file)."""
    model = make()
    for index, weight in enumerate(model.weights):
        weight.assign(np.random.default_rng(index).normal(size=weight.shape))

    def write(arrays):
        save_safetensors(tmp_path / "model.safetensors", arrays)
        return tmp_path / "model.safetensors"

    return model, layout_arrays(model, LAYOUT), write


def equal(one, other):
    return all(
        np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True)
    )


def test_names_and_axes(written):
    _, arrays, _ = written
    assert {name: array.shape for name, array in arrays.items() if name.endswith("weight")} == {
        "net.blocks.0.conv.weight": (4, 3, 2, 2),
        "net.blocks.0.depthwise.weight": (4, 1, 3, 3),
        "net.blocks.0.norm.weight": (4,),
        "net.blocks.1.conv.weight": (5, 4, 3),
        "net.blocks.0.dense.weight": (5, 5),
        "top.weight": (2, 5),
    }
    assert {"net.blocks.0.norm.running_mean", "net.blocks.0.norm.running_var"} <= arrays.keys()


@pytest.mark.parametrize("prefixed", [True, False])
def test_what_is_written_is_read_with_and_without_the_prefix(make, written, prefixed):
    model, _, write = written
    assert equal(model, filled(make, write(layout_arrays(model, LAYOUT, prefixed=prefixed))))


def test_the_axes_are_those_of_pytorch(written):
    model, arrays, _ = written
    image = np.random.default_rng(0).normal(size=(1, 6, 6, 3)).astype(np.float32)
    weight, bias = (arrays[f"net.blocks.0.conv.{name}"] for name in ("weight", "bias"))
    windows = np.lib.stride_tricks.sliding_window_view(
        image[0], (2, 2), axis=(0, 1)
    )  # (rows, columns, in, H, W)
    np.testing.assert_allclose(
        model.layers[1](image)[0], np.einsum("rcihw,oihw->rco", windows, weight) + bias, atol=1e-5
    )


def test_aliases_and_optional_arrays(make, written):
    model, arrays, write = written
    arrays["net.blocks.0.norm.gamma"] = arrays.pop("net.blocks.0.norm.weight")
    arrays["net.blocks.0.norm.num_batches_tracked"] = np.int64(7)
    arrays["net.extra.weight"] = np.zeros(3, np.float32)
    assert equal(model, filled(make, write(arrays)))
    arrays["tied.weight"] = np.zeros(
        (5, 5), np.float32
    )  # of a tied array the one with its own name counts
    assert equal(model, filled(make, write(arrays)))
    arrays["tied.weight"] = arrays.pop("net.blocks.0.dense.weight")
    assert equal(model, filled(make, write(arrays)))


def test_what_does_not_fit_is_named(make, written):
    _, arrays, write = written
    with pytest.raises(MismatchError, match=re.escape("blocks.7.weight")):
        filled(make, write({**arrays, "net.blocks.7.weight": np.zeros(1, np.float32)}))
    filled(
        make,
        write({**arrays, "net.blocks.7.weight": np.zeros(1, np.float32)}),
        ignore=["*blocks.7.*"],
    )
    without_top = {name: array for name, array in arrays.items() if not name.startswith("top")}
    with pytest.raises(MismatchError, match="no weights for counting: top"):
        filled(make, write(without_top), head="counting", heads=["top.*"])
    filled(make, write(arrays), top=False, heads=["top.*"])
    with pytest.raises(MismatchError, match=r"top\.weight"):
        filled(make, write(arrays), top=False)
