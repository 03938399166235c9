"""`warmstart serve` under pressure: hostile requests beside honest ones, work that nobody waits for,
reloads, and an hour of everything at once.

    pip install -e '.[all,test]' -r benchmarks/requirements.txt
    python benchmarks/serving_pressure.py

Server and clients share the machine. `--only 1,2` runs some of the parts: 1 hostile requests, 2
abandoned work, 3 reloads, 4 mixed load for `--minutes`.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "serve")]

from processes import Process, copy_of, running, until  # noqa: E402

import results  # noqa: E402
from figures import Figure  # noqa: E402
from results import Session  # noqa: E402
from serving_clients import Connection, open_loop, request  # noqa: E402
from serving_hostile import CASES, Hostile  # noqa: E402
from settings import log  # noqa: E402

PHOTO = ROOT / "examples" / "photos" / "cat.jpg"
BUNDLE = ROOT / "tests" / "data" / "cifar10_resnet20"
JPEG = {"Content-Type": "image/jpeg"}
ASKED = "efficientnet_lite0"
HOSTILE = (ASKED, "leaf_deeplabv3", "sst2_bert_tiny", "shakespeare_gpt2", "deepar")
SOUND = ("digits_wavenet", "digits_wavenet_asr")
RATE = 8.0
"""Requests per second of the client that is measured: a fraction of what the server can answer."""


def as_json(path: str, value: Any) -> bytes:
    return request(path, json.dumps(value).encode(), {"Content-Type": "application/json"})


class Usage:
    """What a server's process, and the one that parses for it, use, from /proc."""

    def __init__(self, server: Process):
        self._folder = Path(f"/proc/{server.process.pid}")

    def memory(self) -> float:
        """MB that are resident now, of all processes together; pages of files that they share, such as
        those of libraries, are counted once."""
        own, shared = 0, 0
        for folder in self._processes():
            with contextlib.suppress(OSError):  # it has just ended
                resident, of_files = map(int, (folder / "statm").read_text().split()[1:3])
                own += resident - of_files
                shared = max(shared, of_files)
        return (own + shared) * PAGE / 1e6

    def _processes(self) -> Iterator[Path]:
        yield self._folder
        for children in (self._folder / "task").glob("*/children"):
            with contextlib.suppress(OSError):
                yield from (Path(f"/proc/{pid}") for pid in children.read_text().split())

    @contextlib.contextmanager
    def watched(self) -> Iterator[list[float]]:
        """Its memory in MB, every 5 milliseconds."""
        samples: list[float] = []
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(0.005):
                samples.append(self.memory())

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield samples
        finally:
            stop.set()
            thread.join()

    def files(self) -> int:
        return len(list((self._folder / "fd").iterdir()))

    def processor(self) -> float:
        """Seconds of processor time so far."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


PAGE = os.sysconf("SC_PAGE_SIZE")


def metric(server: Process, name: str) -> float:
    """The sum of a metric over all models."""
    connection = Connection(server.address)
    connection.ask(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    lines = bytes(connection.got).decode().splitlines()
    connection.socket.close()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(0.99 * (len(seconds) - 1))] * 1e3


def hostile(options: argparse.Namespace) -> list[Figure]:
    """A model is asked at a fixed rate, in turns alone and beside clients that send all of `CASES`
    to the other models and to this one."""
    ask = request(f"/v1/predict/{ASKED}", PHOTO.read_bytes(), JPEG)
    quiet: list[float] = []
    pressed: list[float] = []
    statuses: Counter[tuple[str, int]] = Counter()
    with running(*HOSTILE, *SOUND, "--no-access-log") as server:
        usage = Usage(server)
        for each in (quiet, pressed):  # the first round only warms everything up
            attackers = Hostile(server.address, 2) if each is pressed else None
            open_loop(server.address, ask, RATE, 5.0)
            if attackers:
                attackers.stop()
        with usage.watched() as samples:
            open_loop(server.address, ask, RATE, 5.0)
        calm = peak = max(samples)
        for number in range(options.rounds):
            for each in (quiet, pressed):
                attackers = Hostile(server.address, 2, start=number) if each is pressed else None
                with usage.watched() as samples:
                    tally = open_loop(server.address, ask, RATE, options.seconds)
                    if attackers:
                        statuses += attackers.stop()
                peak = max(peak, *samples)
                if set(tally.seconds) != {200} or tally.lost:
                    raise RuntimeError(f"not all requests were answered: {tally}")
                each += tally.seconds[200]
                log(f"p99 {p99(tally.seconds[200]):.1f} ms of {tally.count(200)} requests")
                until(lambda: not metric(server, "warmstart_running{"), 30)
    unexpected = {
        f"{case}: {status}": count
        for (case, status), count in statuses.items()
        if not CASES[case].expects(status)
    }
    sent = sum(statuses.values())
    return [
        Figure(
            1,
            f"p99 of {ASKED} beside hostile requests, against the quiet p99",
            p99(pressed) / p99(quiet),
            bar=3.0,
            note=f"{p99(pressed):.1f} and {p99(quiet):.1f} ms, medians "
            f"{statistics.median(pressed) * 1e3:.1f} and {statistics.median(quiet) * 1e3:.1f} ms; "
            f"{len(pressed)} and {len(quiet)} photos at {RATE:g} a second, in {options.rounds} turns; "
            f"{sent} hostile requests of {len(CASES)} sorts by 2 clients",
        ),
        Figure(
            1,
            "memory above the quiet peak",
            peak - calm,
            "MB",
            bar=500,
            note=f"{calm:.0f} MB quiet, {peak:.0f} MB at most",
        ),
        Figure(
            1,
            "hostile requests with another status than they should get",
            sum(unexpected.values()),
            "count",
            bar=0,
            note=", ".join(f"{what} ({count})" for what, count in unexpected.items()),
        ),
    ]


def photos() -> bytes:
    """48 photos as one binary tensor."""
    shape = [48, 224, 224, 3]
    data = bytes(4 * math.prod(shape))
    tensor = {
        "name": "images",
        "datatype": "FP32",
        "shape": shape,
        "parameters": {"binary_data_size": len(data)},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {
        "Inference-Header-Content-Length": str(len(head)),
        "Content-Type": "application/octet-stream",
    }
    return request(f"/v2/models/{ASKED}/infer", head + data, headers)


LONG = {
    "generation": as_json(
        "/v1/predict/shakespeare_gpt2",
        {
            "inputs": ["ROMEO:"] * 8,
            "options": {"max_new_tokens": 2048, "overflow": "slide", "temperature": 1.0},
        },
    ),
    "a completion": as_json(
        "/v1/completions",
        {"model": "shakespeare_gpt2", "prompt": "A", "max_tokens": 120, "n": 8},
    ),
    "forecasting": as_json(
        "/v1/predict/deepar",
        {"inputs": [1.0, 2.0, 3.0] * 40, "options": {"horizon": 4000, "samples": 200}},
    ),
    "sound": as_json("/v1/predict/digits_wavenet", {"inputs": "seven " * 500}),
    "photos": photos(),
}
"""Requests that make work for longer than a second, or for a good part of one."""


def abandoned(options: argparse.Namespace) -> list[Figure]:
    """Each kind of work, with a client that leaves and with a deadline that passes."""
    still: list[str] = []
    tried = 0
    with running(*HOSTILE, *SOUND, "--no-access-log") as server:
        usage = Usage(server)
        for (what, data), way, _ in itertools.product(
            LONG.items(), ("left", "deadline"), range(options.rounds)
        ):
            until(lambda: not metric(server, "warmstart_running{"), 30)
            if way == "deadline":
                data = data.replace(b"\r\n\r\n", b"\r\nX-Request-Timeout: 0.4\r\n\r\n", 1)
            connection = Connection(server.address)
            connection.socket.sendall(data)
            if way == "deadline":
                connection.socket.recv(2**16)
            else:
                time.sleep(0.4)
            connection.socket.close()
            time.sleep(1.0)
            before = usage.processor()
            busy = metric(server, "warmstart_running{") + metric(server, "warmstart_pending{")
            time.sleep(0.5)
            used = usage.processor() - before
            tried += 1
            if busy or used > 0.1:
                still.append(f"{what} ({way}): {busy:.0f} running, {used:.2f} s of processor time")
    return [
        Figure(
            2,
            "work that runs 1 s after its client left or its deadline passed",
            len(still),
            "count",
            bar=0,
            note=f"{tried} requests: {', '.join(LONG)}" + "".join(f"; {each}" for each in still),
        )
    ]


def reloads(options: argparse.Namespace) -> list[Figure]:
    """One bundle, changed and loaded again, over and over."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = copy_of(BUNDLE, Path(scratch) / "net")
        with running(f"net={folder}", "--watch", "0.1", "--no-access-log") as server:
            usage = Usage(server)
            samples = []
            for number in range(options.reloads):
                (folder / "README.md").write_text(str(number))
                until(lambda n=number: len(served(server)) > n, 60)
                time.sleep(0.1)  # the version before is released
                samples.append((usage.memory(), usage.files()))
    tenth, last = samples[9], samples[-1]
    return [
        Figure(
            3,
            f"{options.reloads} reloads: growth of memory after the tenth",
            last[0] / tenth[0] - 1,
            "share",
            bar=0.05,
            note=f"{tenth[0]:.0f} and {last[0]:.0f} MB, at most {max(m for m, _ in samples):.0f} MB",
        ),
        Figure(
            3,
            "growth of open files",
            last[1] - tenth[1],
            "count",
            bar=0,
            note=f"{tenth[1]} and {last[1]}",
        ),
    ]


def served(server: Process) -> list[str]:
    """What the server has logged of accepted reloads."""
    return [line for line in server.lines if "is served as" in line]


def mixed(options: argparse.Namespace) -> list[Figure]:
    """Photos, arrays, texts, streams that are left, series, hostile requests, reloads and broken
    reloads."""
    from serving_mixed import Mixed

    with tempfile.TemporaryDirectory() as scratch:
        folder = copy_of(BUNDLE, Path(scratch) / "net")
        with running(
            f"net={folder}", *HOSTILE, *SOUND, "--no-access-log", "--watch", "1"
        ) as server:
            usage = Usage(server)
            load = Mixed(server.address, folder, options.clients)
            load.start()
            samples = []
            end = time.monotonic() + options.minutes * 60
            while time.monotonic() < end:
                time.sleep(min(5.0, options.minutes * 3))
                samples.append((usage.memory(), usage.files()))
            load.stop()
            until(lambda: not metric(server, "warmstart_running{"), 60)
            errors = [line for line in server.lines if "Traceback" in line]
    fifth = max(len(samples) // 5, 1)
    parts = (samples[fifth : 2 * fifth], samples[2 * fifth : -fifth], samples[-fifth:])
    sizes, files = (
        [statistics.median(each[n] for each in part or samples) for part in parts] for n in (0, 1)
    )
    note = f"{load.total()} requests: {load.described()}; {len(served(server))} reloads"
    return [
        Figure(
            4,
            f"{options.minutes:g} minutes of mixed load with reloads and faults: growth of memory",
            sizes[-1] / sizes[0] - 1,
            "share",
            bar=0.03,
            note=f"{', '.join(f'{size:.0f}' for size in sizes)} MB in the second fifth, in the middle, "
            f"in the last fifth; {note}",
        ),
        Figure(
            4,
            "growth of open files",
            files[-1] - files[0],
            "count",
            bar=0,
            note=f"{files[0]:.0f} and {files[-1]:.0f}",
        ),
        Figure(
            4,
            "answers of 5xx, requests without an answer, wrong answers, tracebacks",
            len(load.wrong) + len(errors),
            "count",
            bar=0,
            note="; ".join(load.wrong[:5] + errors[:5]),
        ),
    ]


PARTS = {1: hostile, 2: abandoned, 3: reloads, 4: mixed}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    results.add_parts(parser, PARTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=40.0, help="of each round of part 1")
    parser.add_argument("--reloads", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=60.0, help="of mixed load")
    parser.add_argument("--clients", type=int, default=4, help="of mixed load")
    results.add_option(parser)
    options = parser.parse_args(argv)

    def measure(session: Session) -> Iterator[Figure]:
        yield from results.run_parts(PARTS, options, options)

    results.run("pressure", options, measure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
