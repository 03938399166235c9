"""The report's page: everything inside it, everything escaped."""

import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from warmstart.training import charts
from warmstart.training.report import Report, columns, command_line, pictures, table, text

VOID = ("meta", "img", "br")


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def page() -> str:
    report = Report("ants & bees <b>", "two classes")
    report.tiles([("91.5 %", "right")])
    curve = {
        "training": [(1, 0.7), (2, 0.4), (3, float("nan"))],
        "validation <x>": [(1, 0.8), (2, 0.5)],
    }
    report.section(
        "Curves",
        columns(charts.lines(curve, x="epoch", y="loss", mark=2), text("a < b", warning=True)),
    )
    report.section("Table", table(("class", "recall"), [("<i>", 0.5), ("b", 1.0)]))
    report.section("Matrix", charts.matrix(np.array([[5, 1], [0, 4]]), ["a&b", "c"]))
    report.section("Bars", charts.bars({"a": 3, "b<": 0.0}))
    confidence, right = np.array([0.1, 0.95, 0.99, 1.0]), np.array([0, 1, 1, 0])
    report.section("Calibration", charts.reliability({"before": (confidence, right)}))
    report.section(
        "Mistakes", pictures([(Image.new("RGB", (300, 200), "red"), "ant <taken> for bee")])
    )
    return report.render("warmstart finetune 'my photos'")


def test_well_formed_and_self_contained(page):
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    for tag, attributes in tags.seen:
        assert tag not in ("script", "link", "iframe")
        assert attributes.get("src", "data:").startswith("data:")
        assert "href" not in attributes
    assert not re.search(r"https?://|@import|url\(", page)


def test_what_it_is_given_is_escaped(page):
    for raw in ("<b></h1>", "<i>", "<taken>", "<x>", "b<<", "a&b<"):
        assert raw not in page.replace('<i style="', "")
    for whole in (
        "ants &amp; bees &lt;b&gt;",
        "warmstart finetune &#x27;my photos&#x27;",
        "ant &lt;taken&gt;",
    ):
        assert whole in page


def test_no_pixel_is_without_a_number(page):
    assert "nan" not in re.sub(r"base64,[^\"]+", "", page)
    assert 'aria-label="loss over epoch"' in page
    assert "a&amp;b mistaken for c: 1 (17%)" in page


def test_dark_and_light_define_the_same_colours(page):
    light, dark = page.split("@media", 1)
    names = set(re.findall(r"(--\w+):", light))
    assert names == set(re.findall(r"(--\w+):#", dark.split("}")[0]))
    assert {f"--c{n}" for n in range(charts.COLOURS)} < names


def test_constant_and_empty_curves_are_drawn():
    assert "polyline" in charts.lines({"a": [(1, 0.5), (2, 0.5)]}, x="x", y="y")
    assert "polyline" in charts.lines({"a": [(1, 0.0)]}, x="x", y="y")
    assert "Nothing to draw" in charts.lines({"a": []}, x="x", y="y")


def test_the_command_as_a_shell_takes_it(monkeypatch):
    monkeypatch.setattr(
        sys, "argv", ["/usr/bin/warmstart", "finetune", "my photos", "--epochs", "3"]
    )
    assert command_line() == "warmstart finetune 'my photos' --epochs 3"
    monkeypatch.setattr(sys, "argv", ["train.py"])
    assert command_line("ws.finetune(…)") == "ws.finetune(…)"
