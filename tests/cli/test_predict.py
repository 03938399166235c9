"""The command line as a person uses it: its output and its exit code. What a process of its own does
not change runs in this one.
"""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from tests.photos import CIFAR

MODEL = ("--model", str(CIFAR))


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(1)
    for name in ("a.png", "b.jpg", "c.webp"):
        Image.fromarray(random.integers(0, 256, (5, 7, 3), np.uint8)).resize((70, 50)).save(
            folder / name
        )
    return folder


def warmstart(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "warmstart", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


def test_table(photos):
    done = warmstart("predict", photos / "a.png", *MODEL, "--top-k", 3)
    assert done.returncode == 0, done.stderr
    first, *rows = done.stdout.strip().splitlines()
    assert first.endswith("a.png")
    assert len(rows) == 3
    assert all("%" in row for row in rows)
    assert "cifar10_resnet20" in done.stderr


def test_json_is_what_python_gives(run, photos):
    import warmstart as ws

    done = run("predict", photos, *MODEL, "--json", "-k", 2)
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert answers == [result.to_dict() for result in ws.load(CIFAR).stream(photos, top_k=2)]
    assert done.err == ""


def test_csv(run, photos):
    (photos / "d.png").write_bytes(b"")
    done = run("predict", f"{photos}/*", *MODEL, "--csv", "--top-k", 1)
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["input"].rsplit("/", 1)[-1] for row in rows] == [
        "a.png",
        "b.jpg",
        "c.webp",
        "d.png",
    ]
    assert float(rows[0]["score"]) > 0.1
    assert "d.png" in rows[3]["error"]
    assert done.code == 1


def test_bad_photos_are_listed_at_the_end_and_the_exit_code_says_so(run, photos):
    (photos / "b.jpg").write_text("hello, I am text")
    done = run("predict", photos, *MODEL)
    assert done.code == 1
    assert "a.png" in done.out
    assert "c.webp" in done.out
    assert "1 of 3 inputs failed" in done.err
    assert done.err.rstrip().splitlines()[-1].count("b.jpg") >= 1
    only_bad = run("predict", photos / "b.jpg", *MODEL)
    assert only_bad.code == 1
    assert only_bad.out == ""
    assert "1 of 1 input failed" in only_bad.err
    nothing = run("predict", "nowhere/*.png", *MODEL)
    assert nothing.code == 1
    assert "no photo matches the pattern nowhere" in nothing.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "x.png", "--model", "resnet-50"], "resnet50"),
        (["predict", "x.png", *MODEL, "--json", "--csv"], "one of --json and --csv"),
        (["predict", "x.png", *MODEL, "--engine", "tpu"], "tpu"),
        (["info", "resnet-50"], "resnet50"),
        (["predict", "x.png", "--weights", "w.h5"], "--model"),
    ],
)
def test_wrong_words_end_in_one_sentence_and_code_2(run, arguments, words):
    done = run(*arguments)
    assert done.code == 2
    assert words in done.err
    assert "Traceback" not in done.err
    assert len(done.err.strip().splitlines()) <= 4


def test_the_default_model_is_named_when_nothing_else_can_be_had(run, photos):
    done = run("predict", photos / "a.png")
    assert done.code == 0
    assert "Model: efficientnet_lite0 (1,000 classes; inside the package" in done.err


def test_paths_from_standard_input(run, photos):
    done = run(
        "predict", "-", *MODEL, "--json", stdin=f"{photos / 'a.png'}\n\n{photos / 'c.webp'}\n"
    )
    assert [json.loads(line)["input"][-6:] for line in done.out.splitlines()] == [
        "/a.png",
        "c.webp",
    ]


def test_closed_pipe_is_no_error(photos):
    folders = " ".join([str(photos)] * 200)
    command = f"{sys.executable} -m warmstart predict {folders} --model {CIFAR} | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def _hear_interrupts():
    """A test run that was started in the background ignores interrupts, and its children inherit
    that.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("command", ["predict", "classify"])
def test_interrupt_ends_quickly_without_a_traceback(command, photos):
    process = subprocess.Popen(
        [sys.executable, "-m", "warmstart", command, "-", *MODEL, "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_interrupts,
    )
    process.stdin.write(f"{photos / 'a.png'}\n" * 40)
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - start < 10
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "interrupted" in errors


def test_version_and_help(run):
    import warmstart as ws

    assert run("--version").out.strip() == f"warmstart {ws.__version__}"
    shown = run("--help").out
    for command in ("predict", "list", "info", "pull", "compile", "evaluate", "cache"):
        assert command in shown


@pytest.mark.tensorflow
def test_tensorflow_writes_nothing_to_the_terminal(photos):
    environment = {
        name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"
    }
    done = warmstart("classify", photos / "a.png", *MODEL, "--engine", "keras", env=environment)
    assert done.returncode == 0
    assert done.stderr == "Model: cifar10_resnet20\n"
