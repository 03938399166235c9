"""Run both columns of docs/comparison.md: the lines of warmstart and those of the other tools.

    python scripts/check_comparison.py --peers TORCH KERAS [--jobs subtitles …]

TORCH and KERAS are the Python programs of two environments, with the packages of
scripts/comparison_models.py. Needs no network: the models of the other tools have random weights,
in the layout and under the name that each line expects. `LOCAL` replaces parts of lines that would
need the network. Prints whether each line runs, which files it writes, and the end of its output;
exits with 1 if one fails.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "comparison.md"
MODELS = ROOT / "scripts" / "comparison_models.py"
JOB = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(console|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LOCAL = {
    '"bert_tiny_en_uncased"': '"./bert_tiny_en_uncased"',
    "--output_format srt": "--output_format srt --model ./tiny.pt",
    "--model dfine_nano": "--model bccd_fcos",
    "--model segformer_b0": "--model leaf_deeplabv3",
    "all_minilm_l6_v2": "sst2_bert_tiny",
    "transcribe recordings/": "transcribe recordings/ --model digits_wavenet_asr",
}
"""Text of a line -> its replacement, which needs no network."""
SERVER_START_S = 180
TIMEOUT_S = 900


def write_files(folder: Path) -> None:
    """The files that the lines of the page name."""
    shutil.copy(ROOT / "examples" / "photos" / "cat.jpg", folder)
    (folder / "recordings").mkdir()
    shutil.copy(ROOT / "docs" / "sounds" / "digits.flac", folder / "recordings")
    generator = np.random.default_rng(0)
    for name, colour in {"daisy": (230, 230, 220), "rose": (180, 30, 50)}.items():
        (folder / "flowers" / name).mkdir(parents=True)
        for index in range(20):
            noise = generator.normal(0, 30, (64, 64, 3))
            photo = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(photo).save(folder / "flowers" / name / f"{index}.png")
    (folder / "reviews.csv").write_text("id,review\n1,what a film\n2,a waste of time\n")
    words = {"positive": ("good", "lovely"), "negative": ("bad", "dull")}
    sentences = [
        f"a {word} {noun},{label}"
        for label, adjectives in words.items()
        for word in adjectives
        for noun in ("film", "book", "song", "play", "story", "show")
    ]
    (folder / "sentences.csv").write_text("text,label\n" + "\n".join(sentences) + "\n")
    (folder / "notes.txt").write_text("the bill is on the table\nit rains\n")
    hours = [f"2024-01-{day:02} {hour:02}:00" for day in range(1, 15) for hour in range(24)]
    rows = "".join(f"{hour},{index % 24 + 1}\n" for index, hour in enumerate(hours))
    (folder / "load.csv").write_text("hour,load\n" + rows)


def columns(text: str) -> tuple[list[str], list[str]]:
    """The commands of warmstart, and the commands and code of the other tool, in the section of a job."""
    ours, theirs = [], []
    for language, block in BLOCK.findall(text):
        if language == "text":
            theirs.append(block)
            continue
        for line in block.splitlines():
            command = line.removeprefix("$ ")
            (ours if command.startswith("warmstart ") else theirs).append(command)
    return ours, theirs


def count(lines: list[str]) -> str:
    """How many commands and lines of code there are."""
    code = sum(
        len([x for x in block.splitlines() if x.strip()]) for block in lines if "\n" in block
    )
    commands = sum("\n" not in block for block in lines)
    parts = {f"{commands} command{'s' * (commands > 1)}": commands, f"{code} lines": code}
    return ", ".join(text for text, number in parts.items() if number)


def run(text: str, folder: Path, environment: dict[str, str], python: str) -> tuple[bool, str]:
    """Whether a command or a program succeeds, and its output; a server has to answer a photo."""
    is_server = text.startswith("warmstart serve") or ".run(port=" in text
    if "\n" in text:
        program = folder / "program.py"
        program.write_text(text)
        command = f"{python} {program.name}"
    else:
        command = text
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            if is_server:
                answer = ask(folder / "cat.jpg", process)
                return bool(answer), f"answers {answer}" if answer else log.read_text("utf-8")
            code = process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return False, f"no end after {TIMEOUT_S} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(60)
    return code == 0, log.read_text("utf-8", errors="replace")


def ask(photo: Path, process: subprocess.Popen[bytes]) -> str:
    """The answer of a server to a photo, once it is up; "" if it ends or does not answer."""
    boundary = "photo-boundary"
    form = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="photo"; filename="cat.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    ).encode()
    body = form + photo.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    raw = ("http://127.0.0.1:8000/v1/predict/efficientnet_lite0", photo.read_bytes())
    requests = [
        urllib.request.Request(raw[0], raw[1], {"Content-Type": "image/jpeg"}),
        urllib.request.Request(
            "http://127.0.0.1:8000/predict",
            body,
            {"Content-Type": f"multipart/form-data; boundary={boundary}"},
        ),
    ]
    end = time.monotonic() + SERVER_START_S
    while time.monotonic() < end and process.poll() is None:
        for request in requests:
            try:
                with urllib.request.urlopen(request, timeout=60) as response:
                    return response.read().decode()[:160]
            except OSError:
                time.sleep(1)
    return ""


def written(folder: Path, before: set[Path]) -> str:
    after = {path for path in folder.rglob("*") if path.is_file()} - before
    names = sorted(str(path.relative_to(folder)) for path in after)
    names = [name for name in names if name not in ("log.txt", "program.py")]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", nargs=2, required=True, metavar=("TORCH", "KERAS"))
    parser.add_argument(
        "--jobs", nargs="*", default=[], help="parts of titles of jobs; default: all jobs"
    )
    arguments = parser.parse_args()
    torch, keras = (str(Path(argument).absolute()) for argument in arguments.peers)
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "YOLO_OFFLINE": "1",
        "MPLBACKEND": "Agg",
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    failed = 0
    rows = []
    with tempfile.TemporaryDirectory(prefix="comparison-") as name:
        folder = Path(name)
        write_files(folder)
        bin_folders = [folder / "bin", Path(sys.executable).parent, Path(torch).parent]
        environment["PATH"] = ":".join([*map(str, bin_folders), os.environ["PATH"]])
        environment["YOLO_CONFIG_DIR"] = name
        subprocess.run([torch, str(MODELS), name], check=True, env=environment)
        for job, text in JOB.findall(PAGE.read_text("utf-8")):
            parts = [part.lower() for part in arguments.jobs]
            if parts and not any(part in job.lower() for part in parts):
                continue
            ours, theirs = columns(text)
            for whose, lines in (("warmstart", ours), ("peer", theirs)):
                for line in lines:
                    local = line
                    for old, new in LOCAL.items():
                        local = local.replace(old, new)
                    before = {path for path in folder.rglob("*") if path.is_file()}
                    start = time.monotonic()
                    python = keras if "keras_hub" in line else torch
                    succeeded, output = run(local, folder, environment, python)
                    failed += not succeeded
                    seconds = time.monotonic() - start
                    print(f"\n{job}, {whose}: {'ran' if succeeded else 'FAILED'}, {seconds:.0f} s")
                    print("    " + local.strip().replace("\n", "\n    "))
                    tail = [x for x in output.strip().splitlines() if x.strip()][-8:]
                    print("\n".join(f"  > {x[-200:]}" for x in tail))
                    print(f"  written: {written(folder, before) or 'nothing'}", flush=True)
            rows.append((job, count(ours), count(theirs)))
    print("\n| job | warmstart | peer |\n|---|--:|--:|")
    print("\n".join(f"| {' | '.join(row)} |" for row in rows))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
