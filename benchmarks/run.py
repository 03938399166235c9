"""Run all benchmarks on this machine, one after the other, and write docs/benchmarks.md.

    make benchmarks                                   # all that have no result from this machine yet
    make benchmarks TOPICS="int8 text:3"              # these topics, or parts of topics
    make benchmarks TOPICS=int8 AGAIN=--again         # measure it again

The result of a part is added to `results/MACHINE.json` when the part ends, so an interrupted run is
continued by the next call. If a part fails, the others are still measured, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import results
from measure import machine
from peers import python_of
from settings import ROOT, log
from transfer_learning import SHARED

SCRIPTS = Path(__file__).parent


@dataclass(frozen=True)
class Job:
    """A benchmark.

    Attributes:
        topic: the topic of its results; in commands with `-` in place of spaces.
        script: its file.
        arguments: its arguments, with placeholders that `command` fills in.
        parts: the parts that are run separately, with `--only`; empty: it is run as a whole.
    """

    topic: str
    script: str
    arguments: str = ""
    parts: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return self.topic.replace(" ", "-")


SST2 = "--sst2 {data}/text/sst2 --vocabulary {data}/tokenizers/bert-base-uncased/vocab.txt"
JOBS = (
    Job("image classification", "image_classification.py", "", (1, 2, 3, 4, 5, 6, 7, 8, 9)),
    Job("int8", "int8.py"),
    Job(
        "precisions",
        "precisions.py",
        "--photos {data}/images/hymenoptera/train --sentences {data}/text/sst2/train.tsv "
        "--tokenizer {data}/tokenizers/bert-base-uncased/vocab.txt "
        "--weights {data}/weights/mobilenet_v2_1.0_224_ptq.weights.h5 --peers {peers}",
        (1, 2),
    ),
    Job("detection", "detection.py", "--reference {pytorch}"),
    Job("segmentation", "segmentation.py", "--reference {pytorch}"),
    Job(
        "text",
        "text.py",
        f"{SST2} --reference {{pytorch}} --runs {{work}}/text --tuned {{work}}/text/minilm-sst2-0",
        (1, 2, 3, 5, 6, 4),  # 6 trains the model of 4
    ),
    Job(
        "generation",
        "generation.py",
        "--tokenizer {data}/tokenizers/gpt2/tokenizer.json --peers {peers}",
    ),
    Job("whisper", "whisper.py", "{whisper} {data}/speech/jfk.flac --peers {peers}"),
    Job(
        "scaling",
        "scaling.py",
        "--photos {data}/images/imagenet-sample --sentences {data}/text/sst2/dev.tsv "
        "--peers {peers}",
        (1, 2),
    ),
    Job(
        "speech",
        "speech.py",
        "{data}/speech/fsdd --whisper {whisper} --read {data}/speech/librivox",
    ),
    Job(
        "forecasting",
        "forecasting.py",
        "--data {data}/series --reference {pytorch} --work {work}/forecasting",
        (1, 2, 3, 4, 5, 6, 7),
    ),
    Job("serving", "serving.py", "", (1, 2, 3, 4, 5, 6)),
    Job("pressure", "serving_pressure.py", "", (1, 2, 3, 4)),
    Job("batch", "batch.py", "--photos {cifar10} --work {work}/batch", (1, 2, 3)),
    Job(
        "doors",
        "doors.py",
        "--photos {data}/images/hymenoptera "
        "--weights {data}/weights/mobilenet_v2_1.0_224_ptq.weights.h5",
        (1, 2),
    ),
    Job("transfer learning", "transfer_learning.py", "--work {work}/transfer"),
    Job("default model", "default_model.py", "--work {work}/default"),
    Job(
        "backbone",
        "detection_backbone.py",
        "{data}/images/bccd --weights {data}/weights/mobilenet_v1_0.25_224_imagenet.h5",
    ),
)


REQUIRED = ("{data}", "{peers}", "{pytorch}", "{whisper}")
"""Placeholders of paths that must exist before a benchmark starts."""


def pending(topics: Sequence[str], again: bool) -> Iterator[tuple[Job, int | None]]:
    """The parts to measure: `(job, part)`, or `(job, None)` for a job without parts.

    Args:
        topics: `NAME` or `NAME:PART`; empty: all.
        again: whether to include parts that have a result from this machine.
    """
    path = results.path_of(results.FOLDER, machine())
    done = {(run.topic, run.part) for run in results.read(path)}
    for job in JOBS:
        for part in job.parts or (None,):
            names = (job.name, _name(job, part))
            is_done = any(t == job.topic and part in (None, p) for t, p in done)
            if (not topics or any(name in topics for name in names)) and (again or not is_done):
                yield job, part


def command(job: Job, part: int | None, options: argparse.Namespace) -> list[str]:
    """The command that measures one part.

    Raises:
        FileNotFoundError: something that it needs is not on this machine.
    """
    paths = {
        "data": SHARED,
        "work": options.work,
        "peers": options.peers,
        "pytorch": python_of(options.peers, "pytorch"),
        "whisper": options.whisper,
        "cifar10": options.work / "cifar10",
    }
    if "{cifar10}" in job.arguments and not paths["cifar10"].is_dir():
        with zipfile.ZipFile(SHARED / "cifar10" / "test.zip") as photos:
            photos.extractall(paths["cifar10"])
    if "{work}" in job.arguments:
        options.work.mkdir(parents=True, exist_ok=True)
    templates = shlex.split(job.arguments)
    arguments = [template.format(**paths) for template in templates]
    for template, argument in zip(templates, arguments, strict=True):
        if template.startswith(REQUIRED) and not Path(argument).exists():
            raise FileNotFoundError(f"{argument} is missing")
    only = [] if part is None else ["--only", str(part)]
    script = str(SCRIPTS / job.script)
    return [sys.executable, script, *arguments, *only, "--results", str(results.FOLDER)]


def measure(job: Job, part: int | None, options: argparse.Namespace) -> str:
    """Measure one part; returns the reason if it has no result, else "".

    The exit status is ambiguous, because some benchmarks exit with 1 if a bar is missed.
    """
    path = results.path_of(results.FOLDER, machine())
    before = path.stat().st_mtime_ns if path.is_file() else 0
    try:
        status = subprocess.run(command(job, part, options), check=False).returncode
    except FileNotFoundError as error:
        return str(error)
    is_saved = path.is_file() and path.stat().st_mtime_ns != before
    return "" if is_saved else f"no result, exit status {status}"


def _name(job: Job, part: int | None) -> str:
    return job.name if part is None else f"{job.name}:{part}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    names = ", ".join(job.name for job in JOBS)
    parser.add_argument("topics", nargs="*", metavar="TOPIC[:PART]", help=f"of {names}")
    parser.add_argument(
        "--again", action="store_true", help="also measure parts that have a result"
    )
    parser.add_argument("--list", action="store_true", help="print what would be measured")
    parser.add_argument("--work", type=Path, default=ROOT / "work" / "benchmarks")
    parser.add_argument(
        "--peers",
        type=Path,
        default=ROOT / ".venv-peers",
        help="the folder with the environments that peers.py creates",
    )
    parser.add_argument(
        "--whisper", type=Path, default=Path("whisper-base"), help="the folder of Whisper base"
    )
    options = parser.parse_args(argv)
    known = {job.name for job in JOBS}
    if unknown := [t for t in options.topics if t.partition(":")[0] not in known]:
        parser.error(f"there is no topic {', '.join(unknown)}; there are {names}")
    todo = list(pending(options.topics, options.again))
    if options.list:
        print("\n".join(_name(job, part) for job, part in todo))
        return 0
    failed = []
    try:
        for number, (job, part) in enumerate(todo, 1):
            log(f"{number} of {len(todo)}: {_name(job, part)}")
            if reason := measure(job, part, options):
                failed.append(f"{_name(job, part)}: {reason}")
    except KeyboardInterrupt:
        failed.append("the rest, because of Ctrl+C; the next call continues with it")
    for failure in failed:
        print(f"not measured: {failure}", file=sys.stderr)
    subprocess.run([sys.executable, str(SCRIPTS / "page.py")], check=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
