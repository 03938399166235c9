"""The modules of benchmarks/ are scripts beside each other, not a package: they are imported from
there.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def _fixture(name: str) -> Any:
    @pytest.fixture(name=name)
    def imported(monkeypatch) -> ModuleType:
        monkeypatch.syspath_prepend(BENCHMARKS)
        return import_module(name)

    return imported


figures, measure, workers, results, page, run, chart, race, peers = map(
    _fixture,
    ("figures", "measure", "workers", "results", "page", "run", "chart", "race", "peers"),
)
