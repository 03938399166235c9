"""Timing that is robust on a noisy machine: whatever is compared is measured in turns, and medians
are compared.
"""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

os.environ.setdefault("WARMSTART_FIRST_CALL", "wait")  # nothing is compiled while it is measured

Timer = Callable[[int], Sequence[float]]  # number of calls -> milliseconds of each
PACKAGES = (
    "warmstart",
    "numpy",
    "pillow",
    "ai-edge-litert",
    "openvino",
    "tensorflow",
    "keras",
    "onnxruntime",
    "onnx",
    "tf2onnx",
)


def turns(timers: Mapping[str, Timer], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Measure all timers in rounds; one value (the median of its calls) per timer and round.

    A slow minute of the machine then slows all of them, and `ratio` divides it out.

    Args:
        timers: by name. Each round begins with another one, so that none is always first.
        rounds: at least 1.
        seconds: about how long each timer is measured per round; at least 3 calls.
    """
    names = list(timers)
    counts = {name: calls_for(seconds, min(timers[name](2))) for name in names}
    values: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            values[name].append(statistics.median(timers[name](counts[name])))
    return values


def calls_for(seconds: float, milliseconds: float) -> int:
    """The number of calls of this length that fill the time; 3 to 200."""
    return max(3, min(200, round(seconds * 1e3 / max(milliseconds, 1e-3))))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over the rounds of ours divided by theirs.

    Raises:
        ValueError: the two were not measured in the same rounds, or never.
    """
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def fastest(values: Mapping[str, Sequence[float]]) -> str:
    """The name whose median is lowest."""
    return min(values, key=lambda name: statistics.median(values[name]))


def time_process(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Milliseconds from starting a process to its end.

    Raises:
        RuntimeError: it did not end with code 0; its last words are in the message.
    """
    start = time.perf_counter()
    done = subprocess.run(
        command, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    elapsed = (time.perf_counter() - start) * 1e3
    if done.returncode:
        words = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise RuntimeError(
            f"{' '.join(command[:3])} … ended with code {done.returncode}: {words[-400:]}"
        )
    return elapsed


def disk_bytes(folder: Path, skip: Callable[[str], bool] = lambda name: False) -> dict[str, int]:
    """Bytes on disk by name of the folder's entries; in blocks if the system reports them, and with
    links counted once.
    """
    seen: set[tuple[int, int]] = set()

    def walk(path: Path) -> int:
        info = path.lstat()
        if (info.st_dev, info.st_ino) in seen:
            return 0
        seen.add((info.st_dev, info.st_ino))
        blocks = getattr(info, "st_blocks", None)
        own = info.st_size if blocks is None else blocks * 512
        if path.is_dir() and not path.is_symlink():
            own += sum(walk(child) for child in path.iterdir())
        return own

    return {entry.name: walk(entry) for entry in sorted(folder.iterdir()) if not skip(entry.name)}


def machine() -> dict[str, str]:
    """The machine on which the figures were measured."""
    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"
    return {
        "processor": f"{_cpu()}, {usable_cpus()} logical cores usable",
        "memory": _memory(),
        "system": f"{_system()}, {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load average before the run": load,
    }


def versions() -> dict[str, str]:
    """The installed versions of everything that is measured."""
    found = {}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def usable_cpus() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _cpu() -> str:
    fields = dict(_fields(Path("/proc/cpuinfo")))
    name = fields.get("model name") or platform.processor() or "unknown processor"
    flags = fields.get("flags", "").split()
    known = [
        flag
        for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
        if flag in flags
    ]
    return f"{name} ({', '.join(known)})" if known else name


def _memory() -> str:
    kilobytes = dict(_fields(Path("/proc/meminfo"))).get("MemTotal", "").split()
    return f"{int(kilobytes[0]) / 2**20:.0f} GiB" if kilobytes else "unknown"


def _system() -> str:
    try:
        name = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return platform.platform()
    return f"{name}, {platform.system()} {platform.release()}"


def _fields(path: Path) -> Iterator[tuple[str, str]]:
    with contextlib.suppress(OSError):
        for line in path.read_text("utf-8", "replace").splitlines():
            name, _, value = line.partition(":")
            yield name.strip(), value.strip()
