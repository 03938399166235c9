"""Progress of many inputs: nothing for quick work, then a line that is redrawn."""

from __future__ import annotations

import sys

import pytest

import warmstart as ws
from warmstart.core import progress
from warmstart.errors import UsageError


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when the test says so."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_quick_work_draws_nothing(clock, capsys):
    line = progress.ProgressLine("photos")
    clock[0] += 0.9
    line("m", 1, 2)
    line("m", 2, 2)
    assert capsys.readouterr().err == ""


def test_long_work_is_redrawn_on_a_terminal(clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    line = progress.ProgressLine("photos")
    clock[0] += 10
    line("m", 25, 100)
    line("m", 26, 100)
    clock[0] += 30
    line("m", 100, 100)
    drawn = capsys.readouterr().err
    assert drawn.count("\r") == 2
    assert "25 of 100 photos, 0:30 left" in drawn
    assert drawn.rstrip().endswith("100 of 100 photos in 0:40")


def test_a_file_gets_a_line_now_and_then(clock, capsys):
    line = progress.ProgressLine()
    for done in range(1, 41):
        clock[0] += 1
        line("m", done, None)
    assert capsys.readouterr().err.splitlines() == [f"m  {n}, 0:{n:02}" for n in (1, 11, 21, 31)]


def test_calls_and_streams_report(tmp_path):
    model = ws.load("sst2_bert_tiny")
    calls: list[tuple[str, int, int | None]] = []

    def report(*call):
        calls.append(call)

    model(["a", "b"], progress=report)
    list(model.stream(iter(["a"]), progress=report))
    (tmp_path / "a.txt").write_text("a\nb\n")
    list(model.stream(tmp_path / "a.txt", progress=report))
    name = "sst2_bert_tiny"
    assert calls == [(name, 1, 2), (name, 2, 2), (name, 1, None), (name, 1, 2), (name, 2, 2)]
    with pytest.raises(UsageError, match="progress must be True or a function, not 3"):
        model(["a"], progress=3)
    assert model("a", progress=True).label
