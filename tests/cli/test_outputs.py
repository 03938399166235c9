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
    for name in ("a.png", "b.png", "folder/a.png"):
        shutil.copy(PHOTO, tmp_path / name)
    (tmp_path / "t.csv").write_text(SERIES)
    return tmp_path


@pytest.mark.parametrize("arguments", [
    ("forecast", "t.csv", "--output", "t.csv"), ("forecast", "t.csv", "--output", "./folder/../t.csv"),
    ("forecast", "t.csv", "--plot", "t.csv"), ("segment", "a.png", "--masks", "a.png"),
    ("detect", "b.png", "a.png", "--draw", "a.png"), ("segment", "folder", "--masks", "folder"),
], ids=" ".join)  # fmt: skip
def test_an_input_is_never_overwritten(run, here, arguments):
    before = {path: path.read_bytes() for path in here.rglob("*.*")}
    done = run(*arguments)
    assert done.code == 2
    assert "is an input, which would be overwritten" in done.err
    assert {path: path.read_bytes() for path in here.rglob("*.*")} == before


@pytest.mark.parametrize("arguments", [
    ("detect", "a.png", "b.png", "--draw", "c.png"), ("synthesize", "one", "two", "--output", "c.wav"),
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
    (("transcribe", "a.wav", "--format", "srt", "--json"), "--format and --json both set"),
    (("transcribe", "a.wav", "--format", "srt", "-o", "a.vtt"), "--format srt contradict each other"),
], ids=str)  # fmt: skip
def test_what_cannot_be_written_is_refused_before_a_model_is_opened(run, here, arguments, expected):
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert expected in done.err
    assert "Model:" not in done.err


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
    assert run("forecast", "gone.csv", "--output", "old.csv").code == 1
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
