"""The arithmetic of the benchmarks: turns, ratios, sizes, verdicts, tables, and the workers'
protocol.
"""

import os
import sys

import pytest


def test_turns_take_all_timers_in_every_round_and_never_the_same_one_first(measure):
    asked = []

    def timer(name, milliseconds):
        def time(calls):
            asked.append((name, calls))
            return [milliseconds] * calls

        return time

    values = measure.turns({"a": timer("a", 2.0), "b": timer("b", 500.0)}, rounds=4, seconds=0.1)
    assert values == {"a": [2.0] * 4, "b": [500.0] * 4}
    assert asked[:2] == [("a", 2), ("b", 2)], "the length of the turns is found out first"
    assert [name for name, _ in asked[2:]] == ["a", "b", "b", "a"] * 2
    assert set(asked[2:]) == {("a", 50), ("b", 3)}


def test_a_turn_is_the_median_of_its_calls(measure):
    assert measure.turns(
        {"a": lambda calls: [1.0, 90.0, 2.0][:calls]}, rounds=1, seconds=0.001
    ) == {"a": [2.0]}


@pytest.mark.parametrize(("milliseconds", "calls"), [(0.0, 200), (10.0, 40), (1000.0, 3)])
def test_calls_fill_the_time(measure, milliseconds, calls):
    assert measure.calls_for(0.4, milliseconds) == calls


def test_the_ratio_is_of_the_same_rounds(measure):
    slow_minutes = [1.0, 10.0, 1.0]
    assert measure.ratio([2.0 * s for s in slow_minutes], [4.0 * s for s in slow_minutes]) == 0.5
    with pytest.raises(ValueError):
        measure.ratio([1.0], [1.0, 2.0])


def test_the_fastest_is_by_median(measure):
    assert measure.fastest({"lucky once": [0.1, 5.0, 5.0], "steady": [4.0, 4.0, 4.0]}) == "steady"


def test_a_process_is_timed_and_its_failure_told(measure):
    assert (
        measure.time_process([sys.executable, "-c", "import time; time.sleep(0.1)"], os.environ)
        >= 100
    )
    with pytest.raises(RuntimeError, match="code 3: out of luck"):
        measure.time_process(
            [sys.executable, "-c", "import sys; print('out of luck'); sys.exit(3)"], os.environ
        )


def test_disk_bytes_counts_links_once_and_leaves_out_what_is_skipped(measure, tmp_path):
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "file").write_bytes(os.urandom(100_000))
    (tmp_path / "link").hardlink_to(tmp_path / "big" / "file")
    (tmp_path / "tool").write_bytes(os.urandom(50_000))
    sizes = measure.disk_bytes(tmp_path, skip=lambda name: name == "tool")
    assert set(sizes) == {"big", "link"}
    assert 100_000 <= sizes["big"] < 120_000
    assert sizes["link"] == 0


def test_machine_and_versions_are_told(measure):
    assert all(measure.machine().values())
    assert measure.versions()["warmstart"]


@pytest.mark.parametrize(
    ("value", "bar", "at_least", "verdict"),
    [
        (0.5, 0.5, False, "pass"),
        (0.51, 0.5, False, "MISSED"),
        (0.90 - 0.89, 0.01, False, "pass"),
        (0.85, 0.85, True, "pass"),
        (0.8, 0.85, True, "MISSED"),
        (float("nan"), 0.5, False, "MISSED"),
        (float("nan"), 0.5, True, "MISSED"),
        (None, 0.5, False, "not measured"),
        (0.5, None, False, ""),
    ],
)
def test_verdicts(figures, value, bar, at_least, verdict):
    assert figures.Figure(1, "what", value, bar=bar, at_least=at_least).verdict == verdict


@pytest.mark.parametrize(
    ("value", "unit", "bar", "shown", "bar_shown"),
    [
        (0.1234, "ratio", 0.15, "0.123", "≤ 0.15"),
        (0, "times", 0, "never", "never"),
        (3, "times", 0, "3 times", "never"),
        (4.24e-6, "difference", 1e-4, "4.2e-06", "≤ 1e-04"),
        (0.61, "share", 0.6, "61.0%", "≤ 60%"),
        (212.4, "MB", 350, "212 MB", "≤ 350 MB"),
        (None, "ratio", 1.05, "-", "≤ 1.05"),
    ],
)
def test_figures_are_shown_in_their_unit(figures, value, unit, bar, shown, bar_shown):
    figure = figures.Figure(1, "what", value, unit, bar)
    assert (figure.shown, figure.bar_shown) == (shown, bar_shown)


def test_tables_hold_every_figure(figures):
    made = [
        figures.Figure(3, "one | image", 0.7, bar=0.5, note="7 ms"),
        figures.Figure(8, "size", 10, "MB", bar=350),
    ]
    text = figures.text_table(made)
    assert [line.split()[-1] for line in text.splitlines()] == ["result", "MISSED", "ms", "pass"]
    page = figures.markdown_table(made)
    assert "| 3 | one \\| image | 0.700 | ≤ 0.5 | **MISSED** | 7 ms |" in page
    assert "1 of 2 bars met, 1 missed, 0 not measured." in page


def test_workers_time_and_their_failures_are_told(workers, tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(
        "import json, sys\n"
        "job = json.loads(sys.stdin.readline())\n"
        "if job['kind'] == 'dies': sys.exit('no memory left')\n"
        "print(json.dumps({'error': 'no such file'} if job['kind'] == 'fails' else {'engine': 'x'}), flush=True)\n"
        "for line in sys.stdin: print(json.dumps({'ms': [1.5] * json.loads(line)['calls']}), flush=True)\n",
        "utf-8",
    )
    with workers.Worker(script, os.environ, kind="works") as worker:
        assert worker.info == {"engine": "x"}
        assert worker.timer("call")(2) == [1.5, 1.5]
    with pytest.raises(workers.WorkerError, match="no such file"):
        workers.Worker(script, os.environ, kind="fails")
    with pytest.raises(workers.WorkerError, match="code 1: no memory left"):
        workers.Worker(script, os.environ, kind="dies")
