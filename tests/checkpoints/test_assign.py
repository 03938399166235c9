"""Filling a model: equal to Keras' own loading, complete or not at all."""

import logging

import h5py
import numpy as np
import pytest

from warmstart.checkpoints.assign import assign
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.checkpoints.legacy_layers import weight_role
from warmstart.checkpoints.naming import canonical, model_arrays
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.errors import CorruptCheckpointError, MismatchError, UsageError

# Keras hands TensorFlow's variables to numpy in a way that numpy 2 warns of.
pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
SUFFIXES = [".weights.h5", ".keras", ".h5", ".safetensors"]


def save(model, path):
    logging.getLogger("absl").setLevel(logging.ERROR)  # Keras warns of the legacy format
    if path.name.endswith(".safetensors"):
        save_safetensors(path, model_arrays(model))
    elif path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        model.save(path)
    return path


def fill(model, path, **options):
    with open_checkpoint(path) as checkpoint:
        assign(model, checkpoint, **options)


def weights(model):
    return [np.array(variable.numpy()) for variable in model.weights]


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for left, right in zip(ours, theirs, strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("named", [True, False], ids=["named", "automatic names"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_model_that_keras_saved(make_model, outputs, tmp_path, suffix, named):
    original = make_model(1, named=named)
    path = save(original, tmp_path / f"m{suffix}")
    fresh = make_model(2, named=named)
    assert not np.allclose(outputs(fresh), outputs(original))
    fill(fresh, path)
    assert_same(weights(fresh), weights(original))
    np.testing.assert_array_equal(
        outputs(fresh), outputs(original)
    )  # with the normalization's copies


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_state_beside_the_weights_is_not_needed(make_model, tmp_path, suffix):
    original = make_model(1)
    original.compile("adam", "mse", metrics=["mae"])
    original.optimizer.build(original.trainable_variables)
    path = save(original, tmp_path / f"m{suffix}")
    fresh = make_model(2)
    fill(fresh, path)
    assert_same(weights(fresh), weights(original))


@pytest.mark.parametrize("suffix", [".h5", ".weights.h5"])
@pytest.mark.parametrize("frozen", ["saved", "loading", "saved in part"])
def test_frozen_layers_change_the_order_in_a_file_and_nothing_else(
    make_model, tmp_path, suffix, frozen
):
    original, fresh = make_model(1), make_model(2)
    if frozen == "saved":
        original.get_layer("block").trainable = False
    elif frozen == "loading":
        fresh.trainable = False
    else:
        original.get_layer("block").get_layer("inner_conv").trainable = False
        original.get_layer("bn").trainable = False
    path = save(original, tmp_path / f"m{suffix}")
    fill(fresh, path)
    for name, array in model_arrays(original).items():
        np.testing.assert_array_equal(model_arrays(fresh)[name], array)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_without_the_top_only_by_ignoring_it(make_model, tmp_path, suffix):
    path = save(make_model(1), tmp_path / f"m{suffix}")
    headless = make_model(2, top=False)
    before = weights(headless)
    with pytest.raises(MismatchError, match=r"(predictions/|dense/vars).*ignore=") as caught:
        fill(headless, path)
    assert str(path) in str(caught.value)
    assert_same(weights(headless), before)
    fill(headless, path, ignore=["predictions/*", "layers/dense/*"])
    original = model_arrays(make_model(1))
    for name, array in model_arrays(headless).items():
        np.testing.assert_array_equal(array, original[name])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_without_the_top_does_not_fill_a_model_with_it(make_model, tmp_path, suffix):
    path = save(make_model(1, top=False), tmp_path / f"m{suffix}")
    model = make_model(2)
    before = weights(model)
    with pytest.raises(MismatchError, match="predictions/kernel") as caught:
        fill(model, path)
    assert "ignore=" not in str(caught.value)
    assert_same(weights(model), before)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_shape_names_file_array_and_both_shapes(make_model, tmp_path, suffix):
    import keras

    def dense(units):
        inputs = keras.Input((3,))
        hidden = keras.layers.Dense(4, name="first")(inputs)
        return keras.Model(inputs, keras.layers.Dense(units, name="second")(hidden))

    path = save(dense(5), tmp_path / f"m{suffix}")
    model = dense(7)
    before = weights(model)
    with pytest.raises(MismatchError, match=r"\(4, 5\).*'second/kernel'.*\(4, 7\)") as caught:
        fill(model, path)
    assert str(path) in str(caught.value)
    assert_same(weights(model), before)


def test_an_unreadable_array_leaves_the_model_as_it_was(legacy_h5):
    import keras

    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, name="a"), keras.layers.Dense(4, name="b")]
    )
    layers = {
        name: {f"{name}/kernel:0": np.ones((size, 4)), f"{name}/bias:0": np.ones(4)}
        for name, size in (("a", 3), ("b", 4))
    }
    path = legacy_h5(layers, chunks=True, compression="gzip")
    with h5py.File(path, "r+") as file:
        file["b/b/bias:0"].id.write_direct_chunk((0,), b"broken")
    before = weights(model)
    with pytest.raises(CorruptCheckpointError, match="b/bias:0"):
        fill(model, path)
    assert_same(weights(model), before)


def test_a_model_that_is_not_built(legacy_h5):
    import keras

    with pytest.raises(UsageError, match="build it first"):
        fill(keras.Sequential([keras.layers.Dense(2)]), legacy_h5({"a": {"w": np.ones(1)}}))


@pytest.fixture
def branches():
    """Two convolutions of one shape in parallel, under any names."""
    import keras

    def build(*names):
        inputs = keras.Input((4, 4, 2))
        outputs = [keras.layers.Conv2D(2, 1, use_bias=False, name=name)(inputs) for name in names]
        return keras.Model(inputs, keras.layers.Concatenate()(outputs))

    return build


def kernel(value):
    return np.full((1, 1, 2, 2), value, "f4")


def test_automatic_names_are_matched_in_order(branches, legacy_h5):
    path = legacy_h5(
        {
            "conv2d_7": {"conv2d_7/kernel:0": kernel(1)},
            "conv2d_12": {"conv2d_12/kernel:0": kernel(2)},
        }
    )
    model = branches(None, None)
    fill(model, path)
    assert [float(array.flat[0]) for array in weights(model)] == [1, 2]


def test_names_go_before_order(branches, legacy_h5):
    path = legacy_h5({"b": {"b/kernel:0": kernel(2)}, "a": {"a/kernel:0": kernel(1)}})
    model = branches("a", "b")
    fill(model, path)
    assert [float(array.flat[0]) for array in weights(model)] == [1, 2]


def test_a_layer_never_gets_the_weights_of_another_that_is_in_the_file(branches, legacy_h5):
    path = legacy_h5({"b": {"b/kernel:0": kernel(2)}, "old": {"old/kernel:0": kernel(1)}})
    model = branches("a", "b")
    before = weights(model)
    with pytest.raises(MismatchError, match="old/kernel:0"):
        fill(model, path)
    assert_same(weights(model), before)


def test_order_needs_the_same_kinds_of_weights(legacy_h5):
    import keras

    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.BatchNormalization(center=False, scale=False)(inputs))
    path = legacy_h5({"x": {"x/gamma:0": np.ones(4), "x/beta:0": np.ones(4)}})
    with pytest.raises(MismatchError, match="x/gamma:0"):
        fill(model, path)
    path = legacy_h5(
        {"x": {"x/moving_mean:0": np.full(4, 3.0), "x/moving_variance:0": np.full(4, 5.0)}}
    )
    fill(model, path)
    assert [float(array[0]) for array in weights(model)] == [3, 5]


def test_keras_1_names(legacy_h5):
    import keras

    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(2, name="fc1"),
            keras.layers.BatchNormalization(name="bn"),
        ]
    )
    fill(
        model,
        legacy_h5(
            {
                "fc1": {"fc1_W_1:0": np.ones((4, 2)), "fc1_b_1:0": np.full(2, 2.0)},
                "bn": {
                    "bn_gamma:0": np.full(2, 3.0),
                    "bn_beta:0": np.full(2, 4.0),
                    "bn_running_mean:0": np.full(2, 5.0),
                    "bn_running_std:0": np.full(2, 6.0),
                },
            }
        ),
    )
    assert [float(array.flat[0]) for array in weights(model)] == [1, 2, 3, 4, 5, 6]


def test_keras_2_nested_models_in_every_order(legacy_h5):
    """The group of a nested model lists trainable weights first, or all by layer where it was
    frozen.
    """
    import keras

    inner = {
        "conv2d_3/kernel:0": np.full((1, 1, 2, 2), 1.0),
        "batch_normalization_9/gamma:0": np.full(2, 2.0),
        "batch_normalization_9/moving_mean:0": np.full(2, 4.0),
        "conv2d_11/kernel:0": np.full((1, 1, 2, 2), 3.0),
    }
    for order in ([0, 1, 3, 2], [0, 1, 2, 3]):
        names = [list(inner)[i] for i in order]
        path = legacy_h5({"model_1": {name: inner[name] for name in names}})
        nested = keras.Sequential(
            [
                keras.Input((4, 4, 2)),
                keras.layers.Conv2D(2, 1, use_bias=False),
                keras.layers.BatchNormalization(center=False),
                keras.layers.Conv2D(2, 1, use_bias=False),
            ]
        )
        # a variance is in no such file, so the test writes it itself
        with h5py.File(path, "r+") as file:
            group = file["model_1"]
            listed = [*names, "batch_normalization_9/moving_variance:0"]
            group.attrs["weight_names"] = [name.encode() for name in listed]
            group[listed[-1]] = np.full(2, 5.0)
        inputs = keras.Input((4, 4, 2))
        model = keras.Model(inputs, nested(inputs))
        fill(model, path)
        assert [float(array.flat[0]) for array in weights(model)] == [1, 2, 4, 5, 3]


def test_variables_without_a_proper_name(legacy_h5):
    """Older layers made variables by hand; the file calls them `Variable:0`."""
    import keras

    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(2, use_bias=False, name="scale")]
    )
    fill(model, legacy_h5({"scale": {"Variable:0": np.full((4, 2), 9.0)}}))
    assert weights(model)[0][0, 0] == 9


def test_old_depthwise_kernels(legacy_h5):
    import keras

    array = np.arange(27.0).reshape(3, 3, 3)
    for shape in ((3, 3, 3, 1), (3, 3, 1, 3)):
        model = keras.Sequential(
            [keras.Input((5, 5, 3)), keras.layers.DepthwiseConv2D(3, use_bias=False, name="dw")]
        )
        fill(model, legacy_h5({"dw": {"dw/depthwise_kernel:0": array.reshape(shape)}}))
        np.testing.assert_array_equal(weights(model)[0][..., 0], array)


@pytest.mark.parametrize("old", ["layers/", "_layer_checkpoint_dependencies/", "layers\\"])
def test_paths_of_older_keras_3_files(write_h5, old):
    import keras

    def content(file):
        for name, size, value in (("dense", 3, 1), ("dense_1", 4, 2)):
            file[f"{old}{name}/vars/0"] = np.full((size, 4), value)
            file[f"{old}{name}/vars/1"] = np.full(4, value)

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(4)])
    fill(model, write_h5(content))
    assert [float(array.flat[0]) for array in weights(model)] == [1, 1, 2, 2]


def test_paths_of_custom_layers_and_containers(tmp_path):
    import keras

    @keras.saving.register_keras_serializable("test")
    class Block(keras.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.steps = [keras.layers.Dense(3), [keras.layers.Dense(3)], keras.layers.Dense(3)]
            self.table = {"b": keras.layers.Dense(3), "a": keras.layers.Dense(3)}
            self._hidden = keras.layers.Dense(3)
            self.shared = self._hidden
            self.gain = self.add_weight(shape=(3,), name="gain")
            self.nameless = [self.add_weight(shape=(3,)), self.add_weight(shape=(3,))]

        def call(self, x):
            for layer in [
                self.steps[0],
                self.steps[1][0],
                self.steps[2],
                *self.table.values(),
                self._hidden,
            ]:
                x = layer(x)
            return x * self.gain * self.nameless[0] + self.nameless[1]

    class Whole(keras.Model):
        def __init__(self):
            super().__init__()
            self.block = Block()
            self.head = keras.layers.Dense(2)
            self.scale = self.add_weight(shape=(), name="scale")

        def call(self, x):
            return self.head(self.block(x)) * self.scale

    def build(functional):
        model = Whole()
        if functional:
            inputs = keras.Input((3,))
            model = keras.Model(inputs, Block()(Block()(inputs)))
        model(np.zeros((1, 3)))
        return model

    for functional in (True, False):
        original = build(functional)
        for variable in original.weights:
            variable.assign(np.random.default_rng(id(variable)).normal(size=variable.shape))
        for suffix in (".weights.h5", ".safetensors"):
            fresh = build(functional)
            fill(fresh, save(original, tmp_path / f"m{suffix}"))
            assert_same(weights(fresh), weights(original))


def test_rename_and_transform(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="out")])
    arrays = {
        "head.weight": np.arange(6.0).reshape(2, 3),
        "head.bias": np.ones(2),
        "unused.ids": np.arange(5),
    }
    save_safetensors(tmp_path / "m", arrays)
    table = {"head.weight": "out/kernel", "head.bias": "out/bias"}
    seen = []

    def transform(name, array):
        seen.append(name)
        return array.T if name.endswith("kernel") else array

    fill(model, tmp_path / "m", rename=table.get, transform=transform)
    assert sorted(seen) == ["out/bias", "out/kernel"]
    np.testing.assert_array_equal(weights(model)[0], arrays["head.weight"].T)
    before = weights(model)
    for options, message in [
        ({"rename": lambda name: table.get(name, "nowhere")}, r"unused\.ids"),
        ({"rename": lambda name: table["head.bias"] if "bias" in name else None}, "out/kernel"),
        ({"rename": lambda name: "out/kernel"}, "both belong"),
        ({"rename": table.get}, r"\(2, 3\).*\(3, 2\)"),
        ({"rename": table.get, "transform": lambda name, array: array[:1]}, r"\(1, 3\)"),
        ({}, "the model lacks"),
    ]:
        with pytest.raises(MismatchError, match=message):
            fill(model, tmp_path / "m", **options)
        assert_same(weights(model), before)
    fill(
        model,
        tmp_path / "m",
        rename={"head.weight": "out/kernel", "head.bias": "out/bias", "unused.ids": "x"}.get,
        transform=transform,
        ignore=["unused.*"],
    )


def test_rename_may_use_the_present_layer_names(tmp_path):
    import keras

    keras.layers.Dense(2)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    layer = model.layers[0].name
    assert list(model_arrays(model)) == ["dense/kernel", "dense/bias"]
    save_safetensors(tmp_path / "m", {"k": np.ones((3, 2)), "b": np.ones(2)})
    for prefix in (layer, "dense"):
        fill(model, tmp_path / "m", rename={"k": f"{prefix}/kernel", "b": f"{prefix}/bias"}.get)


@pytest.mark.parametrize("dtype", ["float16", "float64", "bfloat16", "int32"])
def test_other_number_types_are_cast(tmp_path, dtype):
    import keras
    import ml_dtypes

    array = np.array([[1.5, -2.25], [3.0, 4.0]]).astype(
        ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    )
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False, name="d")])
    save_safetensors(tmp_path / "m", {"d/kernel": array})
    fill(model, tmp_path / "m")
    assert weights(model)[0].dtype == np.float32
    np.testing.assert_array_equal(weights(model)[0], array.astype("float32"))


@pytest.mark.parametrize(
    ("count", "fits"),
    [
        (np.int64(7), True),
        (np.float32(7), True),
        (np.uint64(1 << 63), False),
        (np.float32(7.5), False),
        (np.float32(np.nan), False),
    ],
)
def test_whole_numbers_stay_whole(tmp_path, count, fits):
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Normalization(name="n")])
    arrays = {"n/mean": np.ones(2), "n/variance": np.ones(2), "n/count": np.array(count)}
    save_safetensors(tmp_path / "m", arrays)
    if fits:
        fill(model, tmp_path / "m")
        assert int(weights(model)[2]) == 7
    else:
        with pytest.raises(MismatchError, match="n/count"):
            fill(model, tmp_path / "m")


def test_mixed_and_half_precision_models(tmp_path):
    import keras

    def build(seed):
        keras.utils.set_random_seed(seed)
        return keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(3, name="a", dtype="bfloat16"),
                keras.layers.Dense(3, name="b", dtype="float16"),
                keras.layers.Dense(3, name="c", dtype="mixed_bfloat16"),
            ]
        )

    for suffix in (".safetensors", ".weights.h5", ".keras"):
        original, fresh = build(1), build(2)
        fill(fresh, save(original, tmp_path / f"m{suffix}"))
        assert_same(weights(fresh), weights(original))


def test_nan_is_assigned_as_it_is(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False, name="d")])
    save_safetensors(tmp_path / "m", {"d/kernel": np.array([[np.nan], [np.inf]])})
    fill(model, tmp_path / "m")
    np.testing.assert_array_equal(weights(model)[0], [[np.nan], [np.inf]])


def test_names_are_unique_and_the_same_in_every_build(make_model):
    first, second = make_model(1, named=False), make_model(2, named=False)
    assert [layer.name for layer in first.layers] != [layer.name for layer in second.layers]
    assert list(model_arrays(first)) == list(model_arrays(second))
    assert len(model_arrays(first)) == len(first.weights)
    names = list(model_arrays(make_model(1)))
    assert "block/deep/deep_conv/kernel" in names
    assert "attention/query/kernel" in names
    assert "conv_2/bias" in names


def test_shared_layers_are_saved_once(tmp_path):
    import keras

    def build():
        inputs = keras.Input((3,))
        shared = keras.layers.Dense(3, name="shared")
        return keras.Model(inputs, shared(shared(inputs)))

    original = build()
    assert list(model_arrays(original)) == ["shared/kernel", "shared/bias"]
    for suffix in SUFFIXES:
        fresh = build()
        fill(fresh, save(original, tmp_path / f"m{suffix}"))
        assert_same(weights(fresh), weights(original))


def test_canonical_names():
    paths = [
        ("conv2d_9", "k"),
        ("conv2d_10", "k"),
        ("block", "conv2d_3", "k"),
        ("conv2d_x", "k"),
        ("conv_7", "k"),
    ]
    fresh = canonical(paths, {"conv2d", "dense"})
    assert fresh == ["conv2d/k", "conv2d_1/k", "block/conv2d/k", "conv2d_x/k", "conv_7/k"]
    assert canonical(paths, set()) == ["/".join(path) for path in paths]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("conv1/kernel:0", "kernel"),
        ("conv1_W:0", "kernel"),
        ("a/conv1_b_1:0", "bias"),
        ("bn_running_std:0", "moving_variance"),
        ("dw/depthwise_kernel", "kernel"),
        ("s/pointwise_kernel:0", "pointwise_kernel"),
        ("Variable:0", "Variable"),
    ],
)
def test_kinds_of_weights(name, kind):
    assert weight_role(name) == kind


def test_many_names_in_an_error_are_counted(legacy_h5):
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="d")])
    layers = {f"extra{i}": {"w": np.ones(1)} for i in range(50)}
    with pytest.raises(MismatchError, match="and 45 more") as caught:
        fill(model, legacy_h5(layers))
    assert len(str(caught.value)) < 800
