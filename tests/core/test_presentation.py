"""Results in the hand: their repr, HTML, tables and files."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

import warmstart as ws
from warmstart.catalog import Label
from warmstart.core.results import Classification, Failed, Prediction
from warmstart.core.wire import Result
from warmstart.errors import InputError, UsageError
from warmstart.image.results.detections import Box, Detections
from warmstart.image.results.segmentation import Segmentation
from warmstart.speech.results.audio import Audio
from warmstart.speech.results.transcript import Segment, Transcript
from warmstart.text.results import Answer, Embedding, Entities, Entity, FilledMask, Generation

HOSTILE = "<script>alert('a')</script>"


def photo() -> Image.Image:
    return Image.new("RGB", (40, 30), "white")


def results(label: str = "cat") -> dict[str, Result]:
    """A result of each class; `label` is what the model calls its classes."""
    prediction = Prediction(0, "n1", label, 0.9)
    box = Box(label, 0, 0.8, 1.2, 2.0, 10.5, 20.0)
    outside = Box(label, 0, 0.7, -3.0, -3.0, 60.0, 0.2)
    mask = np.zeros((30, 40), np.uint8)
    return {
        "classification": Classification("cat.jpg", "m", (prediction,)),
        "detections": Detections("cat.jpg", "m", (40, 30), (box, outside), photo),
        "segmentation": Segmentation("cat.jpg", "m", mask, (Label(0, "0", label),), photo),
        "entities": Entities(f"Ann {label}", "m", (Entity(label, "Ann", 0, 3, 0.9),)),
        "answer": Answer("who?", "m", label, 0, 3, 0.5),
        "mask": FilledMask("a [MASK]", "m", ((prediction,),), f"a {label}"),
        "embedding": Embedding("a cat", "m", np.arange(3, dtype=np.float32)),
        "generation": Generation("a", "m", f" {label}", (1,), (-0.5,), "end"),
        "transcript": Transcript("a.wav", "m", label, "en", (), (Segment(label, 0, 1, 0.9),), 1.0),
        "audio": Audio(np.zeros(80, np.float32), 8000, "seven", "m"),
    }


NAMES = tuple(results())


class Texts(HTMLParser):
    """The tags and the shown text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", NAMES)
def test_a_repr_is_one_short_line(name):
    text = repr(results("long " * 100)[name])
    assert len(text) < 160
    assert "\n" not in text
    assert text.startswith(f"<{type(results()[name]).__name__} ")


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_shows_labels_as_texts(name):
    page = Texts(results(HOSTILE)[name]._repr_html_())
    assert "script" not in page.tags
    assert HOSTILE in page.text or name in ("embedding", "audio")


@pytest.mark.parametrize(
    ("name", "tag"),
    [("detections", "img"), ("segmentation", "img"), ("audio", "audio"), ("entities", "mark")],
)
def test_a_notebook_shows_pictures_sounds_and_highlights(name, tag):
    assert tag in Texts(results()[name]._repr_html_()).tags


@pytest.mark.parametrize("name", NAMES)
def test_every_result_is_a_table_and_a_json_file(name, tmp_path):
    result = results()[name]
    assert len(result.to_frame()) >= 1
    assert json.loads(result.save(tmp_path / "new" / "a.json").read_text()) == result.to_dict()
    assert result.save(tmp_path / "a.CSV").read_text().startswith("input,")
    with pytest.raises(UsageError, match=r"a\.xyz: a result of m is written as .*\.json or \.csv"):
        result.save(tmp_path / "a.xyz")


def test_photos_are_written_as_pictures(tmp_path):
    for name in ("detections", "segmentation"):
        for suffix, written in ((".png", "PNG"), (".jpg", "JPEG"), (".webp", "WEBP")):
            with Image.open(results()[name].save(tmp_path / f"a{suffix}")) as picture:
                assert (picture.format, picture.size) == (written, (40, 30))


def test_transcripts_are_written_as_subtitles(tmp_path):
    transcript = results()["transcript"]
    assert transcript.save(tmp_path / "a.srt").read_text() == transcript.to_srt()
    assert transcript.save(tmp_path / "a.vtt").read_text() == transcript.to_vtt()
    assert transcript.save(tmp_path / "a.txt").read_text() == "cat\n"


def test_crops_are_the_boxes_inside_the_photo():
    assert [crop.size for crop in results()["detections"].crops()] == [(10, 18), (40, 1)]


def test_a_table_of_results_has_a_row_for_each_input():
    failed = Failed("b.jpg", InputError("b.jpg: is damaged", "b.jpg"))
    table = ws.to_frame([results()["classification"], failed])
    assert list(table["input"]) == ["cat.jpg", "b.jpg"]
    assert list(table["label"].fillna("")) == ["cat", ""]
    assert list(table["error"].fillna("")) == ["", "b.jpg: is damaged"]
    assert len(ws.to_frame(results()["classification"])) == 1
    for value, words in (([1], "not int"), (1, "not int"), (None, "not None")):
        with pytest.raises(UsageError, match=f"a list of results or a stream, {words}"):
            ws.to_frame(value)


@pytest.mark.parametrize("name", NAMES)
def test_lists_stay_in_their_cells(name):
    assert len(ws.to_frame([results()[name], results()[name]])) == 2
