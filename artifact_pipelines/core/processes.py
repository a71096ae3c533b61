"""Tells whether a process still lives. An ID alone does not: the system gives it again, often to a similar process."""

import os
import pathlib
import time

_PROC = pathlib.Path("/proc")


def boot_id() -> str | None:
    """Return a text that names this boot of the system; None without `/proc` (on macOS)."""
    try:
        return _PROC.joinpath("sys/kernel/random/boot_id").read_text().strip()
    except FileNotFoundError:
        return None


def process_identity(pid: int) -> str | None:
    """Return a text that no other process ever has: ID, boot, time of start; None if no such process lives.

    Without `/proc` (on macOS) it is the ID alone.
    """
    if not _PROC.joinpath("self", "stat").exists():
        return f"{pid}" if _exists(pid) else None
    try:
        state, *_, started = _stat(pid)
    except OSError:
        return None
    return None if state in "ZX" else f"{pid} {boot_id()} {started}"


def process_start_s(pid: int) -> float:
    """Return how long after the boot a living process started; 0 if the system does not say."""
    try:
        return int(_stat(pid)[-1]) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return 0.0


def booted_at_s() -> float:
    """Return the time of the boot in seconds since 1970, as the clock shows now: it moves when the clock is set."""
    # Not /proc/uptime: containers may show a time of their own there.
    return time.time() - time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _stat(pid: int) -> list[str]:
    """Return the fields from state to start time of a process, in clock ticks since the boot."""
    return _PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()[:20]  # the name may hold anything


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
