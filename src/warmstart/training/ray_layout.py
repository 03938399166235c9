"""How many workers a fine-tuning on Ray has, and what each of them gets of its machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from warmstart.errors import UsageError


@dataclass(frozen=True)
class Machine:
    """A machine of the cluster: its processors and GPUs."""

    cpus: int
    gpus: int = 0


@dataclass(frozen=True)
class Layout:
    """The number of workers; the processors and GPUs of each."""

    workers: int
    cpus: int
    gpus: int = 0


def layout(
    machines: Sequence[Machine], *, workers: int | None, cpus: int | None, device: str = "auto"
) -> Layout:
    """What fits on the machines: Ray would wait forever for a worker that none has room for.

    Args:
        machines: of the cluster.
        workers: default: one for each GPU; without GPUs one for each machine, or as many as have
            `cpus` processors.
        cpus: of each worker; default: as many as the machines have for all workers.
        device: "auto": workers have a GPU each if the cluster has enough; "cpu": none; "gpu": it
            must have enough.

    Raises:
        UsageError: the cluster is too small.
    """
    gpus = sum(machine.gpus for machine in machines)
    on_gpu = device != "cpu" and gpus >= (workers or 1)
    if device == "gpu" and not on_gpu:
        needed = f"{_counted(workers or 1)} with one each"
        raise UsageError(
            f"The cluster has {gpus} GPUs, too few for {needed}: ask for fewer workers, or leave out "
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
        own = " + ".join(str(machine.cpus) for machine in machines) or "no"
        needed = f"{_counted(max(workers, 1))} of {cpus or 1}"
        raise UsageError(
            f"The cluster has {own} processors, too few for {needed}: ask for fewer workers, or "
            "fewer cpus."
        )
    return Layout(workers, fitting, int(on_gpu))


def _counted(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"
