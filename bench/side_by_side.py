"""Times competitors in turn, in one process and on one disk, so that their ratio means something on any machine."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping


def machine() -> str:
    """Describe this machine: no figure means anything without it."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} cores, {memory_gb:.0f} GB of memory, Linux {platform.release()}"


def side_by_side(
    competitors: Mapping[str, Callable[[], object]], rounds: int, clean_up: Callable[[], object]
) -> Mapping[str, float]:
    """Return the median time of each competitor, in seconds, over rounds in which each has its turn.

    Before each turn the files of the last one are removed and the disk is synced, so nobody pays for the dirty pages of
    another one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in competitors}
    for _ in range(rounds):
        for name, run in competitors.items():
            clean_up()
            os.sync()
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    clean_up()
    return {name: statistics.median(measured) for name, measured in seconds.items()}
