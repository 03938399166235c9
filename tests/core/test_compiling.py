"""Compiling as users meet it: other precisions, many processes at once, a kill in the middle."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from tests.optional import require_bfloat16
from tests.photos import CIFAR

import warmstart as ws
from warmstart.core.compiling import run_job
from warmstart.core.precision_comparison import compare_precisions
from warmstart.core.weights import Weights
from warmstart.engines import store
from warmstart.errors import CacheError, CompileError, UsageError

pytestmark = pytest.mark.tensorflow
OWN_PROCESS = (sys.executable, "-m", "warmstart.core.compile_job")
PHOTO = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)


def test_int8_is_compared_with_float32(model, photos):
    small = ws.load(CIFAR, precision="int8")
    compared = compare_precisions(small, model, photos)
    assert compared.count == 5
    assert compared.real
    assert 0 < compared.difference < 0.2
    assert compared.ratio == compared.milliseconds / compared.float32_milliseconds
    assert small.artifact.size_on(small.engine.name) < model.artifact.size_on(model.engine.name)
    assert not compare_precisions(small, model).real
    with pytest.raises(UsageError, match="same model"):
        compare_precisions(small, ws.load(CIFAR, weights=None))


def test_bfloat16_runs_on_openvino_and_is_close(model):
    require_bfloat16()
    rough = ws.load(CIFAR, precision="bfloat16")
    assert rough.engine.name == "openvino"
    want = {p.index: p.score for p in model(PHOTO, top_k=10)}
    assert {p.index: p.score for p in rough(PHOTO, top_k=10)} == pytest.approx(want, abs=0.1)


def test_processes_compile_the_same_model_once():
    code = (
        "from tests.warm_compiler import use; use()\n"
        f"import warmstart as ws, numpy as np; m = ws.load({str(CIFAR)!r}, weights=None); stages = []\n"
        "m.on_stage = stages.append; m(np.zeros((32, 32, 3), np.uint8)); print(len(stages))"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    outputs = [worker.communicate(timeout=200) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4, outputs
    assert sum(int(stages) > 0 for stages, _ in outputs) == 1


def test_a_killed_compilation_leaves_nothing_that_loads(model):
    code = (
        f"import warmstart as ws, numpy as np; m = ws.load({str(CIFAR)!r}, weights=None)\n"
        "m.on_stage = lambda s: print(s, flush=True); m(np.zeros((32, 32, 3), np.uint8))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    for line in process.stdout:
        if "converting" in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    untrained = ws.load(CIFAR, weights=None)
    assert not untrained.is_compiled()
    start = time.monotonic()
    assert len(untrained(PHOTO)) == 5  # the dead process' lock does not hold us up
    assert time.monotonic() - start < 120


def test_an_error_in_the_other_process_is_raised_here(model, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(model.weights.path.read_bytes()[:5000])
    with pytest.raises(ws.errors.CheckpointError, match=r"broken\.safetensors"):
        ws.load(CIFAR, weights=broken)(PHOTO)


def test_a_crash_of_the_other_process_is_told(model, tmp_path, monkeypatch):
    monkeypatch.setattr("warmstart.core.compiling.COMPILER", ("/bin/false",))
    with pytest.raises(
        CompileError, match="Compiling cifar10_resnet20 ended with code 1: it left no message"
    ):
        run_job(model.entry, Weights(None, "x"), "float32", tmp_path, lambda stage: None)


def test_compile_command(run, photos):
    done = run("compile", CIFAR, "nonsense", "--precision", "int8", "--check", photos)
    assert done.code == 1
    assert "nonsense" in done.err
    assert "on 5 photos" in done.out
    assert "of the float32 time" in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mobilnet",), "did you mean mobilenet"),
        (("mobilnet", "nonsense"), "no model named 'nonsense'"),
        (("mobilenet_v2", "--engine", "nope"), "no engine 'nope'"),
        (("mobilenet_v2", "--precision", "nope"), "no precision 'nope'"),
        (("mobilenet_v2", "--agreement", "2"), "--agreement"),
        (("mobilenet_v2",), "cannot be fetched"),
    ],
    ids=" ".join,
)
def test_where_nothing_was_compiled_the_exit_code_is_2(run, arguments, message):
    done = run("compile", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_a_model_that_cannot_be_compiled_is_exit_code_1(run, monkeypatch):
    monkeypatch.setattr("warmstart.core.compiling.COMPILER", ("/bin/false",))
    done = run("compile", CIFAR, "--weights", "random")
    assert done.code == 1
    assert "it left no message" in done.err


def test_artifact_records_what_made_it(model):
    untrained = ws.load(CIFAR, weights=None)
    record = json.loads((untrained.artifact.folder / "artifact.json").read_text())
    assert record["model"] == "cifar10_resnet20"
    assert record["made_with"].keys() == {"tensorflow", "keras"}
    assert max(record["differences"].values()) <= 1e-4
    assert store.find("nothing") is None


@pytest.mark.parametrize("option", ["--calibration", "--agreement"])
def test_only_int8_and_auto_take_calibration_options(option, run):
    for precision in ("float32", "bfloat16"):
        done = run("compile", CIFAR, "--precision", precision, option, "0.9")
        assert done.code == 2
        assert f"{option} needs --precision int8 or auto." in done.err


@pytest.fixture
def no_home(tmp_path, monkeypatch):
    """A cache that cannot be written, also by root: a file is where its folder should be."""
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("WARMSTART_HOME", str(tmp_path / "file" / "home"))


@pytest.mark.usefixtures("no_home")
def test_without_a_cache_keras_answers_everything(capsys):
    untrained = ws.load(CIFAR, weights=None)
    first, second = untrained(PHOTO), untrained(PHOTO)
    assert first == second
    assert len(list(untrained.stream([PHOTO, PHOTO]))) == 2
    assert untrained.features(PHOTO).shape == (untrained.feature_size,)
    assert untrained.engine.name == "keras"
    assert capsys.readouterr().err.count("Keras predicts") == 1
    with pytest.raises(CacheError, match="WARMSTART_HOME"):
        untrained.artifact  # noqa: B018 (compiles)
    with pytest.raises(CacheError, match="WARMSTART_HOME"):
        ws.load(CIFAR, weights=None, engine="litert")(PHOTO)


def test_a_full_disk_is_one_sentence(monkeypatch):
    """Files may have 10 kB, in this process and in the one that compiles."""
    resource = pytest.importorskip("resource")
    monkeypatch.setattr("warmstart.core.compiling.COMPILER", OWN_PROCESS)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))
    try:
        with pytest.raises(CacheError) as caught:
            ws.load(CIFAR, weights=None).artifact  # noqa: B018 (compiles)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    message = str(caught.value)
    assert message.startswith(f"no space is left for {store.root()}")
    assert "WARMSTART_HOME" in message
    assert len(message.splitlines()) == 1
    assert not [path for path in store.root().iterdir() if path.is_dir()]
