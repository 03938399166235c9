"""`warmstart evaluate` on a folder of class folders."""

import json

import numpy as np
import pytest
from PIL import Image
from tests.photos import CIFAR

import warmstart as ws
from warmstart.errors import UsageError


def test_evaluate_prints_the_accuracy_and_names_bad_photos(run, tmp_path):
    for index, name in enumerate(("cat", "truck")):
        (tmp_path / name).mkdir()
        pixels = np.random.default_rng(index).integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / name / "photo.png")
    command = ("evaluate", tmp_path, "--model", CIFAR)
    done = run(*command)
    assert done.code == 0, done.err
    assert "on 2 photos" in done.out
    assert "95 % interval" in done.out
    assert "precision" in done.out
    rows = run(*command, "--csv").out.splitlines()
    assert rows[0] == "class,precision,recall,f1,count"
    assert {row.split(",")[0] for row in rows[1:]} >= {"cat", "truck"}
    (tmp_path / "cat" / "broken.jpg").write_bytes(b"x")
    done = run(*command, "--json")
    assert done.code == 1
    figures = json.loads(done.out)
    assert figures["count"] == 2
    assert "broken.jpg" in figures["errors"][0]
    assert "broken.jpg" in done.err
    (tmp_path / "unicorn").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "unicorn" / "x.png")
    done = run(*command)
    assert done.code == 2
    assert "unicorn" in done.err


def test_the_help_says_what_data_a_task_takes(run):
    assert "CoNLL" in run("evaluate", "--task", "token-classification", "--help").out
    assert "CoNLL" not in run("evaluate", "--help").out
    assert "class folders" in run("evaluate", "-m", str(CIFAR), "--help").out


def test_options_of_tables_reach_evaluate(run, tmp_path):
    table = tmp_path / "a.csv"
    table.write_bytes(
        "ID|Verdict|Text\n1|positive|what a film, é\n2|negative|dull\n".encode("latin-1")
    )
    flags = ("--label-column", "Verdict", "--text-column", "Text", "--delimiter", "|")
    done = run("evaluate", table, "-m", "sst2_bert_tiny", *flags, "--encoding", "latin-1", "--json")
    figures = json.loads(done.out)
    assert figures["count"] == 2
    assert figures["per_class"].keys() == {"negative", "positive"}
    done = run("evaluate", table, "-m", "sst2_bert_tiny", *flags)
    assert done.code == 2
    assert "not UTF-8" in done.err
    done = run("evaluate", table, "-m", "sst2_bert_tiny", "--path-column", "x")
    assert done.code == 2
    assert "no option --path-column" in done.err


@pytest.mark.parametrize(
    "model",
    [CIFAR, "sst2_bert_tiny", "bccd_fcos", "leaf_deeplabv3", "digits_wavenet_asr", "deepar"],
)
def test_data_that_does_not_exist_is_said_so(run, model):
    done = run("evaluate", "nowhere", "-m", model)
    assert done.code == 2
    assert "The file or folder nowhere does not exist." in done.err


@pytest.mark.parametrize("model", ["sst2_bert_tiny", "digits_wavenet_asr"])
@pytest.mark.parametrize("name", ["nowhere", "nowhere.txt", "nowhere.csv"])
def test_a_table_that_does_not_exist_is_said_so(model, name):
    with pytest.raises(UsageError, match=f"The file or folder {name} does not exist"):
        ws.load(model).evaluate(name)
