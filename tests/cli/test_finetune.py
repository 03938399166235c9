"""What `warmstart finetune` hands to `ws.finetune`; the training itself is tested with the recipes."""

from types import SimpleNamespace

import pytest

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
    app(["finetune", "sales.csv", "--model", "deepar", "--output", "sales", "--horizon", "28", "--epochs", "2",
         "--set", "context=56"], standalone_mode=False)
    assert handed == {"base": "deepar", "data": "sales.csv", "task": "forecasting", "output": "sales", "seed": 0,
                      "horizon": 28, "epochs": 2, "context": 56}
    assert capsys.readouterr().out == "sales\n"


def test_a_base_of_another_task_is_not_opened_first(handed):
    app(["finetune", "BCCD", "--model", "mobilenet_0.25_224", "--task", "object-detection", "--output", "cells",
         "--freeze", "stem", "--validation", "0.1"], standalone_mode=False)
    assert handed["base"] == "mobilenet_0.25_224"
    assert (handed["freeze"], handed["validation"]) == ("stem", 0.1)
