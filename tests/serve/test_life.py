"""Starting, reloading and ending under load, in processes of their own."""

import io
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.photos import CIFAR

from .conftest import Client
from .processes import Load, copy_of, running, until

BUNDLE = CIFAR
PATH = "/v1/predict/net"


def test_sigterm_under_load_loses_nothing(tmp_path, cat):
    with running(f"net={BUNDLE}", "--drain", "0.5") as server:
        with Load(server.address, PATH, cat, "image/jpeg") as load:
            until(lambda: load.counts["ok"] > 50)
            server.process.send_signal(signal.SIGTERM)
            assert server.wait(30) == 0
        assert load.counts["lost"] == 0, load.counts
        assert set(load.counts) <= {"ok", "refused", "closed"}
        assert len([line for line in server.log if '"status":200' in line]) == load.counts["ok"]


def test_it_says_that_it_is_not_ready_while_it_drains(cat):
    with running(str(CIFAR), "--drain", "2") as server:
        client = Client(server.address)
        assert client.get("/v2/health/ready").status == 200
        server.process.send_signal(signal.SIGTERM)
        until(lambda: client.get("/v2/health/ready").status == 503)
        assert client.get("/v2/health/live").status == 200
        answer = client.post("/v1/predict/cifar10_resnet20", cat, Content_Type="image/jpeg")
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert server.wait(30) == 0


def test_reload_under_load(tmp_path, cat):
    """A changed bundle is served, a broken one is not, and no request is lost by either."""
    folder = copy_of(BUNDLE, tmp_path / "net")
    labels = json.loads((folder / "labels.json").read_text())
    with running(f"net={folder}", "--watch", "0.2") as server:
        client = Client(server.address)
        with Load(server.address, PATH, cat, "image/jpeg", clients=4) as load:
            until(lambda: load.counts["ok"] > 20)
            changed = [{**label, "name": label["name"].upper()} for label in labels]
            (folder / "labels.json").write_text(json.dumps(changed))
            until(lambda: any(b'"CAT"' in body for body in load.bodies))
            assert client.get("/v2/models/net").json["versions"] == ["2"]
            program = folder / "artifacts" / "float32" / "program.tflite"
            whole = program.read_bytes()
            program.write_bytes(whole[:1000])  # in place, as a copy that is under way or has failed
            until(lambda: 'outcome="refused"} 1' in client.get("/metrics").body.decode())
            assert client.get("/v2/models/net").json["versions"] == ["2"]
            (folder / "warmstart.json").write_text("{")
            until(lambda: 'outcome="refused"} 2' in client.get("/metrics").body.decode())
            before = load.counts["ok"]
            until(lambda: load.counts["ok"] > before + 20)
            copy_of(BUNDLE, folder)
            until(lambda: client.get("/v2/models/net").json["versions"] == ["3"])
        assert set(load.counts) == {"ok"}, load.counts
        assert any("cannot be loaded" in line for line in server.lines)


def test_tensorflow_is_never_imported(cat):
    program = (
        "import sys, time\n"
        "import warmstart as ws\n"
        "from warmstart.serve.app import create_app\n"
        "from warmstart.serve.server import BackgroundServer\n"
        "import urllib.request\n"
        "names = ('cifar10_resnet20', 'shakespeare_gpt2', 'deepar')\n"
        "sources = (sys.argv[2], *names[1:])\n"
        "asks = (open(sys.argv[1], 'rb').read(), b'ROMEO:', b'y\\n1\\n2\\n3\\n')\n"
        "medias = ('image/jpeg', 'text/plain', 'text/csv')\n"
        "with BackgroundServer(create_app({name: ws.load(source, engine='litert')\n"
        "                            for name, source in zip(names, sources)})) as address:\n"
        "    for name, ask, media in zip(names, asks, medias):\n"
        "        query = urllib.request.Request(f'{address}/v1/predict/{name}', ask, {'Content-Type': media})\n"
        "        assert urllib.request.urlopen(query).status == 200\n"
        "    urllib.request.urlopen(f'{address}/openapi.json').read()\n"
        "print(sorted({'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules)))\n"
    )
    import subprocess

    photo = Path(__file__).parents[2] / "examples" / "photos" / "cat.jpg"
    done = subprocess.run(
        [sys.executable, "-c", program, str(photo), str(CIFAR)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing_like_it"], "nothing_like_it"),
        ([str(CIFAR), str(CIFAR)], "Two models"),
        ([str(CIFAR), "--engine", "keras"], "keras"),
    ],
)
def test_wrong_arguments(arguments, said, capfd, monkeypatch):
    from click.testing import CliRunner

    from warmstart.cli.app import app

    result = CliRunner().invoke(app, ["serve", *arguments, "--port", "0"])
    assert result.exit_code
    assert said in str(result.exception) + result.output


def test_the_log_has_one_json_object_a_request(cat):
    with running(str(CIFAR)) as server:
        client = Client(server.address)
        client.post("/v1/predict/cifar10_resnet20", cat, Content_Type="image/jpeg")
        client.get("/nothing")
        until(lambda: len(server.log) == 2)
        server.process.send_signal(signal.SIGINT)
        start = time.monotonic()
        assert server.wait(10) == 0
        assert time.monotonic() - start < 5
    first, second = map(json.loads, server.log)
    told = [first[key] for key in ("model", "status", "batch", "bytes_in")]
    assert told == ["cifar10_resnet20", 200, 1, len(cat)]
    assert first["ms"] >= first["inference_ms"] > 0
    assert (second["path"], second["status"], second["reason"]) == (
        "/nothing",
        404,
        "unknown_address",
    )


def test_ctrl_c_finishes_what_runs_and_takes_nothing_new(cat):
    with running(f"net={BUNDLE}", "--drain", "20") as server:
        with Load(server.address, PATH, cat, "image/jpeg") as load:
            until(lambda: load.counts["ok"] > 50)
            server.process.send_signal(signal.SIGINT)
            assert server.wait(10) == 0
        assert set(load.counts) <= {"ok", "refused"}, load.counts
    (line,) = [line for line in server.lines if "INFO" in line]
    assert "Ctrl+C again" in line


@pytest.mark.parametrize(
    ("signals", "code", "why"),
    [
        ([signal.SIGINT, signal.SIGINT], 130, "interrupted"),
        ([signal.SIGTERM], 0, "they ran longer than 0.2 s"),
    ],
)
def test_requests_that_are_not_finished_are_refused_in_json(signals, code, why):
    options = ("--max-tokens", "5000", "--max-new-tokens", "5000", "--drain", "0", "--grace", "0.2")
    ask = {"inputs": "A", "options": {"max_new_tokens": 4000, "overflow": "slide"}}
    with running("shakespeare_gpt2", *options) as server, ThreadPoolExecutor() as threads:
        client = Client(server.address)
        answer = threads.submit(client, "POST", "/v1/predict/shakespeare_gpt2", ask)
        until(lambda: "warmstart_open_requests 2.0" in client.get("/metrics").body.decode())
        for number in signals:
            server.process.send_signal(number)
            time.sleep(0.1)
        assert server.wait(10) == code
        assert (answer.result().status, [*answer.result().json]) == (503, ["error"])
    assert sum(f"1 running request cancelled: {why}" in line for line in server.lines) == 1
    assert not any("Traceback" in line for line in server.lines)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_an_access_log_that_cannot_be_written_is_one_line(monkeypatch, capfd):
    import logging

    from warmstart.serve.logs import write_logs

    with io.TextIOWrapper(io.FileIO("/dev/full", "w"), write_through=True) as full:
        monkeypatch.setattr(sys, "stdout", full)
        with write_logs():
            for _ in range(3):
                logging.getLogger("warmstart.serve.access").info("{}")
    (line,) = capfd.readouterr().err.splitlines()
    assert "No space left" in line


def test_a_port_in_use_is_reported_before_models_are_loaded():
    import socket
    import subprocess

    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        command = [sys.executable, "-m", "warmstart", "serve", "no_such_model", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "in use" in done.stderr
    assert "--port" in done.stderr
    assert "no_such_model" not in done.stderr
    assert "Traceback" not in done.stderr


def test_sighup_drains(cat):
    with running(str(CIFAR), "--drain", "1") as server:
        client = Client(server.address)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: client.get("/v2/health/ready").status == 503)
        answer = client.post("/v1/predict/cifar10_resnet20", cat, Content_Type="image/jpeg")
        assert answer.status == 200
        assert server.wait(30) == 0


def test_metrics_of_the_process():
    with running(str(CIFAR)) as server:
        metrics = Client(server.address).get("/metrics").body.decode()
    for name in ("process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total"):
        assert f"\n{name} " in metrics
