"""What `warmstart finetune` hands to `ws.finetune`; the training itself is tested with the recipes."""

from types import SimpleNamespace

import pytest
from tests.photos import CIFAR

from warmstart import training
from warmstart.cli.app import app


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
    assert "--class-weight" in run("finetune", "-m", "mobilenet_v2", "--help").out


@pytest.mark.parametrize(("arguments", "expected"), [
    (["--task", "text-generation", "--lora", "4"], "no option --lora"),
    ([], "--task or a --model"),
    (["--task", "token-classification"], "needs a --model"),
    (["--task", "fill-mask"], "no fine-tuning for 'fill-mask'"),
    (["--task", "text-classification", "--epochs", "0"], "--epochs must be 1 or more"),
    (["--model", str(CIFAR), "--set", "widht=8"], "label_smoothing"),
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
