"""What repositories of timm and of Hugging Face say of image classifiers, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from warmstart.catalog import ImagePreprocessing
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.errors import BundleError, UsageError
from warmstart.models import repository, timm_family
from warmstart.models.image.bicubic import resized

GOLDEN = Path(__file__).parents[2] / "golden" / "classifiers"


@pytest.fixture
def change(tmp_path):
    """(name, file, changes) -> a copy of a golden repository with a changed JSON file; keys are
    changed wherever they are.
    """

    def make(name, file="config.json", **changes):
        folder = tmp_path / name
        shutil.copytree(GOLDEN / name, folder)
        config = json.loads((folder / file).read_text())
        for key, value in changes.items():
            inner = config.get("pretrained_cfg", {})
            if key in inner:
                inner[key] = value
            if key in config or key not in inner:
                config[key] = value
        (folder / file).write_text(json.dumps(config))
        return folder

    return make


def rules(size=(24, 24), **more):
    return ImagePreprocessing(size=size, **more)


@pytest.mark.parametrize(("name", "expected"), [
    ("timm_vit", rules(scaling="tf", crop_ratio=24 / 26, interpolation="bicubic")),
    ("timm_resnet18", rules((224, 224), scaling="torch", crop_ratio=224 / 235, interpolation="bicubic")),
    ("vit", rules(scaling="tf", resize="squash")),
    ("deit", rules(scaling="tf", crop_ratio=24 / 28, interpolation="bicubic")),
    ("dinov2", rules(scaling="tf", crop_ratio=24 / 28)),
    ("resnet", rules((37, 37), scaling="tf", crop_ratio=37 / 42, interpolation="bicubic")),
    ("convnextv2", rules((384, 384), scaling="tf", resize="squash")),
])  # fmt: skip
def test_preprocessing(name, expected):
    assert repository.read(GOLDEN / name)[0].preprocessing == expected


def test_labels(change):
    labels = repository.read(GOLDEN / "timm_vit")[1]
    assert [(label.id, label.name) for label in labels][:2] == [
        ("n0", "thing n0"),
        ("n1", "thing n1"),
    ]
    assert [label.name for label in repository.read(GOLDEN / "timm_deit3")[1]][:2] == [
        "LABEL_0",
        "LABEL_1",
    ]
    assert (
        repository.read(GOLDEN / "timm_dinov2")[1] == repository.read(GOLDEN / "vit_model")[1] == ()
    )
    assert repository.read(GOLDEN / "vit")[1][4].name == "thing 4"


def test_a_thousand_classes_without_names_are_those_of_imagenet(change):
    folder = change("timm_deit3", num_classes=1000)
    arrays = read_arrays(folder)
    arrays["head.weight"], arrays["head.bias"] = np.zeros((1000, 16)), np.zeros(1000)
    save_safetensors(folder / "model.safetensors", arrays)
    labels = repository.read(folder)[1]
    assert (labels[0].id, labels[0].name) == ("n01440764", "tench")


def read_arrays(folder):
    with open_checkpoint(folder) as checkpoint:
        return {name: checkpoint.read(name) for name in checkpoint.names()}


def test_what_the_arrays_say():
    clip = repository.read(GOLDEN / "timm_clip")[0].config
    assert (clip["norm_before"], clip["patch_bias"], clip["activation"]) == (
        True,
        False,
        "quick_gelu",
    )
    giant = repository.read(GOLDEN / "timm_dinov2_giant")[0].config
    assert (giant["mlp"], giant["registers"], giant["positions"]) == ("swiglu", 4, "none")
    assert repository.read(GOLDEN / "timm_gap")[0].config["pool"] == "avg"
    wide = repository.read(GOLDEN / "timm_resnet50d")[0].config
    assert (wide["stem"], wide["pooled_shortcut"], wide["depths"]) == (
        [4, 4, 8],
        True,
        [1, 2, 1, 1],
    )


@pytest.mark.parametrize(("name", "changes", "words"), [
    ("vit", {"architectures": ["ViTForMaskedImageModeling"]}, "ViTForMaskedImageModeling is not supported"),
    ("vit", {"hidden_act": "tanh"}, "hidden_act 'tanh' is not supported"),
    ("vit", {"num_channels": 1}, "num_channels must be 3"),
    ("vit", {"problem_type": "multi_label_classification"}, "problem_type"),
    ("vit", {"patch_size": 7}, "not a whole number of patches of 7"),
    ("vit", {"num_attention_heads": 3}, "divisible by heads"),
    ("resnet", {"hidden_act": "gelu"}, "hidden_act 'gelu'"),
    ("resnet", {"layer_type": "wide"}, "layer_type 'wide'"),
    ("convnext", {"depths": [1]}, "depths must be 2 whole numbers"),
    ("timm_vit", {"architecture": "vit_base_patch16_siglip_224"}, "'vit_base_patch16_siglip_224' is not supported"),
    ("timm_vit", {"architecture": "swin_tiny"}, "'swin_tiny' is not supported"),
    ("timm_vit", {"model_args": {"act_layer": "relu"}}, "'act_layer' is not supported"),
    ("timm_vit", {"crop_mode": "border"}, "crop_mode 'border'"),
    ("timm_vit", {"crop_pct": 0}, "crop_pct must be"),
    ("timm_vit", {"interpolation": "hamming"}, "interpolation 'hamming'"),
    ("timm_vit", {"mean": [0.5]}, "mean must be three numbers"),
    ("timm_vit", {"input_size": [1, 24, 24]}, "input_size must be"),
    ("timm_vit", {"global_pool": "map", "model_args": {}}, "global_pool 'map'"),
])  # fmt: skip
def test_what_cannot_be_honoured_is_named(change, name, changes, words):
    with pytest.raises(UsageError, match=words):
        repository.read(change(name, **changes))


@pytest.mark.parametrize(("changes", "words"), [
    ({"num_classes": 6}, r"label_names must number the classes \(num_classes=6\)"),
    ({"num_classes": 6, "label_names": None}, "num_classes is 6, but 'head.weight' has 5 rows"),
    ({"num_classes": -1}, "num_classes must be"),
    ({"architecture": "resnet18", "model_args": {}, "num_classes": 0, "label_names": None}, "not those of resnet18"),
])  # fmt: skip
def test_parts_that_do_not_belong_together(change, changes, words):
    folder = change("timm_vit")
    config = json.loads((folder / "config.json").read_text()) | changes
    config["pretrained_cfg"].pop("num_classes")
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises((BundleError, UsageError), match=words):
        repository.read(folder)


def test_sizes_that_the_files_cannot_hold(change):
    with pytest.raises(BundleError, match="they do not belong to the same model"):
        repository.read(change("vit", num_hidden_layers=512))


def test_another_task_is_refused():
    for name in ("vit", "timm_vit"):
        with pytest.raises(
            UsageError, match="is a model for image-classification, not object-detection"
        ):
            repository.read(GOLDEN / name, "object-detection")


@pytest.mark.parametrize(("name", "architecture"), [
    ("vit_small_patch14_dinov2", "vit"), ("deit3_huge_patch14_224", "vit"), ("deit_base_distilled_patch16_384", "vit"),
    ("vit_base_patch16_clip_quickgelu_224", "vit"), ("vit_large_patch14_reg4_dinov2", "vit"),
    ("resnet101", "resnet"), ("resnet50d", "resnet"), ("wide_resnet50_2", "resnet"),
    ("convnext_tiny", "convnext"), ("convnextv2_nano", "convnext"),
    ("vit_base_patch16_rope_224", None), ("vit_relpos_small_patch16_224", None), ("resnet50_gn", None),
    ("seresnet50", None), ("convnext_tiny_hnf", None), ("resnetaa50", None),
])  # fmt: skip
def test_names_of_timm(name, architecture):
    row = timm_family(name)
    assert (row and row.architecture) == architecture


def test_resizing_keeps_a_plane():
    """Cubic interpolation with Keys' parameter is exact for linear maps, away from the edges."""
    plane = np.add.outer(np.arange(12.0), 2 * np.arange(12.0))[:, :, None]
    twice = resized(plane, (24, 24), antialias=True)[6:-6, 6:-6, 0]
    expected = np.add.outer(np.arange(24.0), 2 * np.arange(24.0)) / 2 - 0.75
    np.testing.assert_allclose(twice, expected[6:-6, 6:-6], atol=1e-5)
    np.testing.assert_allclose(resized(plane, (12, 12), antialias=True), plane, atol=1e-6)
    constant = np.full((9, 9, 2), 3.0)
    np.testing.assert_allclose(resized(constant, (4, 5), antialias=True), 3.0, atol=1e-5)
