"""`warmstart list` and `warmstart info`, as people and programs see them."""

import json
import re
import sys
from shutil import copytree

import pytest
from click.testing import CliRunner

from warmstart import catalog
from warmstart.catalog import Entry, ImagePreprocessing
from warmstart.cli.app import app
from warmstart.cli.catalog import preprocessing_in_words
from warmstart.core.resolver import find_folder
from warmstart.errors import UnknownModelError


@pytest.fixture
def run():
    return lambda *arguments: CliRunner().invoke(app, arguments, catch_exceptions=True)


@pytest.fixture
def terminal(monkeypatch, capsys):
    """Calls a command as on a terminal of 160 columns; gives what it prints."""

    def call(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
            patch.setenv("COLUMNS", "160")
            app.main(arguments, standalone_mode=False)
        return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)

    return call


def test_list_is_plain_where_nobody_looks(run):
    result = run("list", "mobilenet_v2_*", "--task", "image-classification")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0].split() == [
        "name",
        "task",
        "input",
        "parameters",
        "GFLOPs",
        "top-1",
        "weights",
        "licence",
    ]
    assert len(lines) == 23  # 21, the alias mobilenet_v2_1.0_224, and the head
    assert lines[1].split() == ["mobilenet_v2_0.35_96", "image-classification", "96x96", "1.7", "M", "0.0119",
                                "45.5%", "7", "MB", "Apache-2.0"]  # fmt: skip
    assert "\x1b" not in result.stdout
    assert not any(line != line.rstrip() for line in lines)


def test_list_on_a_terminal(terminal):
    text = terminal("list", "vgg*")
    assert "vgg16" in text
    assert "vgg19" in text
    assert "2 models" in text
    assert "CC-BY-4.0" in text


def test_list_as_json_is_the_entries(run):
    result = run("list", "resnet*", "--family", "resnet", "--json")
    found = [Entry.from_dict(data) for data in json.loads(result.stdout)]
    assert found == catalog.search("resnet*", family="resnet")
    assert len(found) == 3


def test_list_without_a_match(run):
    result = run("list", "zzz*", "--task", "forecasting")
    assert result.exit_code == 1
    assert "No model matches 'zzz*', task 'forecasting'" in result.stderr
    assert run("list", "zzz*", "--json").stdout == "[]\n"


def test_info_tells_everything(run):
    text = run("info", "EfficientNetB1").stdout
    entry = catalog.get("efficientnet_b1")
    for expected in [
        "efficientnet_b1", "efficientnetb1", "7,856,239", f"{entry.gflops:g} GFLOPs", "240x240", "from 32x32",
        "shorter side to 272 pixels (bicubic), centre crop 240x240; RGB, 0..255", "1,000 classes", "79.1%", "94.4%",
        "https://keras.io/api/applications/", entry.weights["top"].source, entry.weights["notop"].source,
        f"md5 {entry.weights['top'].md5}", "not downloaded", "Apache-2.0", "arXiv:1905.11946",
    ]:  # fmt: skip
        assert expected in text


def test_info_of_weights_without_a_hash(run):
    assert run("info", "mobilenet").stdout.count("no hash is published") == 2
    text = run("info", "efficientnet_lite1").stdout
    assert "no hash" not in text
    assert "checked against the hash that the repository states" in text


def test_info_tells_what_is_downloaded(run, monkeypatch):
    import warmstart.hub

    monkeypatch.setattr(warmstart.hub, "is_cached", lambda source: source.endswith("tf.h5"))
    text = run("info", "mobilenet").stdout
    assert text.count("; cached)") == 1
    assert text.count("; not downloaded)") == 1


def test_info_on_a_terminal(terminal):
    text = terminal("info", "convnext_tiny")
    assert "arXiv:2201.03545" in text
    assert "sha2568ae6e78c" in re.sub(r"\s", "", text)  # long lines are folded


def test_info_as_json_is_the_entry(run):
    assert Entry.from_dict(json.loads(run("info", "vgg16", "--json").stdout)) == catalog.get(
        "vgg16"
    )


def test_info_of_an_unknown_model(run):
    result = run("info", "resnet5")
    assert isinstance(result.exception, UnknownModelError)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (
            ImagePreprocessing((224, 224), "caffe"),
            "shorter side to 256 pixels (bilinear), centre crop 224x224; BGR",
        ),
        (
            ImagePreprocessing((90, 120), "torch", resize="squash"),
            "resized to 120x90 (bilinear), not keeping",
        ),
        (
            ImagePreprocessing((9, 9), "tf", resize="pad", interpolation="area"),
            "fitted into 9x9 (area)",
        ),
        (
            ImagePreprocessing((9, 9), "standard", (0.5, 0.25, 0), (1, 1, 1)),
            "minus 0.5, 0.25, 0, divided by 1, 1, 1",
        ),
    ],
)
def test_preprocessing_in_words(rules, words):
    assert words in preprocessing_in_words(rules)


def test_info_of_a_folder_names_its_classes(run, tmp_path):
    """As fine-tuning writes it: the classes are in the folder, and no file of the catalogue."""
    folder = copytree(find_folder("bccd_fcos"), tmp_path / "cells")
    record = json.loads((folder / "warmstart.json").read_text())
    record["entry"]["labels"] = ""
    (folder / "warmstart.json").write_text(json.dumps(record))
    text = run("info", str(folder)).stdout
    assert re.search(r"^classes +'Platelets', 'RBC', 'WBC' \(3\)$", text, re.M)
