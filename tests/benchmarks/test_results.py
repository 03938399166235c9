"""The results of machines, the page that is made of them, and the run of all benchmarks."""

import argparse
import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

SAVES = """
import argparse, sys
sys.path.insert(0, {benchmarks!r})
import results
from figures import Figure
parser = argparse.ArgumentParser()
parser.add_argument("--only", type=int, default=1)
results.add_option(parser)
results.add_home(parser)
options = parser.parse_args()

def measure(session):
    assert session.scratch.is_dir() and session.environment["WARMSTART_HOME"] == str(session.home)
    session.versions["peer"] = "1.0"
    if options.only == 3:
        yield Figure.of_crash(3, "a", OSError("no space left"))
    else:
        yield Figure(options.only, "a", 1.5, bar=1.0)

figures = results.run("fake", options, measure)
sys.exit(figures[0].verdict != "pass")
"""


@pytest.fixture
def made(results, figures):
    """`made(part, value, processor, day, topic)`: a run of one figure."""

    def make(
        part, value, processor="Some CPU, 2 logical cores usable", day="2026-01-01", topic="a"
    ):
        about = {"processor": processor, "memory": "8 GiB", "system": "Linux", "python": "3.11"}
        times = {"warmstart": [value, value, 2 * value], "peer": [1.0, 1.0, 1.0]}
        figure = figures.compared(part, f"part {part}", times, "peer", bar=1.0)
        return results.Run(topic, part, day, "python x.py", about, {"numpy": "2"}, (figure,))

    return make


def test_the_page_is_current(page):
    text, charts = page.page(page.PAGE.read_text("utf-8"), list(page.results.read_all()))
    assert page.PAGE.read_text("utf-8") == text, "run python benchmarks/page.py"
    assert {path.name: path.read_text("utf-8") for path in page.CHARTS.glob("*.svg")} == charts


def test_a_run_replaces_only_its_own_part(results, made, tmp_path):
    path = results.path_of(tmp_path, made(1, 0.5).about)
    assert path.name == "some-cpu-2-logical-cores-8-gib.json"
    results.add(path, [made(1, 0.5), made(2, 0.6)])
    results.add(path, [made(2, 0.7, day="2026-01-02")])
    first, second = results.read(path)
    assert first == made(1, 0.5)
    assert (second.day, second.figures[0].value) == ("2026-01-02", 0.7)
    assert second.figures[0].spread == (0.7, 1.4)
    assert list(results.read_all(tmp_path)) == [first, second]


def test_tables_never_mix_machines_or_days(page, made):
    before = "text\n<!-- figures a: begin -->\nold\n<!-- figures a: end -->\nrest\n"
    runs = [made(2, 0.6), made(1, 0.5), made(1, 0.7, "Other"), made(3, 0.8, day="2026-01-02")]
    text, charts = page.page(before, runs)
    assert text.startswith("text\n<!-- figures a: begin -->\nMeasured on 2026-01-02")
    assert text.endswith("<!-- figures a: end -->\nrest\n")
    tables = text.split("Measured on ")[1:]
    assert len(tables) == len(charts) == 3
    rows = [
        [line[:4] for line in table.splitlines() if line[:3] in ("| 1", "| 2", "| 3")]
        for table in tables
    ]
    assert sorted(rows) == [["| 1 "], ["| 1 ", "| 2 "], ["| 3 "]]
    assert "| 1 | part 1 | 0.500 (0.500 to 1.000) | ≤ 1 | pass |" in text
    assert page.page(text, runs)[0] == text
    (drawn,) = (chart for name, chart in charts.items() if "other" in name)
    assert ">peer</text>" in drawn
    assert ">0.7 ms</text>" in drawn
    with pytest.raises(ValueError, match="no lines <!-- figures b: begin -->"):
        page.page(before, [made(1, 0.5, topic="b")])


def test_lines_are_drawn_beside_bars_and_labels_do_not_overlap(page, results, figures, made):
    curves = {"warmstart": (10.0, 40.0), "peer <a>": (20.0, 39.5)}
    more = {"axis": "batch", "points": (1, 1000), "curves": curves, "values_unit": "per second"}
    figure = figures.Figure(2, "Net, batch: least speed", 0.5, **more)
    run = replace(made(1, 0.5), figures=(*made(1, 0.5).figures, figure))
    assert results.Run.from_dict(json.loads(json.dumps(asdict(run)))) == run
    text = "<!-- figures a: begin -->\n<!-- figures a: end -->"
    bars, lines = page.page(text, [run])[1].values()
    assert "polyline" not in bars
    ElementTree.fromstring(lines)
    assert lines.count("<polyline") == 2
    assert ">1,000</text>" in lines
    assert "Net, batch: least speed, peer &lt;a&gt;: 1: 20.0/s, 1000: 39.5/s" in lines
    ours, theirs = (float(y) for y in re.findall(r'y="([\d.]+)">(?:warmstart|peer)', lines))
    assert theirs - ours >= 14


def test_speeds_relative_to_each_peer(race):
    times = {"warmstart": [100.0, 200.0, 100.0], "a": [200.0, 400.0, 150.0], "b": [50.0] * 3}
    first, second = race.speeds(1, "10 tokens", times, 10, bars={"a": 1.6})
    assert (first.what, first.value, first.bar) == ("10 tokens: speed relative to a", 2.0, 1.6)
    assert first.spread == (1.5, 2.0)
    assert first.values == {"warmstart": 100.0, "a": 50.0, "b": 200.0}
    assert (second.value, second.verdict, second.values) == (0.5, "MISSED", {})


def test_each_list_of_peers_has_an_environment(peers, tmp_path):
    assert {"pytorch", "ctranslate2", "faster-whisper", "timm"} <= set(peers.NAMES)
    stamp = tmp_path / "timm" / peers.STAMP
    assert not peers.is_current(tmp_path, "timm")
    stamp.parent.mkdir()
    stamp.write_bytes((peers.LISTS / "timm.txt").read_bytes())
    assert peers.is_current(tmp_path, "timm")
    stamp.write_text("timm==0")
    assert not peers.is_current(tmp_path, "timm")
    with pytest.raises(SystemExit):
        peers.main([str(tmp_path), "unknown"])


@pytest.fixture
def fake(run, results, measure, monkeypatch, tmp_path):
    """The options of a run whose only benchmark is a small script."""
    (tmp_path / "fake.py").write_text(SAVES.format(benchmarks=str(Path(results.__file__).parent)))
    monkeypatch.setattr(run, "SCRIPTS", tmp_path)
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(run, "JOBS", (run.Job("fake", "fake.py", "", (1, 2, 3)),))
    return argparse.Namespace(work=tmp_path / "work", peers=tmp_path / "none", whisper=tmp_path)


def test_what_is_done_is_not_measured_again(run, fake):
    (job,) = run.JOBS
    assert list(run.pending([], False)) == [(job, 1), (job, 2), (job, 3)]
    assert run.measure(job, 1, fake) == ""
    (saved,) = run.results.read_all(run.results.FOLDER)
    assert saved.versions["peer"] == "1.0"
    assert saved.about["duration of the run"] == "0 minutes"
    assert run.measure(job, 3, fake) == "no result, exit status 1", "it crashed"
    assert list(run.pending([], False)) == [(job, 2), (job, 3)]
    assert list(run.pending(["fake:1"], False)) == []
    assert list(run.pending(["fake:1"], True)) == [(job, 1)]
    assert list(run.pending(["other"], True)) == []
    needs = replace(job, arguments="--peers {peers}")
    assert run.measure(needs, 2, fake).endswith("none is missing")
