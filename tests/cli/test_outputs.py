"""Files that a command writes: never an input, never two results in one file, and nothing before it
is known.
"""

import shutil
from pathlib import Path

import pytest

PHOTO = Path(__file__).parents[2] / "examples" / "photos" / "cat.jpg"
SERIES = "load\n" + "".join(f"{n}\n" for n in range(1, 31))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "both").mkdir()
    for name in ("a.png", "b.png", "folder/a.png", "both/a.png", "both/b.png"):
        shutil.copy(PHOTO, tmp_path / name)
    (tmp_path / "t.csv").write_text(SERIES)
    (tmp_path / "reviews.csv").write_text("review\ngood\nbad\n")
    return tmp_path


@pytest.mark.parametrize("arguments", [
    ("forecast", "t.csv", "--output", "t.csv"), ("forecast", "t.csv", "--output", "./folder/../t.csv"),
    ("forecast", "t.csv", "--plot", "t.csv"), ("segment", "a.png", "--masks", "a.png"),
    ("detect", "b.png", "a.png", "--draw", "a.png"),
    ("forecast", "t.csv", "--output", "t.csv", "--overwrite"),
], ids=" ".join)  # fmt: skip
def test_an_input_is_never_overwritten(run, here, arguments):
    before = {path: path.read_bytes() for path in here.rglob("*.*")}
    done = run(*arguments)
    assert done.code == 2
    assert "is an input, which would be overwritten" in done.err
    assert {path: path.read_bytes() for path in here.rglob("*.*")} == before


@pytest.mark.parametrize("arguments", [
    ("detect", "a.png", "b.png", "--draw", "c.png"), ("synthesize", "one", "two", "--output", "c.wav"),
    ("segment", "both", "--masks", "c.png"), ("detect", "both/*.png", "--draw", "c.png"),
], ids=" ".join)  # fmt: skip
def test_one_file_for_several_inputs_is_refused_before_the_first(run, here, arguments):
    done = run(*arguments)
    assert done.code == 2
    assert f"{arguments[-1]} is one file, but there are several inputs" in done.err
    assert not done.out
    assert not (here / arguments[-1]).exists()


@pytest.mark.parametrize(("arguments", "expected"), [
    (("detect", "a.png", "--draw", "out.txt"), "--draw out.txt: drawings are written as .png"),
    (("forecast", "t.csv", "--plot", "x.txt"), "--plot x.txt: plots are written as .png, .svg or .pdf"),
    (("forecast", "t.csv", "--plot", "folder"), "--plot folder: plots are written as"),
    (("forecast", "t.csv", "--output", "x.jpg"), "forecasts are written as .csv."),
    (("synthesize", "one", "--output", "one.txt"), "sounds are written as .wav, .flac, .ogg or .mp3"),
    (("detect", "a.png", "--draw", "t.csv/x"), "t.csv is not a folder"),
    (("segment", "a.png", "--draw", "c.png", "--masks", "./c.png"), "--draw and --masks both name"),
    (("classify", "a.png", "--overwrite", "--on", "local", "-o", "out"), "cannot be combined with --on"),
    (("transcribe", "a.wav", "--format", "srt", "--json"), "--format and --json both set"),
    (("transcribe", "a.wav", "--format", "srt", "-o", "a.vtt"), "--format srt contradict each other"),
], ids=str)  # fmt: skip
def test_what_cannot_be_written_is_refused_before_a_model_is_opened(run, here, arguments, expected):
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert expected in done.err
    assert "Model:" not in done.err


@pytest.mark.parametrize("arguments", [
    ("segment", "folder", "--masks", "folder"), ("detect", "folder", "--draw", "folder/drawn"),
    ("detect", "a.png", "folder", "--draw", "./folder/new/drawn"),
    ("segment", "**/*.png", "--draw", "drawn"), ("detect", "folder", "--draw", "folder/c.png"),
    ("forecast", ".", "--output", "both/forecast.csv"),
], ids=" ".join)  # fmt: skip
def test_an_output_that_would_be_an_input_is_refused_before_the_first(run, here, arguments):
    before = sorted(here.rglob("*"))
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "would be inputs, too; choose another folder" in done.err
    assert "Model:" not in done.err
    assert sorted(here.rglob("*")) == before


def test_files_next_to_an_input_never_overwrite_it(run, here):
    before = (here / "folder" / "a.png").read_bytes()
    assert run("detect", "folder/a.png", "--draw", "folder").code == 0
    assert (here / "folder" / "a.png").read_bytes() == before
    assert (here / "folder" / "a-2.png").exists()


@pytest.mark.parametrize("arguments", [
    ("detect", "a.png", "--draw", "old.png"), ("segment", "a.png", "--masks", "old.png"),
    ("synthesize", "one", "--output", "old.wav"), ("transcribe", "a.wav", "--output", "old.srt"),
    ("forecast", "t.csv", "--output", "old.csv"), ("forecast", "t.csv", "--plot", "old.png"),
    ("classify", "reviews.csv", "--output", "old.csv"),
], ids=" ".join)  # fmt: skip
def test_a_file_that_exists_is_refused_before_a_model_is_opened(run, here, arguments):
    old = here / arguments[-1]
    old.write_bytes(b"precious")
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert f"{old.name} exists; choose another name, or replace the file with --ov" in done.err
    assert "Model:" not in done.err
    assert old.read_bytes() == b"precious"


@pytest.mark.parametrize("arguments", [
    ("detect", "a.png", "--draw", "old.png"), ("forecast", "t.csv", "--output", "old.csv"),
    ("classify", "reviews.csv", "--output", "old.csv"),
], ids=" ".join)  # fmt: skip
def test_overwrite_replaces_a_file_that_exists(run, here, arguments):
    old = here / arguments[-1]
    old.write_bytes(b"precious")
    assert run(*arguments, "--overwrite").code == 0
    assert b"precious" not in old.read_bytes()


def test_files_of_an_earlier_run_stay(run, here):
    for _ in range(2):
        done = run("detect", "a.png", "folder/a.png", "--draw", "out")
    assert sorted(path.name for path in (here / "out").iterdir()) == [
        "a-2.png", "a-3.png", "a-4.png", "a.png",
    ]  # fmt: skip
    assert "written: out/a-4.png, of folder/a.png" in done.err


def test_files_are_named_when_they_are_written(run, here):
    done = run("detect", "a.png", "b.png", "--draw", "drawn")
    assert done.code == 0
    assert "written: 2 drawings in drawn" in done.err
    assert sorted(path.name for path in (here / "drawn").iterdir()) == ["a.png", "b.png"]


def test_an_output_stays_where_there_is_no_result(run, here):
    (here / "old.csv").write_text("precious")
    assert run("forecast", "gone.csv", "--output", "old.csv", "--overwrite").code == 1
    assert (here / "old.csv").read_text() == "precious"


def test_a_picture_of_another_format_leaves_the_old_file(run, here):
    (here / "old.jpg").write_bytes(b"precious")
    done = run("segment", "a.png", "--masks", "old.jpg")  # JPEG has no palettes
    assert done.code == 2
    assert "masks are written as .png" in done.err
    assert (here / "old.jpg").read_bytes() == b"precious"


@pytest.mark.parametrize("path", ["gone/", "./gone", "/nowhere/gone", "~/gone-too", "*.gone"])
@pytest.mark.parametrize("verb", ["classify", "predict", "generate"])
def test_what_has_the_form_of_a_path_is_never_a_text(run, here, verb, path):
    done = run(verb, path)
    assert done.code == 1
    assert "there is no such file" in done.err or "no photo matches" in done.err


@pytest.mark.parametrize(
    "text", ["either/or", "a film / a book", "5/5", "w/o plot", "two stars **"]
)
def test_a_text_with_slashes_is_a_text(run, here, text):
    assert run("classify", text).code == 0
