"""The processor of this machine, and the versions of the engines."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from functools import cache

INSTRUCTION_SETS = ("flags", "Features")  # the keys in /proc/cpuinfo, on x86 and on ARM


def digest() -> str:
    """A digest of this CPU, the number of threads, and the engines' versions."""
    parts = [
        platform.machine(),
        processor(),
        str(usable_cpus()),
        *map(version, ("ai-edge-litert", "openvino")),
    ]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:20]


def processor() -> str:
    """A line that names the CPU."""
    return _line("model name", *INSTRUCTION_SETS) or platform.processor()


def instruction_sets() -> str:
    """A line that lists the CPU's instruction sets, or else names the CPU."""
    return _line(*INSTRUCTION_SETS) or processor()


def _line(*starts: str) -> str:
    """The first line of /proc/cpuinfo that starts with one of these; "" if there is none."""
    with (
        contextlib.suppress(OSError),
        open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file,
    ):
        for line in file:
            if line.startswith(starts):
                return line.strip()
    return ""


def usable_cpus() -> int:
    """The CPUs that this process may run on (an affinity mask or a container may exclude some)."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@cache
def version(package: str) -> str:
    """The version of an installed package, or "none"."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
