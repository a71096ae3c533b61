"""Numbers and times on axes, short enough for people: 1.2M instead of 1,234,567."""

import datetime
import math
from collections.abc import Sequence

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_MOST_TICKS = 4
_MOST_DECIMALS = 9
_SAME = 1e-9


def compact(number: float) -> str:
    """Return a number with three digits that matter and a metric prefix; integers below 10,000 in full."""
    size = abs(number)
    if not math.isfinite(number) or size >= 1e15 or 0 < size < 1e-3:
        return f"{number:.2e}".replace("e-0", "e-").replace("e+0", "e+") if math.isfinite(number) else f"{number}"
    if size < 10_000 and number == int(number):
        return f"{int(number)}"  # without a comma: it may be a year
    for scale, prefix in _PREFIXES:
        if size >= scale * 0.9995 and size >= 9_999.5:
            return f"{number / scale:.3g}{prefix}" if size / scale < 999.5 else f"{number / scale:.0f}{prefix}"
    return f"{number:.3g}" if size < 999.5 else f"{number:.0f}"


def told_apart(low: float, high: float) -> tuple[str, str]:
    """Return two numbers in short, or with the decimals that they differ in: 5,290,024 and 5,290,031."""
    if low == high or compact(low) != compact(high):
        return compact(low), compact(high)
    forms = ((f"{low:,.{digits}f}", f"{high:,.{digits}f}") for digits in range(_MOST_DECIMALS))
    return next((form for form in forms if form[0] != form[1]), (compact(low), compact(high)))


def with_commas(number: float, form: str = "") -> str:
    """Return a number with commas if its integer part has five digits or more: one of four may be a year.

    Args:
        form: The rest of its format, such as `.2f`.
    """
    text = f"{number:,{form}}"
    return text if len(text.partition(".")[0].lstrip("-")) > len("9,999") else text.replace(",", "")


def ticks(low: float, high: float) -> list[float]:
    """Return up to five round numbers from at most `low` to at least `high`."""
    if high - low <= _SAME * max(abs(low), abs(high)):
        low, high = low - abs(low or 1) / 2, high + abs(high or 1) / 2
    step = _round_step((high - low) / _MOST_TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{step * at:.12g}") for at in range(first, last + 1)]


def _round_step(least: float) -> float:
    scale: float = 10.0 ** math.floor(math.log10(least))
    return next(step * scale for step in (1, 2, 2.5, 5, 10) if step * scale >= least * (1 - 1e-9))


def seconds(time: str) -> float:
    """Return the place of a date or time, as ISO 8601 writes it, on a time axis."""
    found = datetime.datetime.fromisoformat(time)
    moment = found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)).total_seconds()


def times_shown(times: Sequence[str]) -> list[str]:
    """Return times with the digits that tell them apart: days, or minutes."""
    is_days = all(each[10:].strip("T0:.+Z") == "" for each in times) or len({each[:10] for each in times}) > 2
    return [each[:10] if is_days else each[5:16].replace("T", " ") for each in times]
