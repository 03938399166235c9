"""The number of workers of a fine-tuning run on Ray, and the resources of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from warmstart.counts import counted
from warmstart.errors import UsageError


@dataclass(frozen=True)
class Machine:
    """A machine of the cluster: its processors and GPUs."""

    cpus: int
    gpus: int = 0


@dataclass(frozen=True)
class Layout:
    """The number of workers, and the processors and GPUs of each."""

    workers: int
    cpus: int
    gpus: int = 0


def layout(
    machines: Sequence[Machine], *, workers: int | None, cpus: int | None, device: str = "auto"
) -> Layout:
    """The workers that fit on the machines; Ray would wait forever for one that fits on none.

    Args:
        machines: of the cluster.
        workers: default: one per GPU; without GPUs one per machine, or as many as fit with `cpus`
            processors each.
        cpus: of each worker; default: as many as all workers can have.
        device: "auto": each worker has a GPU if the cluster has enough; "cpu": none has; "gpu":
            the cluster must have enough.

    Raises:
        UsageError: the cluster is too small.
    """
    gpus = sum(machine.gpus for machine in machines)
    on_gpu = device != "cpu" and gpus >= (workers or 1)
    if device == "gpu" and not on_gpu:
        needed = f"{counted(workers or 1, 'worker')} with one each"
        raise UsageError(
            f"The cluster has {counted(gpus, 'GPU')}, too few for {needed}: request fewer workers, or leave out "
            "device='gpu'."
        )

    def capacity(cpus: int) -> int:
        return sum(
            min(machine.cpus // cpus, machine.gpus) if on_gpu else machine.cpus // cpus
            for machine in machines
        )

    if workers is None:
        workers = (
            capacity(cpus or 1) if on_gpu or cpus else sum(machine.cpus > 0 for machine in machines)
        )
    most = max((machine.cpus for machine in machines), default=0)
    sizes = [cpus] if cpus else range(most, 0, -1)
    fitting = next((size for size in sizes if capacity(size) >= max(workers, 1)), None)
    if fitting is None:
        available = " + ".join(str(machine.cpus) for machine in machines) or "no"
        needed = f"{counted(max(workers, 1), 'worker')} of {cpus or 1}"
        raise UsageError(
            f"The cluster has {available} processors, too few for {needed}: request fewer workers, or "
            "fewer cpus."
        )
    return Layout(workers, fitting, int(on_gpu))
