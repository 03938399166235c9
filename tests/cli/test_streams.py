"""Output to terminals, to encodings that lack characters, and to where nothing can be written."""

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from tests.photos import CIFAR

import warmstart as ws
from warmstart.cli.streams import TerminalStream
from warmstart.errors import BundleError

PHOTO = Path(__file__).parents[2] / "examples" / "photos" / "cat.jpg"
EVIL = "cat\x1b]0;title\x07\x1b[2J\x9b5m\u202etac…"


@pytest.fixture
def evil(tmp_path):
    """A bundle whose labels try to control the terminal."""
    folder = tmp_path / "evil"
    for path in CIFAR.rglob("*"):
        if path.is_file():
            (folder / path.relative_to(CIFAR)).parent.mkdir(parents=True, exist_ok=True)
            (folder / path.relative_to(CIFAR)).write_bytes(path.read_bytes())
    labels = json.loads((folder / "labels.json").read_text())
    for label in labels:
        label["name"] = EVIL
    (folder / "labels.json").write_text(json.dumps(labels))
    return folder


def command(*arguments):
    return [sys.executable, "-m", "warmstart", *map(str, arguments)]


def on_a_terminal(*arguments) -> bytes:
    main, side = pty.openpty()
    with subprocess.Popen(
        command(*arguments), stdout=side, stderr=side, stdin=subprocess.DEVNULL
    ) as process:
        os.close(side)
        received = b""
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:  # how Linux reports that the other side is closed
                break
            if not part:
                break
            received += part
    os.close(main)
    assert process.returncode == 0, received
    return received


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_labels_do_not_control_the_terminal(evil, form):
    received = on_a_terminal("classify", PHOTO, "--model", evil, "--engine", "litert", *form)
    assert b"title" in received
    for control in (b"\x1b]", b"\x07", b"\x1b[2J", "\x9b".encode(), "\u202e".encode()):
        assert control not in received


def test_what_a_terminal_shows_is_otherwise_as_it_was():
    stream = io.StringIO()
    terminal = TerminalStream(stream, r"\x1b\[[0-9;]*m")
    text = "\x1b[1mbold\x1b[0m\ttab…\n"
    assert terminal.write(text) == len(text)
    assert stream.getvalue() == text
    terminal.write("\x1b[3;1H")
    assert stream.getvalue() == text + "\\x1b[3;1H"


def run(*arguments, **options):
    return subprocess.run(
        command(*arguments), stderr=subprocess.PIPE, text=True, check=False, timeout=120, **options
    )


def test_an_encoding_that_lacks_characters(evil):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = run(
        "classify", PHOTO, "--model", evil, "--engine", "litert", "--top-k", "1",
        stdout=subprocess.PIPE, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "\\u2026" in done.stdout


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_data_in_an_encoding_that_lacks_characters(form, tmp_path):
    (tmp_path / "texts").write_text("café 😀\n", "utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    with (tmp_path / "texts").open() as texts:
        done = run("classify", "-", form, stdin=texts, stdout=subprocess.PIPE, env=environment)
    assert done.returncode == 0, done.stderr
    if form == "--json":
        assert json.loads(done.stdout)["input"] == "café 😀"
    else:
        assert "caf\\u00e9 \\ud83d\\ude00" in done.stdout
    assert ("standard output is ascii" in done.stderr) == (form == "--csv")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_device():
    with open("/dev/full", "w") as full:
        done = run("list", stdout=full)
    assert done.returncode == 1
    assert done.stderr == "warmstart: The output cannot be written: No space left on device.\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_messages_that_cannot_be_written_are_dropped():
    line = f"echo good | {sys.executable} -m warmstart classify - 2>/dev/full"
    done = subprocess.run(["bash", "-c", line], stdout=subprocess.PIPE, check=False, timeout=120)
    assert done.returncode == 0
    assert b"positive" in done.stdout


def test_closed_streams():
    line = f"{sys.executable} -m warmstart list >&- 2>&-"
    assert subprocess.run(["bash", "-c", line], check=False, timeout=120).returncode == 0


def test_no_home_directory():
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    program = (
        "import os, pwd, sys\n"
        "def missing(number): raise KeyError(number)\n"
        "pwd.getpwuid = missing\n"
        "sys.argv = ['warmstart', 'cache', 'ls']\n"
        "from warmstart.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("warmstart: There is no home directory; set WARMSTART_HOME")
    assert done.stderr.endswith("\nSee docs/weights.md#cache\n")
    assert done.stderr.count("\n") == 2


@pytest.mark.parametrize("name", ["labels.json", "artifacts/float32/program.tflite"])
def test_a_fifo_in_a_bundle(evil, name):
    (evil / name).unlink()
    os.mkfifo(evil / name)
    with pytest.raises(BundleError, match="not a regular file"):
        ws.load(evil)
