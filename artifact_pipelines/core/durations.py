"""Durations as people write them: `90s`, `15m`, `24h`, `30d`, `2w`. Standard library only."""

import re

from artifact_pipelines.core.exceptions import InvalidArgumentError

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([smhdw])", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_TEN_YEARS_S = 315_360_000.0


def parse_duration_s(text: str, parameter: str) -> float:
    """Return a duration in seconds.

    Args:
        text: Such as `24h`.
        parameter: What it is for, to name it in an error.

    Raises:
        InvalidArgumentError: It is no duration of ten years at the most.
    """
    match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    seconds = float(match[1]) * _UNIT_S[match[2]] if match else -1.0
    if not 0 <= seconds <= _TEN_YEARS_S:
        raise InvalidArgumentError(parameter, text, "a duration such as 15m, 24h, 30d or 2w, of ten years at the most")
    return seconds


def spell_duration(seconds: float) -> str:
    """Return a duration in the largest unit of which it has two, such as `36h`."""
    unit = next((unit for unit in "wdhm" if seconds >= 2 * _UNIT_S[unit]), "s")
    return f"{seconds / _UNIT_S[unit]:.0f}{unit}"
