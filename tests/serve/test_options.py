"""The options of a request are checked by the limits of the server before those of the option."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from warmstart.series.options import ForecastOptions
from warmstart.serve import options
from warmstart.serve.errors import Refused
from warmstart.serve.settings import Settings
from warmstart.speech.options import TranscribeOptions


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
