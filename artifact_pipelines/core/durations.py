"""Reads and writes durations such as `90s`, `15m`, `24h`, `30d` and `2w`. Standard library only."""

import re

from artifact_pipelines.core.exceptions import InvalidArgumentError

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([smhdw])", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_TEN_YEARS_S = 315_360_000.0


def parse_duration_s(text: str, parameter: str) -> float:
    """Return a duration in seconds.

    Args:
        text: For example `24h`.
        parameter: Name of the setting, for errors.

    Raises:
        InvalidArgumentError: It is not a duration, or longer than ten years.
    """
    match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    seconds = float(match[1]) * _UNIT_S[match[2]] if match else -1.0
    if not 0 <= seconds <= _TEN_YEARS_S:
        raise InvalidArgumentError(parameter, text, "a duration such as 15m, 24h, 30d or 2w, and at most ten years")
    return seconds


def spell_duration(seconds: float) -> str:
    """Return a duration such as `36h`, in the largest unit that gives a number of at least 2."""
    unit = next((unit for unit in "wdhm" if seconds >= 2 * _UNIT_S[unit]), "s")
    return f"{seconds / _UNIT_S[unit]:.0f}{unit}"
