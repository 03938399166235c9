"""`warmstart serve` on this machine: speed, overload, endings and reloads under load, and contracts;
`serving_pressure.py` measures what attackers and time do to it.

    pip install -e '.[all,test]' -r benchmarks/requirements.txt
    python benchmarks/serving.py

Server and clients share the machine. `--only 1,2` runs some of the parts: 1 latency, 2 throughput,
3 overload, 4 endings and reloads, 5 contracts, 6 generated texts.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "serve")]

from processes import Load, copy_of, running, until  # noqa: E402

import results  # noqa: E402
from figures import Figure  # noqa: E402
from results import Session  # noqa: E402
from serving_clients import Connection, closed_loop, open_loop, request  # noqa: E402
from serving_texts import texts  # noqa: E402
from settings import log  # noqa: E402

PHOTO = ROOT / "examples" / "photos" / "cat.jpg"
BIG, DEFAULT = "mobilenet_v2", "efficientnet_lite0"
SMALL = ROOT / "tests" / "data" / "cifar10_resnet20"
"""A network of 32x32 pixels, whose own time is short against that of the server."""
JPEG = {"Content-Type": "image/jpeg"}


def binary(name: str, array: Any, outputs: Sequence[str]) -> bytes:
    """An inference request of the Open Inference Protocol with one binary tensor, and answers in
    JSON.
    """
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": "images",
                    "datatype": "FP32",
                    "shape": list(array.shape),
                    "parameters": {"binary_data_size": array.nbytes},
                }
            ],
            "outputs": [{"name": output} for output in outputs],
        }
    ).encode()
    return request(
        f"/v2/models/{name}/infer",
        head + array.tobytes(),
        {
            "Inference-Header-Content-Length": str(len(head)),
            "Content-Type": "application/octet-stream",
        },
    )


def model(name: str) -> Any:
    import warmstart as ws

    return ws.load(name, weights=None if name == BIG else "pretrained")


def array_of(name: str) -> Any:
    return model(name).preprocess(PHOTO)[None]


def latency(options: argparse.Namespace) -> list[Figure]:
    """One client, an array or a photo in, JSON out, in turns with the model in this process."""
    return [
        figure for source in (str(SMALL), DEFAULT) for figure in latency_of(source, options.rounds)
    ]


def latency_of(source: str, rounds: int) -> list[Figure]:
    """Of the model with this name or folder."""
    name, small = Path(source).name, source == str(SMALL)
    whole, array, jpeg = model(source), array_of(source), PHOTO.read_bytes()
    engine = whole.engine
    ask = binary(name, array, ["probabilities"])
    photo = request(f"/v1/predict/{name}", jpeg, JPEG)
    with running(source, engine=engine.name) as server:
        connection = Connection(server.address)

        def timed(work: Any, count: int) -> float:
            times = []
            for _ in range(count):
                start = time.perf_counter()
                work()
                times.append((time.perf_counter() - start) * 1e3)
            return statistics.median(times)

        def served() -> None:
            if connection.ask(ask) != 200:
                raise RuntimeError(bytes(connection.got).decode())

        whole(jpeg)
        timed(served, 50)
        turns = [
            (
                timed(served, 100),
                timed(lambda: engine.run("forward", images=array), 100),
                timed(lambda: connection.ask(photo), 30),
                timed(lambda: whole(jpeg), 30),
            )
            for _ in range(rounds)
        ]
    added = statistics.median(http - own for http, own, _, _ in turns)
    photos = statistics.median(http - own for _, _, http, own in turns)
    http, own = (statistics.median(turn[n] for turn in turns) for n in (0, 1))
    return [
        Figure(
            1,
            f"added latency, one client, an array to {name}, JSON answer, p50",
            added,
            "ms",
            bar=2.0 if small else None,
            note=f"{http:.2f} ms over HTTP, {own:.2f} ms the engine alone; {rounds} rounds of 100; "
            f"the array has {array.nbytes / 1e3:.0f} kB",
        ),
        Figure(
            1, "the same with a JPEG to /v1/predict, over the model called in Python", photos, "ms"
        ),
    ]


def throughput(options: argparse.Namespace) -> list[Figure]:
    """16 clients against the engine alone, in turns."""
    import numpy as np

    engine, array = model(BIG).engine, array_of(BIG)
    ask = binary(BIG, array, ["probabilities"])
    photo = request(f"/v1/predict/{BIG}", PHOTO.read_bytes(), JPEG)

    def alone(batch: int, seconds: float) -> float:
        images = np.repeat(array, batch, 0)
        engine.run("forward", images=images)
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            engine.run("forward", images=images)
            done += batch
        return done / (time.perf_counter() - start)

    sizes = {size: alone(size, 2.0) for size in (1, 4, 8)}
    best = max(sizes, key=lambda size: sizes[size])
    with running(BIG, "--weights", "random", "--no-access-log", engine=engine.name) as server:
        closed_loop(server.address, ask, 16, 2.0)
        rounds = [
            (closed_loop(server.address, ask, 16, options.seconds), alone(best, options.seconds))
            for _ in range(options.rounds)
        ]
        photos = closed_loop(server.address, photo, 16, options.seconds)
    share = statistics.median(http / own for http, own in rounds)
    http, own = (statistics.median(each[n] for each in rounds) for n in (0, 1))
    shown = ", ".join(f"{size}: {rate:.0f}" for size, rate in sizes.items())
    return [
        Figure(
            2,
            f"throughput over HTTP, 16 clients, arrays to {BIG}, against the engine's own",
            share,
            bar=0.85,
            at_least=True,
            note=f"{http:.0f} and {own:.0f} a second, {engine.name}; the engine by batch size: "
            f"{shown} a second; clients included, on the same cores",
        ),
        Figure(2, "the same with JPEGs of 35 kB to /v1/predict", photos, "per second"),
    ]


def overload(options: argparse.Namespace) -> list[Figure]:
    """Ten times what the server can, at a fixed rate."""
    ask = request(f"/v1/predict/{BIG}", PHOTO.read_bytes(), JPEG)
    engine = model(BIG).engine.name
    with running(
        BIG, "--weights", "random", "--no-access-log", "--queue", "32", engine=engine
    ) as server:
        closed_loop(server.address, ask, 16, 2.0)
        capacity = closed_loop(server.address, ask, 16, 5.0)
        tally = open_loop(server.address, ask, 10 * capacity, options.overload)
        after = closed_loop(server.address, ask, 16, 3.0)
    refused = sorted(tally.seconds.get(429, [0.0]))
    p95 = refused[int(0.95 * (len(refused) - 1))] * 1e3
    others = {
        status: len(times) for status, times in tally.seconds.items() if status not in (200, 429)
    }
    answered = (tally.count(200) + tally.count(429)) / max(tally.offered, 1)
    accepted = tally.count(200) / max(
        tally.count(200) + sum(tally.lost.values()) + sum(others.values()), 1
    )
    note = (
        f"offered {tally.offered / options.overload:.0f} a second ({tally.skipped} more could not be sent) to a "
        f"server that does {capacity:.0f}; {tally.count(200)} answered, {tally.count(429)} refused, "
        f"{sum(others.values())} others, {sum(tally.lost.values())} lost; afterwards {after:.0f} a second"
    )
    return [
        Figure(
            3,
            f"10× overload for {options.overload:.0f} s: accepted requests answered",
            accepted,
            "share",
            bar=1.0,
            at_least=True,
            note=note,
        ),
        Figure(
            3,
            "the rest refused, p95, from when each was due",
            p95,
            "ms",
            bar=50.0,
            note=f"{len(refused)} refusals, median {statistics.median(refused) * 1e3:.1f} ms; of all requests "
            f"{answered:.2%} got 200 or 429",
        ),
    ]


def endings(options: argparse.Namespace) -> list[Figure]:
    """SIGTERM, reloads and broken reloads under load, several times each."""
    import warmstart

    source = Path(warmstart.__file__).parent / "embedded" / DEFAULT
    body = PHOTO.read_bytes()
    path = "/v1/predict/net"
    lost, taken, reset = 0, 0, 0
    for _ in range(options.endings):
        with running(f"net={source}", "--drain", "0.5") as server:
            with Load(server.address, path, body, "image/jpeg", clients=16) as load:
                until(lambda load=load: load.counts["ok"] > 100, 60)
                server.process.send_signal(signal.SIGTERM)
                server.wait(60)
            accepted = len([line for line in server.log if f'"path":"{path}"' in line])
            lost += accepted - load.counts["ok"]
            taken += accepted
            reset += load.counts["lost"]
    figures = [
        Figure(
            4,
            f"SIGTERM under load, {options.endings} times: accepted requests lost",
            lost,
            "count",
            bar=0,
            note=f"{taken} reached the server, from 16 clients; {reset} new connections were reset before "
            "they were taken",
        )
    ]
    with tempfile.TemporaryDirectory() as scratch:
        folder = copy_of(source, Path(scratch) / "net")
        labels = (folder / "labels.json").read_text()
        program = folder / "artifacts" / "float32" / "program.tflite"
        whole = program.read_bytes()
        with running(f"net={folder}", "--watch", "0.2", "--no-access-log") as server:

            def loaded() -> list[int]:
                return [
                    sum(text in line for line in server.lines)
                    for text in ("is served as", "cannot be loaded")
                ]

            with Load(server.address, path, body, "image/jpeg", clients=16) as load:
                until(lambda: load.counts["ok"] > 100, 60)
                for turn in range(options.endings):
                    good, bad = loaded()
                    (folder / "labels.json").write_text(labels + " " * (turn + 1))
                    until(lambda good=good: loaded()[0] > good, 60)
                    program.write_bytes(whole[: 1000 + turn])
                    until(lambda bad=bad: loaded()[1] > bad, 60)
                    good = loaded()[0]
                    program.write_bytes(whole)
                    until(lambda good=good: loaded()[0] > good, 60)
            counts = dict(load.counts)
    wrong = sum(count for what, count in counts.items() if what != "ok")
    figures.append(
        Figure(
            4,
            f"reload and broken reload under load, {options.endings} times each: requests lost",
            wrong,
            "count",
            bar=0,
            note=f"{counts.get('ok', 0)} were answered, by 16 clients",
        )
    )
    return figures


def contracts(options: argparse.Namespace) -> list[Figure]:
    """Requests made from the documents by schemathesis."""
    import contract
    import schemathesis

    figures = []
    with running(DEFAULT, "shakespeare_gpt2", "deepar", "--no-access-log") as server:
        own = schemathesis.openapi.from_url(f"{server.address}/openapi.json")
        figures.append(_checked("our own OpenAPI document", own, contract, options))
        if options.protocol:
            import yaml

            text = (
                options.protocol.read_text("utf-8")
                .replace("${MODEL_NAME}", DEFAULT)
                .replace("${MODEL_VERSION}", "1")
            )
            document = yaml.safe_load(text)
            for item in document["paths"].values():
                item.pop("parameters", None)
                for (
                    method
                ) in item.values():  # it tells of one refusal, 400; the others have the same form
                    refused = {
                        "description": "Refused",
                        "content": {
                            "application/json": {
                                "schema": {"$ref": "#/components/schemas/inference_error_response"}
                            }
                        },
                    }
                    method["responses"].setdefault("4XX", refused)
            theirs = schemathesis.openapi.from_dict(document)
            theirs.config.update(base_url=server.address)
            checked = _checked("the Open Inference Protocol's document", theirs, contract, options)
            figures.append(
                replace(
                    checked,
                    note=checked.note + "; refusals other than its 400 are taken to be alike",
                )
            )
    return figures


def _checked(what: str, schema: Any, contract: Any, options: argparse.Namespace) -> Figure:
    operations = list(contract.operations(schema))
    bodies = [operation for operation in operations if operation.method.lower() == "post"]
    each = max(options.cases // max(2 * len(bodies), 1), 1) + 1
    done, failures = 0, []
    for operation in operations:
        log(f"{operation.label}: {done} cases so far")
        try:
            done += contract.check(operation, each)
        except (Exception, BaseExceptionGroup) as error:
            failures.append(f"{operation.label}: {' '.join(str(error).split())[:300]}")
    return Figure(
        5,
        f"schemathesis on {what}: server errors and contract breaks",
        len(failures),
        "count",
        bar=0,
        note=f"{done} cases" + "".join(f"; {failure}" for failure in failures),
    )


PARTS = {1: latency, 2: throughput, 3: overload, 4: endings, 5: contracts, 6: texts}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    results.add_parts(parser, PARTS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round of throughput")
    parser.add_argument("--overload", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--endings", type=int, default=5, metavar="TIMES")
    parser.add_argument("--cases", type=int, default=2000, help="of schemathesis, per document")
    parser.add_argument(
        "--protocol", type=Path, help="the Open Inference Protocol's open_inference_rest.yaml"
    )
    results.add_home(parser)
    results.add_option(parser)
    options = parser.parse_args(argv)

    def measure(session: Session) -> Iterator[Figure]:
        os.environ["WARMSTART_HOME"] = str(session.home)
        yield from results.run_parts(PARTS, options, options)

    results.run("serving", options, measure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
