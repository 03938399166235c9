"""Finding entries and labels."""

import json

import pytest

from warmstart import catalog
from warmstart.catalog import queries
from warmstart.errors import UnknownModelError, UsageError


@pytest.fixture
def bundles(tmp_path, monkeypatch):
    """A folder for embedded models, in place of the shipped one."""
    monkeypatch.setattr(queries, "EMBEDDED", tmp_path)
    queries.labels.cache_clear()
    yield tmp_path
    queries.labels.cache_clear()


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("resnet50", "resnet50"),
        ("ResNet50V2", "resnet50_v2"),
        ("mobilenet", "mobilenet_1.0_224"),
        ("MOBILENET_0.25_128", "mobilenet_0.25_128"),
        ("mobilenet_v2_1.0_224", "mobilenet_v2"),
        (" mobilenet_v2_0.35_96 ", "mobilenet_v2_0.35_96"),
        ("EfficientNetB0", "efficientnet_b0"),
        ("EfficientNetV2S", "efficientnet_v2_s"),
        ("ConvNeXtXLarge", "convnext_xlarge"),
        ("InceptionResNetV2", "inception_resnet_v2"),
    ],
)
def test_get_by_name_and_alias(asked, name):
    assert catalog.get(asked).name == name


def test_get_finds_every_name_and_alias():
    for entry in catalog.search():
        for name in (entry.name, *entry.aliases):
            assert catalog.get(name) is entry


def test_get_reads_only_the_files_it_needs():
    queries._family.cache_clear()
    catalog.get("vgg16")
    assert queries._family.cache_info().currsize == 1


@pytest.mark.parametrize(
    ("asked", "suggested"),
    [("resnet-50", "resnet50"), ("efficientnet-b0", "efficientnet_b0"), ("mobilnet_v2", "mobilenet_v2"),
     ("vgg61", "vgg16")],
)  # fmt: skip
def test_unknown_names_get_suggestions(asked, suggested):
    with pytest.raises(UnknownModelError, match=f"{asked}.*did you mean.*{suggested}"):
        catalog.get(asked)


@pytest.mark.parametrize("asked", ["", "zzzzzzzz", "../../etc/passwd", "*", "resnet50\0"])
def test_unknown_names_without_suggestions(asked):
    with pytest.raises(UnknownModelError, match="no model named"):
        catalog.get(asked)


def test_search_by_pattern_task_and_family():
    assert [entry.name for entry in catalog.search("VGG*")] == ["vgg16", "vgg19"]
    assert [entry.name for entry in catalog.search("mobilenetv2")] == ["mobilenet_v2"]  # an alias
    assert [entry.name for entry in catalog.search("resnet5[0-9]")] == ["resnet50"]
    assert {entry.family for entry in catalog.search("*net*", family="nasnet")} == {"nasnet"}
    assert len(catalog.search("mobilenet_?.*", task="image-classification")) == 16
    assert catalog.search(task="forecasting", family="vgg") == []
    assert catalog.search("nothing") == []


def test_imagenet_labels():
    labels = catalog.labels("imagenet-1k")
    assert len(labels) == 1000
    assert [label.index for label in labels] == list(range(1000))
    assert len({label.id for label in labels}) == 1000
    assert labels[0] == catalog.Label(0, "n01440764", "tench")
    assert labels[999].id == "n15075141"


@pytest.mark.shared
def test_imagenet_labels_are_those_of_the_data(shared_data):
    rows = (shared_data / "imagenet_classes.tsv").read_text().splitlines()[1:]
    expected = [
        (int(index), wnid, name.replace("_", " "))
        for index, wnid, name in (row.split("\t") for row in rows)
    ]
    assert [
        (label.index, label.id, label.name) for label in catalog.labels("imagenet-1k")
    ] == expected


def test_unknown_labels():
    with pytest.raises(UsageError, match=r"'colours'.*imagenet-1k"):
        catalog.labels("colours")
    with pytest.raises(UsageError):
        catalog.labels("../labels/imagenet-1k")


def test_embedded_models_are_listed(bundles):
    entry = {
        **catalog.get("vgg16").to_dict(),
        "name": "tiny_net",
        "aliases": ["tiny"],
        "labels": "two",
    }
    (bundles / "tiny_net").mkdir()
    (bundles / "tiny_net" / "warmstart.json").write_text(json.dumps({"format": 1, "entry": entry}))
    records = [{"index": 0, "id": "a", "name": "ant"}, {"index": 1, "id": "b", "name": "bee"}]
    (bundles / "tiny_net" / "labels.json").write_text(json.dumps(records))
    assert catalog.get("tiny").name == "tiny_net"
    assert catalog.search()[0].name == "tiny_net"
    assert catalog.labels("two") == (catalog.Label(0, "a", "ant"), catalog.Label(1, "b", "bee"))


def test_labels_must_be_in_order(bundles):
    entry = {**catalog.get("vgg16").to_dict(), "name": "tiny_net", "aliases": [], "labels": "two"}
    (bundles / "tiny_net").mkdir()
    (bundles / "tiny_net" / "warmstart.json").write_text(json.dumps({"entry": entry}))
    (bundles / "tiny_net" / "labels.json").write_text(
        json.dumps([{"index": 1, "id": "b", "name": "bee"}])
    )
    with pytest.raises(UsageError, match=r"two.*index 1"):
        catalog.labels("two")


def test_expand_fills_from_the_defaults():
    defaults = {
        "weights_base": "https://a/",
        "preprocessing": {"size": [1, 2], "scaling": "tf"},
        "metrics_dataset": "D",
        "metrics_source": "S",
        "config": {"function": "F"},
    }
    variant = {"preprocessing": {"size": [3, 4]}, "config": {"alpha": 1}, "top1": 0.5, "metrics_source": "T",
               "weights": {"top": {"source": "x.h5"}, "notop": {"source": "hf://a/b"}}}  # fmt: skip
    assert queries.expand(variant, defaults) == {
        "preprocessing": {"size": [3, 4], "scaling": "tf"},
        "config": {"function": "F", "alpha": 1},
        "weights": {"top": {"source": "https://a/x.h5"}, "notop": {"source": "hf://a/b"}},
        "metrics": [{"name": "top1", "value": 0.5, "dataset": "D", "source": "T"}],
        "gflops": None,
    }
    assert defaults["config"] == {"function": "F"}
