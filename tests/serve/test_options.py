"""The options of a request are checked by the limits of the server before those of the option."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from warmstart.series.options import ForecastOptions
from warmstart.serve import options
from warmstart.serve.errors import Refused
from warmstart.serve.settings import Settings
from warmstart.speech.options import TranscribeOptions
from warmstart.text.decoding.options import GenerateOptions


@pytest.mark.parametrize(
    ("declared", "values", "message"),
    [
        (TranscribeOptions, {"beam": 2000}, "beam must be from 1 to 128 on this server, not 2000"),
        (TranscribeOptions, {"beam": 129}, "beam must be from 1 to 128 on this server, not 129"),
        (TranscribeOptions, {"beam": 0}, "beam must be from 1 to 128 on this server, not 0"),
        (TranscribeOptions, {"beam": "many"}, "beam must be an integer"),
        (ForecastOptions, {"samples": 5000, "horizon": 3}, "samples must be from 1 to 1,000 on"),
        (ForecastOptions, {"seed": 2**40}, "seed must be from 0 to"),
    ],
)
def test_the_limit_of_the_server_is_named(declared, values, message):
    model = SimpleNamespace(options=declared, option_names=tuple(values), task="a task")
    with pytest.raises(Refused, match=message):
        options.check(model, values, Settings())
    assert options.check(model, {next(iter(values)): 3}, Settings())


def test_a_text_is_never_longer_than_the_server_allows():
    model = SimpleNamespace(
        options=GenerateOptions,
        option_names=("max_new_tokens", "top_k"),
        task="a task",
        default_new_tokens=100,
    )
    small, usual = Settings(max_new_tokens=20), Settings()
    for values in ({}, {"top_k": 3}, {"max_new_tokens": None}):
        assert options.check(model, values, small)["max_new_tokens"] == 20
        assert options.check(model, values, usual).get("max_new_tokens") is None
    named = {"max_new_tokens": "max_tokens"}
    assert options.check(model, {"max_new_tokens": 20}, small, named) == {"max_new_tokens": 20}
    for wrong in (0, 21, "x"):
        with pytest.raises(Refused, match="max_tokens must be"):
            options.check(model, {"max_new_tokens": wrong}, small, named)


def test_an_option_that_occurs_twice():
    names = ("quantiles", "horizon", "samples")
    model = SimpleNamespace(options=ForecastOptions, option_names=names, task="a task")
    pairs = [("quantiles", "0.1"), ("horizon", "3"), ("quantiles", "0.5,0.9")]
    assert options.from_text(pairs, model) == {"quantiles": (0.1, 0.5, 0.9), "horizon": 3}
    for name in ("horizon", "unknown"):
        with pytest.raises(Refused, match=f"{name} is set twice"):
            options.from_text([(name, "3"), (name, "3")], model)
    with pytest.raises(Refused, match="horizon is set twice"):
        options.combined({"horizon": 3}, {"samples": 2}, {"horizon": 3})
