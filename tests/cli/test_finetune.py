"""What `warmstart finetune` hands to `ws.finetune`; the training itself is tested with the recipes."""

from types import SimpleNamespace

import pytest
from PIL import Image
from tests.photos import CIFAR

from warmstart import training
from warmstart.cli.app import app
from warmstart.cli.data_task import task_of_data


@pytest.fixture
def handed(monkeypatch):
    """The arguments of the call that the command makes."""
    seen = {}

    def train(base, data, **options):
        seen.update(options, base=base, data=data)
        entry = SimpleNamespace(metrics=(), task=options["task"], preprocessing=None)
        return SimpleNamespace(name="x", entry=entry)

    monkeypatch.setattr(training, "finetune", train)
    return seen


def test_a_forecaster_is_trained_from_scratch_by_its_name(handed, capsys):
    app(
        [
            "finetune",
            "sales.csv",
            "--model",
            "deepar",
            "--output",
            "sales",
            "--horizon",
            "28",
            "--epochs",
            "2",
            "--set",
            "context=56",
        ],
        standalone_mode=False,
    )
    assert handed == {
        "base": "deepar",
        "data": "sales.csv",
        "task": "forecasting",
        "output": "sales",
        "seed": 0,
        "horizon": 28,
        "epochs": 2,
        "context": 56,
    }
    assert capsys.readouterr().out == "sales\n"


def test_a_base_of_another_task_is_not_opened_first(handed):
    app(
        [
            "finetune",
            "BCCD",
            "--model",
            "mobilenet_0.25_224",
            "--task",
            "object-detection",
            "--output",
            "cells",
            "--freeze",
            "stem",
            "--validation",
            "0.1",
        ],
        standalone_mode=False,
    )
    assert handed["base"] == "mobilenet_0.25_224"
    assert (handed["freeze"], handed["validation"]) == ("stem", 0.1)


def test_the_help_lists_the_options_of_the_task(run):
    common = run("finetune", "--help").out
    assert "--lora" not in common
    assert "With --task or --model, --help also lists" in common
    text = run("finetune", "--task", "text-classification", "--help").out
    assert "--lora" in text
    assert "--horizon" not in text
    assert "sst2_bert_tiny" in text
    assert "--horizon" in run("finetune", "--model", "deepar", "--help").out
    assert "--freeze" in run("finetune", "-m", "mobilenet_v2", "--help").out


@pytest.mark.parametrize(("arguments", "expected"), [
    (["--task", "text-generation", "--lora", "4"], "no option --lora"),
    ([], "The file or folder data does not exist."),
    (["--task", "token-classification"], "needs a --model"),
    (["--task", "audio-generation"], "no fine-tuning for 'audio-generation'"),
    (["--task", "text-classification", "--epochs", "0"], "--epochs must be 1 or more"),
    (["--model", str(CIFAR), "--set", "widht=8"], "label-smoothing"),
])  # fmt: skip
def test_a_wrong_option_ends_before_anything_is_done(arguments, expected, run, tmp_path):
    done = run("finetune", "data", "--output", tmp_path / "x", *arguments)
    assert (done.code, done.out) == (2, "")
    assert expected in done.err
    assert not (tmp_path / "x").exists()


def test_the_default_model_is_that_of_the_task(handed):
    app(["finetune", "t.tsv", "--task", "text-classification", "--output", "x", "--lora", "4", "--freeze", "2"],
        standalone_mode=False)  # fmt: skip
    assert handed["base"] == "sst2_bert_tiny"
    assert (handed["lora"], handed["freeze"]) == (4, 2)


def photos(folder, *classes):
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / name / "a.png")
    return folder


def test_the_data_says_what_it_is_for(handed, tmp_path):
    folder = photos(tmp_path / "photos", "cats", "dogs")
    app(["finetune", "--epochs", "2", str(folder), "-o", "x"], standalone_mode=False)
    assert (handed["task"], handed["epochs"]) == ("image-classification", 2)
    assert handed["base"].name == "efficientnet_lite0"
    for name, content, task in (
        ("a.csv", "comment,label\nfine,1\n", "text-classification"),
        ("b.csv", "file,label\nx.png,1\n", "image-classification"),
        ("c.csv", "image,label,xmin,ymin,xmax,ymax\nx.png,a,1,2,3,4\n", "object-detection"),
        ("d.tsv", "path\tsentence\na.mp3\thello\n", "speech-recognition"),
    ):
        (tmp_path / name).write_text(content)
        assert task_of_data(str(tmp_path / name)).name == task


@pytest.mark.parametrize(
    ("classes", "tasks"),
    [
        (("images", "masks"), "object-detection, image-segmentation."),
        (("images", "labels", "x"), "object-detection, image-segmentation."),
    ],
)
def test_data_that_may_be_for_several_tasks_needs_a_task(classes, tasks, run, tmp_path):
    done = run("finetune", photos(tmp_path / "photos", *classes), "-o", tmp_path / "x")
    assert done.code == 2
    assert f"name one with --task: {tasks}" in done.err


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (
            ("cats",),
            "photos has one class folder, cats: for two or more classes, put the photos of",
        ),
        (("train/cats", "val/cats"), "train has one class folder, cats"),
        (("inner/cats", "inner/dogs"), "inner has: pass that folder."),
        (("",), "photos has no class folders: for two or more classes"),
    ],
)
def test_photos_of_fewer_than_two_classes_are_refused(classes, expected, run, tmp_path):
    done = run("finetune", photos(tmp_path / "photos", *classes), "-o", tmp_path / "x")
    assert done.code == 2
    assert expected in done.err
    assert "object-detection" not in done.err


def test_the_output_is_a_new_folder_named_after_the_data(run, handed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = []
    for _ in range(2):
        assert run("finetune", "../my sales.csv", "--model", "deepar").code == 0
        folders.append(handed["output"])
        (tmp_path / handed["output"]).mkdir(parents=True)
    assert folders == ["runs/my sales", "runs/my sales-2"]
