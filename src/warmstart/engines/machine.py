"""The processor of this machine, and the versions of the engines."""

from __future__ import annotations

import contextlib
import hashlib
import platform

from warmstart.engines.litert import usable_cpus


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
    with (
        contextlib.suppress(OSError),
        open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file,
    ):
        for line in file:
            if line.startswith(("model name", "flags", "Features")):
                return line.strip()
    return platform.processor()


def version(package: str) -> str:
    """The version of an installed package, or "none"."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
