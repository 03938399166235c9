"""What `freeze` stands for: blocks by number, by word and by the name of a layer."""

import pytest

from warmstart.errors import UsageError

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def network():
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(4, name="stem"),
            layers.Dense(4, name="block_1_dense"),
            layers.BatchNormalization(name="block_1_norm"),
            layers.Dense(4, name="block_2_dense"),
            layers.Dense(2, name="head"),
        ]
    )


@pytest.mark.parametrize(
    ("how", "trained"),
    [
        ("none", ["stem", "block_1_dense", "block_2_dense"]),
        (0, ["stem", "block_1_dense", "block_2_dense"]),
        (1, ["block_1_dense", "block_2_dense"]),
        (2, ["block_2_dense"]),
        (3, []),
        ("backbone", []),
        ("encoder", []),
        ("block_1_dense", ["block_2_dense"]),
    ],
)
def test_the_layers_that_are_trained(network, how, trained):
    from warmstart.training.freeze import freeze, grouped

    base = network.layers[:-1]
    assert freeze(network, grouped(base, r"block_(\d)_"), how) == trained
    assert network.get_layer("head").trainable
    assert not network.get_layer("block_1_norm").trainable


@pytest.mark.parametrize("how", [4, -1, True, "block_3_dense"])
def test_what_is_not_a_block(network, how):
    from warmstart.training.freeze import freeze, grouped

    with pytest.raises(UsageError, match="a number of first blocks up to 3"):
        freeze(network, grouped(network.layers[:-1], r"block_(\d)_"), how)
