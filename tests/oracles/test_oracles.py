"""Nothing is lost: what version 0.1 answered, printed, wrote and served is what this version does.

`python scripts/record_oracles.py` records all but the bundles anew, where a difference is meant;
look at what changes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import observe
from .cases import BUNDLES, CASES, ROOT
from .compare import differences
from .server import serving


def check(found: Any, *path: str) -> None:
    recorded = json.loads(observe.RECORDED.joinpath(*path).with_suffix(".json").read_text("utf-8"))
    changed = list(differences(found, recorded))
    assert not changed, "\n".join(changed[:20])


@pytest.fixture(scope="session")
def served() -> Iterator[dict[str, Any]]:
    with serving(observe.serve_arguments()) as ask:
        yield observe.http(ask)


@pytest.mark.parametrize("name", CASES)
def test_results(name: str) -> None:
    check(observe.results(CASES[name]), "results", name)


@pytest.mark.parametrize("name", BUNDLES)
def test_bundles_of_version_0_1(name: str) -> None:
    check(observe.bundle(name), "bundles", name)


@pytest.mark.tensorflow
def test_an_adapter_is_merged_with_its_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the base is named by a relative path
    check(observe.merged(), "bundles", "merged")


@pytest.mark.parametrize("name", CASES)
def test_batch(name: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    check(observe.batch(CASES[name], tmp_path), "batch", name)


@pytest.mark.parametrize("name", CASES)
def test_predict_command(name: str, tmp_path: Path) -> None:
    check(observe.predict_command(CASES[name], tmp_path), "predict", name)


def test_commands_and_their_options() -> None:
    """In a fresh process: other tests register tasks of their own in this one."""
    code = "import json; from tests.oracles import observe; print(json.dumps(observe.commands()))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    check(json.loads(done.stdout), "commands")


def test_public_names_and_parameters() -> None:
    check(observe.api(), "api")


@pytest.mark.parametrize("name", CASES)
def test_http(name: str, served: dict[str, Any]) -> None:
    check(served[name], "http", name)


def test_openapi_document(served: dict[str, Any]) -> None:
    check(served["openapi"], "http", "openapi")
