"""Parts 1, 2 and 8: whole processes, what they import, and what an installation takes on disk."""

from __future__ import annotations

import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from figures import Figure
from measure import disk_bytes, ratio, time_process
from settings import ROOT, Settings, log

EMBEDDED = "efficientnet_lite0"
TOOLS = (
    "pip",
    "setuptools",
    "wheel",
    "_distutils_hack",
    "distutils-precedence.pth",
    "pkg_resources",
)


def whole_process(settings: Settings) -> Iterator[Figure]:
    """Part 1: the installed command on one photo beside `python -c "import tensorflow"`, in turns."""
    command = _console_script(Path(sysconfig.get_path("scripts")))
    predict = [str(command), "predict", str(settings.photo), "--model", EMBEDDED]
    unnamed = [str(command), "predict", str(settings.photo)]
    tensorflow = [sys.executable, "-c", "import tensorflow"]
    nothing = [sys.executable, "-c", "pass"]
    warm, offline = settings.environment, {**settings.environment, "WARMSTART_OFFLINE": "1"}
    times: dict[str, list[float]] = {
        name: [] for name in ("warm", "cold", "unnamed", "tensorflow", "python")
    }
    for number in range(settings.processes + 1):
        log(f"whole processes, round {number} of {settings.processes}")
        with tempfile.TemporaryDirectory(dir=settings.scratch) as empty:
            measured = {
                "warm": time_process(predict, warm),
                "tensorflow": time_process(tensorflow, warm),
                "cold": time_process(predict, {**warm, "WARMSTART_HOME": empty}),
                "unnamed": time_process(unnamed, {**offline, "WARMSTART_HOME": empty}),
                "python": time_process(nothing, warm),
            }
        if number:  # the first round fills the system's file cache and the .pyc files
            for name, value in measured.items():
                times[name].append(value)
    medians = {name: statistics.median(values) / 1e3 for name, values in times.items()}
    against = (
        f"import tensorflow {medians['tensorflow']:.2f} s, an empty python {medians['python']:.2f} s; "
        f"medians of {settings.processes}"
    )
    what = (
        f"`warmstart predict PHOTO --model {EMBEDDED}`, whole process, against `import tensorflow`"
    )
    yield Figure(
        1,
        what,
        ratio(times["warm"], times["tensorflow"]),
        bar=0.25,
        note=f"{medians['warm']:.2f} s; {against}",
    )
    yield Figure(
        1,
        "the same, its first run (empty WARMSTART_HOME)",
        ratio(times["cold"], times["tensorflow"]),
        note=f"{medians['cold']:.2f} s",
    )
    yield Figure(
        1,
        "the same without --model, offline",
        ratio(times["unnamed"], times["tensorflow"]),
        note=f"{medians['unnamed']:.2f} s",
    )


def imports(settings: Settings) -> Iterator[Figure]:
    """Part 2: `tensorflow` in `sys.modules` after predicting with a compiled model."""
    stored = settings.models[0] if "mobilenet_v2" not in settings.models else "mobilenet_v2"
    log(f"compiling {stored}, if it is not in the store")
    with settings.worker("modules", model=stored, weights=None, photo=str(settings.photo)):
        pass
    cases: dict[str, dict[str, Any]] = {
        f"the embedded model, {EMBEDDED}": {"model": EMBEDDED, "weights": "pretrained"},
        f"a compiled model of the store, {stored}": {"model": stored, "weights": None},
    }
    for case, job in cases.items():
        with settings.worker("modules", photo=str(settings.photo), **job) as worker:
            modules = worker.info["imported"]
        yield Figure(
            2,
            f"`tensorflow` or `keras` in `sys.modules` after predicting with {case}",
            len(modules),
            "times",
            bar=0,
            note=", ".join(modules[:3]),
        )


def installation(settings: Settings) -> Iterator[Figure]:
    """Part 8: the base package with everything it depends on, in a virtual environment of its own."""
    with tempfile.TemporaryDirectory(dir=settings.scratch) as folder:
        log("installing the base package into a fresh virtual environment")
        time_process([sys.executable, "-m", "venv", folder], settings.environment)
        python = str(
            _console_script(Path(folder) / Path(sysconfig.get_path("scripts")).name, "python")
        )
        before = sum(disk_bytes(Path(folder)).values())
        time_process(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(ROOT)],
            settings.environment,
        )
        packages = Path(_output(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))
        sizes = disk_bytes(packages, skip=_is_tool)
        total = sum(disk_bytes(Path(folder)).values())
        present = _output(
            python,
            "from importlib.util import find_spec as f; print(f('tensorflow') or f('keras'))",
        )
        if present != "None":
            raise RuntimeError(f"the base package installs {present}")
        command = _console_script(Path(python).parent)
        predict = [str(command), "predict", str(settings.photo), "--model", EMBEDDED]
        seconds = [
            time_process(predict, settings.environment) / 1e3 for _ in range(settings.processes + 1)
        ][1:]
    largest = sorted(sizes.items(), key=lambda pair: -pair[1])[:6]
    listed = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in largest)
    yield Figure(
        8,
        "base install, without TensorFlow, on disk",
        sum(sizes.values()) / 1e6,
        "MB",
        bar=260,
        note=f"site-packages without pip and setuptools; largest: {listed}",
    )
    yield Figure(
        8,
        "the whole virtual environment",
        total / 1e6,
        "MB",
        note=f"empty it has {before / 1e6:.0f} MB",
    )
    yield Figure(
        8,
        "`warmstart predict` in it, whole process",
        statistics.median(seconds),
        "s",
        note=f"median of {len(seconds)}",
    )


def _is_tool(name: str) -> bool:
    package = name.split("-")[0]
    return name in TOOLS or (package in TOOLS and name.endswith(".dist-info"))


def _console_script(folder: Path, name: str = "warmstart") -> Path:
    for candidate in (folder / name, folder / f"{name}.exe"):
        if candidate.exists():
            return candidate
    raise RuntimeError(f"{folder} has no {name}; install the project into this environment first")


def _output(python: str, code: str) -> str:
    return subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
