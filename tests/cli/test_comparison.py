"""docs/comparison.md: every command of ours runs, and no job takes more of them than the peer's."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image

from warmstart import training

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "comparison.md").read_text("utf-8")
JOBS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
INSTEAD = {
    "all_minilm_l6_v2": "sst2_bert_tiny",
    "dfine_nano": "bccd_fcos",
    "segformer_b0": "leaf_deeplabv3",
}
"""Models that have to be fetched -> embedded ones."""
WRITTEN = {
    "Find objects and draw them": ["boxes.png"],
    "Segment": ["areas.png"],
    "A CSV file in, a CSV file out": ["labelled.csv"],
    "Subtitles": ["subtitles/digits.srt"],
    "Forecast and plot": ["load.png", "forecast.csv"],
    "Serve and export": ["model.tflite", "model.tflite.json"],
}


def commands(text):
    """The commands of ours and of others in a part of the page."""
    lines = re.findall(r"^\$ (.+)$", text, re.MULTILINE)
    ours = [line for line in lines if line.startswith("warmstart ")]
    return ours, [line for line in lines if line not in ours]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "examples" / "photos" / "cat.jpg", tmp_path)
    (tmp_path / "recordings").mkdir()
    shutil.copy(ROOT / "docs" / "sounds" / "digits.flac", tmp_path / "recordings")
    for name in ("daisy", "rose"):
        (tmp_path / "flowers" / name).mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(tmp_path / "flowers" / name / "a.png")
    (tmp_path / "reviews.csv").write_text("id,review\n1,what a film\n2,a waste of time\n")
    (tmp_path / "sentences.csv").write_text("text,label\ngood,positive\nbad,negative\n")
    (tmp_path / "notes.txt").write_text("the bill is on the table\nit rains\n")
    hours = [f"2024-01-{day:02} {hour:02}:00" for day in range(1, 15) for hour in range(24)]
    rows = "".join(f"{hour},{index % 24 + 1}\n" for index, hour in enumerate(hours))
    (tmp_path / "load.csv").write_text("hour,load\n" + rows)
    return tmp_path


@pytest.fixture
def started(monkeypatch):
    """What was trained and served, without doing it."""
    calls = []

    def train(base, data, *, task, **options):
        calls.append((task, data))
        raise SystemExit(0)

    monkeypatch.setattr(training, "finetune", train)
    monkeypatch.setattr("warmstart.serve.server.run", lambda *_: calls.append("served"))
    return calls


@pytest.mark.parametrize("job", JOBS)
def test_our_commands_run_and_write_what_they_say(run, folder, started, job):
    pytest.importorskip("matplotlib")
    ours, _ = commands(JOBS[job])
    assert ours
    for line in ours:
        _, *arguments = shlex.split(line)
        arguments = [INSTEAD.get(argument, argument) for argument in arguments]
        if arguments[0] == "transcribe":
            arguments += ["--model", "digits_wavenet_asr"]
        if arguments[0] == "serve":
            arguments += ["--port", "0"]
        done = run(*arguments)
        assert done.code == 0, done.err
    for name in WRITTEN.get(job, ()):
        assert (folder / name).stat().st_size > 0
    if job.startswith("Fine-tune"):
        assert len(started) == 1
    assert ("served" in started) == ("Serve" in job)


@pytest.mark.parametrize("job", JOBS)
def test_ours_is_no_longer_than_the_peers(job):
    ours, theirs = commands(JOBS[job])
    code = "".join(re.findall(r"^```text\n(.*?)^```", JOBS[job], re.MULTILINE | re.DOTALL))
    assert len(ours) <= len(theirs) + len(code.splitlines())
