"""What repositories of segmentation and detection models say of themselves, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest

from warmstart.errors import BundleError, UsageError
from warmstart.models import repository

GOLDEN = Path(__file__).parents[2] / "golden" / "vision"


@pytest.fixture
def change(tmp_path):
    """(name, file, changes) -> a copy of a golden repository whose JSON file is changed; a value of
    ... drops a key.
    """

    def make(name, file="config.json", **changes):
        folder = tmp_path / name
        if not folder.exists():
            shutil.copytree(GOLDEN / name, folder)
        config = json.loads((folder / file).read_text())
        config = {key: value for key, value in {**config, **changes}.items() if value is not ...}
        (folder / file).write_text(json.dumps(config))
        return folder

    return make


def test_entries():
    entry, labels = repository.read(GOLDEN / "segformer_b")
    assert (entry.task, entry.architecture, entry.licence) == (
        "image-segmentation",
        "segformer",
        "LicenseRef-NVIDIA-SegFormer",
    )
    assert entry.preprocessing.size == (64, 96)
    assert (entry.preprocessing.scaling, entry.preprocessing.resize) == ("torch", "squash")
    assert [label.name for label in labels] == [f"thing {n}" for n in range(5)]
    entry, _ = repository.read(GOLDEN / "deeplabv3_a")
    assert (entry.preprocessing.scaling, entry.preprocessing.resize) == ("tf", "pad")
    assert entry.config["output_stride"] == 8
    entry, _ = repository.read(GOLDEN / "dfine_b", "object-detection")
    assert (entry.preprocessing.scaling, entry.preprocessing.mean) == ("standard", (0.0, 0.0, 0.0))
    assert entry.config["decoder_n_points"] == [3, 6, 3]


@pytest.mark.parametrize(("name", "changes", "words"), [
    ("segformer_a", {"architectures": ["SegformerForImageClassification"]}, "no supported head"),
    ("segformer_a", {"architectures": None}, "no supported head"),
    ("segformer_a", {"depths": [2, 2]}, "depths must be 4 whole numbers"),
    ("segformer_a", {"hidden_sizes": [8, 16, 24, 10**9]}, "hidden_sizes must be"),
    ("segformer_a", {"hidden_act": "tanhshrink"}, "hidden_act 'tanhshrink' is not supported"),
    ("segformer_a", {"num_encoder_blocks": True}, "num_encoder_blocks"),
    ("segformer_a", {"reshape_last_stage": False}, "reshape_last_stage"),
    ("segformer_a", {"id2label": {}}, "id2label must name"),
    ("deeplabv3_a", {"output_stride": 7}, "output_stride 7"),
    ("deeplabv3_a", {"depth_multiplier": -1}, "depth_multiplier"),
    ("dfine_a", {"decoder_method": "discrete"}, "decoder_method 'discrete' is not supported"),
    ("dfine_a", {"backbone_config": {"model_type": "resnet"}}, "hgnet_v2"),
    ("dfine_a", {"num_feature_levels": 5}, "num_feature_levels"),
    ("dfine_a", {"num_queries": 10**8}, "num_queries"),
    ("dfine_a", {"decoder_attention_heads": 3}, "divisible"),
    ("dfine_a", {"encode_proj_layers": [7]}, "encode_proj_layers"),
])  # fmt: skip
def test_what_cannot_be_honoured_is_named(change, name, changes, words):
    with pytest.raises(UsageError, match=words):
        repository.read(change(name, **changes))


def test_classes_that_are_not_counted_from_0_up_are_damage(change):
    with pytest.raises(BundleError, match="number its classes"):
        repository.read(change("segformer_a", id2label={"0": "a", "2": "b"}))


@pytest.mark.parametrize(("changes", "words"), [
    ({"size": {"height": 10**6, "width": 64}}, "size must be of whole numbers"),
    ({"size": [64, 64, 64, 64]}, None), ({"size": 96}, None),
    ({"image_mean": [1, 2]}, "image_mean must be three numbers"),
    ({"image_std": [0, 1, 1]}, "above 0"),
])  # fmt: skip
def test_preprocessor(change, changes, words):
    folder = change("segformer_a", "preprocessor_config.json", **changes)
    if words is None:
        size = repository.read(folder)[0].preprocessing.size
        assert size == ((96, 96) if changes["size"] == 96 else (512, 512))
    else:
        with pytest.raises(UsageError, match=words):
            repository.read(folder)


def test_without_a_preprocessor_the_family_decides(change):
    folder = change("dfine_a")
    (folder / "preprocessor_config.json").unlink()
    assert repository.read(folder)[0].preprocessing.size == (640, 640)
    (folder / "config.json").write_text("[1]")
    with pytest.raises(BundleError, match="not a JSON object"):
        repository.read(folder)


def test_another_task_is_refused():
    with pytest.raises(UsageError, match="is a model for image-segmentation, not object-detection"):
        repository.read(GOLDEN / "segformer_a", "object-detection")
