"""Many photos with `on="ray"` against `on="local"`, and both while they are killed.

    pip install -e '.[all,ray]'
    python benchmarks/batch.py --photos FOLDER [--only 1]

Part 1: rows a second from the first finished shard to the last, of two workers on Ray and of one
process; the same files. Part 2: workers killed 5 times during a run. Part 3: the run killed and
started again 5 times, on one machine and on Ray.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import results
from figures import Figure
from results import Session
from settings import log

KILLS = 5
ROWS = 128
RUN = """
import json, sys
import warmstart as ws
if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    ws.batch(given.pop("model"), given.pop("inputs"), given.pop("output"), **given)
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--photos", required=True, help="a folder of photos, such as those of CIFAR-10"
    )
    parser.add_argument("--work", default="batch-benchmark", type=Path)
    parser.add_argument(
        "--small", default="efficientnet_lite0", help="the model for all photos, with its weights"
    )
    parser.add_argument(
        "--large", default="mobilenet_v2", help="the model for some of them, with random weights"
    )
    parser.add_argument("--some", type=int, default=1000)
    parts = {1: throughput, 2: killed_workers, 3: killed_runs}
    results.add_parts(parser, parts)
    results.add_option(parser)
    settings = parser.parse_args()
    settings.work.mkdir(parents=True, exist_ok=True)

    def measure(session: Session) -> Iterator[Figure]:
        session.versions.update(_versions("ray", "pyarrow"))
        yield from results.run_parts(parts, settings, settings)

    results.run("batch", settings, measure)
    return 0


def throughput(settings: argparse.Namespace) -> list[Figure]:
    import warmstart as ws

    photos = sorted(str(path) for path in Path(settings.photos).glob("**/*.jp*g"))
    figures = []
    for name, inputs, model in (
        (settings.small, photos, ws.load(settings.small)),
        (
            f"{settings.large}, random weights",
            photos[:: max(len(photos) // settings.some, 1)][: settings.some],
            ws.load(settings.large, weights=None),
        ),
    ):
        rates, files = {}, {}
        rows = ROWS if len(inputs) > 5000 else 25
        for on, given in (("local", {}), ("ray", {"on": "ray", "workers": 2})):
            log(f"{len(inputs):,} photos, {name}, on {on}")
            rates[on], start = _rate(model, inputs, settings.work / on, rows, given)
            files[on] = _content(settings.work / on)
        same = files["local"] == files["ray"]
        figures += [
            Figure(
                1,
                f"{len(inputs):,} photos, {name}: on Ray with 2 workers against one process, after start-up",
                rates["ray"] / rates["local"],
                bar=0.8,
                at_least=True,
                note=f"{rates['ray']:,.1f} and {rates['local']:,.1f} photos/s, {rows} a shard; the start of Ray "
                f"until its first shard took {start:.1f} s",
            ),
            Figure(
                1,
                "the same: result files that are equal, byte for byte",
                float(same),
                "share",
                1.0,
                True,
                f"{len(files['local'])} files",
            ),
        ]
    return figures


def _rate(
    model: Any, inputs: list[str], output: Path, rows: int, given: dict[str, Any]
) -> tuple[float, float]:
    """(rows a second between the first finished shard and the last, seconds until the first)."""
    import warmstart as ws

    shutil.rmtree(output, ignore_errors=True)
    begun, marks = time.perf_counter(), []

    def mark(now: Any) -> None:
        if (now.rows and now.rows % rows == 0) or now.rows == now.total:
            marks.append((time.perf_counter() - begun, now.rows))

    ws.batch(model, inputs, output, shard_rows=rows, progress=mark, **given)
    (start, first), (end, last) = marks[0], marks[-1]
    return (last - first) / (end - start), start


def killed_workers(settings: argparse.Namespace) -> list[Figure]:
    import warmstart as ws

    output, killed = settings.work / "killed-workers", []
    model = ws.load(settings.small, engine="litert")
    shutil.rmtree(output, ignore_errors=True)

    def kill(now: Any) -> None:
        living = [pid for pid in _workers() if pid not in killed]
        if (
            len(killed) < KILLS
            and living
            and now.rows >= (len(killed) + 1) * now.total // (KILLS + 2)
        ):
            os.kill(living[0], signal.SIGKILL)
            killed.append(living[0])

    log(f"workers are killed {KILLS} times")
    ws.batch(model, settings.photos, output, shard_rows=ROWS, on="ray", workers=2, progress=kill)
    return [_once(2, f"workers killed {len(killed)} times", output, settings)]


def killed_runs(settings: argparse.Namespace) -> list[Figure]:
    figures = []
    for on, given in (("local", {}), ("ray", {"workers": 2})):
        output, kills = settings.work / f"killed-{on}", 0
        shutil.rmtree(output, ignore_errors=True)
        arguments = json.dumps(
            {
                "model": settings.small,
                "engine": "litert",
                "inputs": settings.photos,
                "output": str(output),
                "shard_rows": ROWS,
                "on": on,
                **given,
            }
        )
        total = -(-sum(1 for _ in Path(settings.photos).glob("**/*.jp*g")) // ROWS)
        for number in range(KILLS):
            log(f"{on}: kill {number + 1}")
            run = subprocess.Popen([sys.executable, "-c", RUN, arguments])
            while run.poll() is None and len(list(output.glob("part-*"))) < (
                number + 1
            ) * total // (KILLS + 2):
                time.sleep(0.005)
            kills += run.poll() is None
            run.kill()
            run.wait()
        subprocess.run([sys.executable, "-c", RUN, arguments], check=True)
        figures.append(
            _once(3, f"on {on}, the run killed and started again {kills} times", output, settings)
        )
    return figures


def _once(part: int, what: str, output: Path, settings: argparse.Namespace) -> Figure:
    """The share of rows that are there exactly once."""
    rows = [
        json.loads(line)["row"] for path in output.rglob("part-*.jsonl") for line in path.open()
    ]
    total = sum(1 for _ in Path(settings.photos).glob("**/*.jp*g"))
    once = (
        sum(rows.count(row) == 1 for row in range(total))
        if len(rows) != total
        else len(set(rows) & {*range(total)})
    )
    return Figure(
        part,
        f"{what}: rows that are there exactly once",
        once / total,
        "share",
        1.0,
        True,
        f"{once:,} of {total:,}, {len(rows) - once:,} too many",
    )


def _workers() -> list[int]:
    """The actors of the cluster that this process has started."""
    process_ids = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name = (process / "cmdline").read_bytes()
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            above = (Path("/proc") / parent / "stat").read_text().rpartition(")")[2].split()[1]
        except (OSError, IndexError):
            continue
        if name.startswith(b"ray::MapWorker") and above == str(os.getpid()):
            process_ids.append(int(process.name))
    return process_ids


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("part-*")}


def _versions(*packages: str) -> dict[str, str]:
    from importlib.metadata import version

    return {package: version(package) for package in packages}


if __name__ == "__main__":
    sys.exit(main())
