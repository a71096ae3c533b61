"""Times competitors in turn, in one process and on one disk, so that their ratio means something on any machine."""

import os
import pathlib
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Cost(NamedTuple):
    """Seconds on the clock, and of processors, user and system, in all threads of this process."""

    clock_s: float
    processor_s: float


def machine() -> str:
    """Describe this machine: no figure means anything without it."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} cores, {memory_gb:.0f} GB of memory, Linux {platform.release()}"


def peak_mib() -> float:
    """Return the most memory that this process has had.

    Not `ru_maxrss`: that one includes the memory of the process that started this one.
    """
    status = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024


def side_by_side(
    competitors: Mapping[str, Callable[[], object]], rounds: int, clean_up: Callable[[], object]
) -> Mapping[str, float]:
    """Return the median time of each competitor on the clock, in seconds, as `measure_costs` does."""
    return {name: cost.clock_s for name, cost in measure_costs(competitors, rounds, clean_up).items()}


def measure_costs(
    competitors: Mapping[str, Callable[[], object]], rounds: int, clean_up: Callable[[], object]
) -> Mapping[str, Cost]:
    """Return the median costs of each competitor, over rounds in which each has its turn.

    Before each turn the files of the last one are removed and the disk is synced, so nobody pays for the dirty pages of
    another one. On a busy machine, trust the processor's time.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in competitors}
    for _ in range(rounds):
        for name, run in competitors.items():
            clean_up()
            os.sync()
            start = Cost(time.perf_counter(), time.process_time())
            run()
            costs[name].append(Cost(time.perf_counter() - start.clock_s, time.process_time() - start.processor_s))
    clean_up()
    return {name: Cost(*map(statistics.median, zip(*measured, strict=True))) for name, measured in costs.items()}
