"""Several tools that do the same work, each in a process of its own, measured in turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from figures import Figure
from measure import ratio
from settings import log
from workers import Worker, WorkerError

Times = dict[str, list[float]]
"""Milliseconds of a call in each round, by the name of the tool."""


class Race:
    """The processes of several tools.

    Args:
        stack: ends the processes.

    Attributes:
        workers: by the name of the tool, in the order of the charts.
        missing: the reason why a tool is left out, by its name.
    """

    def __init__(self, stack: ExitStack):
        self._stack = stack
        self.workers: dict[str, Worker] = {}
        self.missing: dict[str, str] = {}

    def add(self, name: str, start: Callable[[], Worker], *, converts: bool = False) -> None:
        """Start a process; one that fails is left out, except the first, which is needed.

        Args:
            converts: whether its first start compiles or converts, in a process of its own, so that
                the memory of this does not count.
        """
        log(name)
        try:
            if converts:
                start().close()
            self.workers[name] = self._stack.enter_context(start())
        except (WorkerError, FileNotFoundError) as error:
            if not self.workers:
                raise
            self.missing[name] = " ".join(str(error).split())[:200]
            log(f"{name} is left out: {self.missing[name]}")

    def times(self, what: str, rounds: int, calls: int = 1) -> Times:
        """Time a call of each tool that has it; the first round only warms up, and each begins with
        another tool.
        """
        names = [name for name, worker in self.workers.items() if what in worker.info["calls"]]
        times: Times = {name: [] for name in names}
        for number in range(rounds + 1):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                each = self.workers[name].time(what, calls, warm=False)
                if number:
                    times[name].append(statistics.median(each))
        return times

    @property
    def left_out(self) -> str:
        """The end of a note that names the missing tools."""
        return "".join(f"; {name} left out: {why}" for name, why in self.missing.items())


def speeds(
    part: int,
    what: str,
    times: Times,
    amount: float,
    *,
    bars: Mapping[str, float] | None = None,
    note: str = "",
) -> list[Figure]:
    """The speed of the first tool relative to each other one; one chart of all.

    Args:
        part, what: of the figures.
        times: of the tools.
        amount: that a call works through, such as tokens; the chart has amounts per second.
        bars: the minimum ratio by the name of the tool; default: 1.
        note: of the first figure.
    """
    ours, *peers = times
    rates = {name: amount / statistics.median(each) * 1e3 for name, each in times.items()}
    figures = []
    for peer in peers:
        ratios = [b / a for a, b in zip(times[ours], times[peer], strict=True)]
        figure = Figure(
            part,
            f"{what}: speed relative to {peer}",
            ratio(times[peer], times[ours]),
            bar=(bars or {}).get(peer, 1.0),
            at_least=True,
            note="" if figures else note,
            spread=(min(ratios), max(ratios)),
            values={} if figures else rates,
            values_unit="per second",
        )
        figures.append(figure)
    return figures


def memory(part: int, what: str, race: Race, names: Sequence[str]) -> Figure:
    """Peak memory of the first of these processes, against the smallest of the others."""
    peaks = {name: race.workers[name].peak_mb() for name in names}
    ours, *peers = names
    least = min(peers, key=lambda name: peaks[name])
    return Figure(
        part,
        f"{what}: peak memory against {least}",
        peaks[ours] / peaks[least],
        bar=1.0,
        note="imports, loading and all calls",
        values=peaks,
        values_unit="MB",
    )
