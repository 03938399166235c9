"""Every entry of keras.applications against Keras itself: graphs, sizes, addresses, hashes,
scaling.
"""

import ast
import inspect
import re
from itertools import pairwise

import numpy as np
import pytest

from warmstart import catalog

ENTRIES = [entry for entry in catalog.search() if entry.architecture == "keras_applications"]
FAMILIES = {entry.family: entry for entry in reversed(ENTRIES)}


def by_name(entries):
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.name)


def test_every_family_and_variant_is_there():
    counts = {family: sum(entry.family == family for entry in ENTRIES) for family in FAMILIES}
    assert counts == {
        "convnext": 5, "densenet": 3, "efficientnet": 8, "efficientnet_v2": 7, "inception_resnet_v2": 1,
        "inception_v3": 1, "mobilenet": 16, "mobilenet_v2": 22, "mobilenet_v3": 6, "nasnet": 2, "resnet": 3,
        "resnet_v2": 3, "vgg": 2, "xception": 1,
    }  # fmt: skip


def test_names_and_aliases_are_unique():
    names = [name for entry in catalog.search() for name in (entry.name, *entry.aliases)]
    assert len(set(names)) == len(names)


def test_files_are_found_by_the_first_word_of_a_name():
    for entry in ENTRIES:
        for name in (entry.name, *entry.aliases):
            assert name.startswith(entry.family.partition("_")[0])


@by_name(ENTRIES)
def test_entry_is_complete(entry):
    assert catalog.Entry.from_dict(entry.to_dict()) == entry
    assert entry.task == "image-classification"
    assert set(entry.weights) == {"top", "notop"}
    assert entry.preprocessing.size[0] == entry.preprocessing.size[1] >= entry.min_size > 0
    assert tuple(entry.config["input_size"]) == entry.preprocessing.size
    assert entry.gflops > 0
    assert re.search(r"arXiv:\d{4}\.\d{4,5}$", entry.paper)
    assert entry.licence in {"Apache-2.0", "MIT", "BSD-3-Clause", "CC-BY-4.0"}
    assert entry.metrics, "every variant of these families has a published accuracy"
    for metric in entry.metrics:
        assert metric.source.startswith("https://")
        assert 0.4 < metric.value < 1
    values = {metric.name: metric.value for metric in entry.metrics}
    assert set(values) <= {"top1", "top5"}
    assert values["top1"] < values.get("top5", 1)


def test_accuracy_and_cost_grow_with_the_network():
    for names in [
        [f"efficientnet_b{n}" for n in range(8)],
        [f"efficientnet_v2_{n}" for n in ("b0", "b1", "b2", "b3", "s", "m", "l")],
        [f"convnext_{n}" for n in ("tiny", "small", "base", "large", "xlarge")],
        *(
            [f"mobilenet_{alpha}_{size}" for size in (128, 160, 192, 224)]
            for alpha in ("0.25", "0.5", "0.75", "1.0")
        ),
        *(
            [f"mobilenet_v2_{alpha}_{size}" for size in (96, 128, 160, 192, 224)]
            for alpha in ("0.35", "0.5", "0.75")
        ),
    ]:
        for smaller, larger in pairwise(map(catalog.get, names)):
            assert smaller.gflops < larger.gflops
            assert smaller.metrics[0].value < larger.metrics[0].value


@pytest.mark.parametrize(
    # published: He 2015 table 1 (counts 3.8), Howard 2017 table 8, Sandler 2018 table 4,
    ("name", "gflops"),
    # Howard 2019 table 3, Tan 2019 table 2, Liu 2022 table 1, Zoph 2017 table 2
    [("resnet50", 3.8), ("resnet152", 11.3), ("mobilenet", 0.569), ("mobilenet_0.5_160", 0.076), ("mobilenet_v2", 0.3),
     ("mobilenet_v2_1.4_224", 0.585), ("mobilenet_v3_large", 0.219), ("efficientnet_b0", 0.39),
     ("efficientnet_b7", 37), ("convnext_tiny", 4.5), ("convnext_xlarge", 60.9), ("nasnet_mobile", 0.564),
     ("nasnet_large", 23.8)],
)  # fmt: skip
def test_gflops_are_the_published_multiply_adds(name, gflops):
    assert catalog.get(name).gflops == pytest.approx(gflops, rel=0.03)


def test_resize_rules_of_the_original_recipes():
    assert catalog.get("resnet50").preprocessing.crop_ratio == 0.875
    b7 = catalog.get("efficientnet_b7").preprocessing
    assert round(600 / b7.crop_ratio) == 632
    assert b7.interpolation == "bicubic"
    assert catalog.get("efficientnet_v2_s").preprocessing.resize == "squash"
    assert round(240 / catalog.get("efficientnet_v2_b1").preprocessing.crop_ratio) == 272


@pytest.mark.tensorflow
@by_name(list(FAMILIES.values()))
def test_scaling_is_that_of_keras(entry):
    import keras
    from keras.src.applications import imagenet_utils

    module = inspect.getmodule(getattr(keras.applications, entry.config["function"]))
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 4, 4, 3)).astype(np.float32)
    scaling = entry.preprocessing.scaling
    expected = (
        pixels if scaling == "raw" else imagenet_utils.preprocess_input(pixels.copy(), mode=scaling)
    )
    assert np.array_equal(module.preprocess_input(pixels.copy()), expected)


def constants(module):
    """All strings that the module's source spells out, joined where it joins them itself."""
    texts = {node.value for node in ast.walk(ast.parse(inspect.getsource(module)))
             if isinstance(node, ast.Constant) and isinstance(node.value, str)}  # fmt: skip
    return texts | {value for value in vars(module).values() if isinstance(value, str)}


@pytest.mark.tensorflow
@by_name(ENTRIES)
def test_weights_are_those_of_keras(entry):
    """The folder and the hashes stand in Keras' source; file names follow Keras' rules, written out
    here anew.
    """
    import keras

    function = entry.config["function"]
    module = inspect.getmodule(getattr(keras.applications, function))
    known = constants(module)
    if function in ("ResNet50V2", "ResNet101V2", "ResNet152V2"):
        from keras.src.applications import resnet

        known |= constants(resnet)
        known |= {digest for pair in resnet.WEIGHTS_HASHES.values() for digest in pair}
    size, alpha = entry.config["input_size"][0], entry.config.get("alpha", 1.0)
    lower = function.lower()
    kernels = f"{lower}_weights_tf_dim_ordering_tf_kernels"
    kind = lower.removeprefix("mobilenetv3") + (
        "_minimalistic" if entry.config.get("minimalistic") else ""
    )
    names = {
        "vgg": (f"{kernels}.h5", f"{kernels}_notop.h5"),
        "xception": (f"{kernels}.h5", f"{kernels}_notop.h5"),
        "resnet": (f"{kernels}.h5", f"{kernels}_notop.h5"),
        "resnet_v2": (f"{kernels}.h5", f"{kernels}_notop.h5"),
        "densenet": (f"{kernels}.h5", f"{kernels}_notop.h5"),
        "inception_v3": tuple(
            f"inception_v3_weights_tf_dim_ordering_tf_kernels{end}.h5" for end in ("", "_notop")
        ),
        "inception_resnet_v2": tuple(
            f"inception_resnet_v2_weights_tf_dim_ordering_tf_kernels{end}.h5"
            for end in ("", "_notop")
        ),
        "nasnet": tuple(
            f"NASNet-{lower.removeprefix('nasnet')}{end}.h5" for end in ("", "-no-top")
        ),
        "mobilenet": tuple(
            f"mobilenet_{ {1.0: '1_0', 0.75: '7_5', 0.5: '5_0', 0.25: '2_5'}.get(alpha) }_{size}_tf{end}.h5"
            for end in ("", "_no_top")
        ),
        "mobilenet_v2": tuple(
            f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{size}{end}.h5"
            for end in ("", "_no_top")
        ),
        "mobilenet_v3": tuple(
            f"weights_mobilenet_v3_{kind}_224_{alpha}_float{end}.h5" for end in ("", "_no_top_v2")
        ),
        "efficientnet": (f"{lower}.h5", f"{lower}_notop.h5"),
        "efficientnet_v2": tuple(
            f"efficientnetv2-{lower.removeprefix('efficientnetv2')}{end}.h5"
            for end in ("", "_notop")
        ),
        "convnext": tuple(
            f"convnext_{lower.removeprefix('convnext')}{end}.h5" for end in ("", "_notop")
        ),
    }[entry.family]
    hashes = getattr(module, "WEIGHTS_HASHES", None)
    for key, name in zip(("top", "notop"), names, strict=True):
        file = entry.weights[key]
        folder, _, last = file.source.rpartition("/")
        assert last == name
        assert any(folder + "/" == text or file.source == text for text in known), (
            f"{folder} is not in Keras' source"
        )
        digest = file.md5 or file.sha256
        if entry.family in ("mobilenet", "mobilenet_v2"):
            assert digest is None
            assert not any(re.fullmatch("[0-9a-f]{32}|[0-9a-f]{64}", text) for text in known)
        else:
            assert len(digest) == (32 if file.md5 else 64)
            assert digest in known
        if hashes and entry.family != "mobilenet_v3":
            wanted = {
                lower,
                lower[-2:],
                f"-{lower[-1]}",
                lower.replace("convnext", "convnext_"),
            } & set(hashes)
            assert [digest] == [hashes[found][("top", "notop").index(key)] for found in wanted]


@pytest.fixture
def no_arrays(monkeypatch):
    """Variables have shapes but no arrays: half the time of building networks of two billion
    numbers in all.
    """
    import keras
    from keras.src.backend.common import variables

    keras.utils.clear_session(
        free_memory=False
    )  # there is next to none to free, and looking for it takes as long
    monkeypatch.setattr(variables, "initialize_all_variables", lambda: None)
    with keras.StatelessScope():
        yield


@pytest.mark.tensorflow
@by_name(ENTRIES)
@pytest.mark.usefixtures("no_arrays")
def test_builds_with_the_published_number_of_parameters(entry):
    from warmstart.models import architecture

    model = architecture(entry.architecture).build(entry.config)
    assert model.count_params() == entry.parameters
    assert model.input.shape == (None, *entry.preprocessing.size, 3)
    assert model.output.shape == (None, len(catalog.labels(entry.labels)))
    assert len(model.outputs) == 1


@pytest.mark.tensorflow
@by_name(list(FAMILIES.values()))
@pytest.mark.usefixtures("no_arrays")
def test_smallest_size_is_that_of_keras(entry):
    from warmstart.errors import UsageError
    from warmstart.models import architecture

    build = architecture(entry.architecture).build
    smallest = build(
        entry.config, include_top=False, input_shape=(entry.min_size, entry.min_size, 3)
    )
    assert min(smallest.output.shape[1:]) >= 1
    with pytest.raises(UsageError, match="cannot be built"):
        build(entry.config, include_top=False, input_shape=(entry.min_size - 1, entry.min_size, 3))
