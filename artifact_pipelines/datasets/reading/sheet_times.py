"""Days, times and durations of a spreadsheet, which stores all of them as numbers, as texts."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

_SERIAL = "____-__-__ %"  # written as a number; as text, a date has a T
_MIDNIGHT, _NO_DAY, _ODD_DAY, _DAY_OF_1904 = " 00:00:00", "1899-12-31 ", "1900-02-28 ", "1904-01-01 "


def doubtful_days(texts: pa.ChunkedArray) -> Mapping[str, pa.ChunkedArray]:
    """Return what two dates may have become: spreadsheets take 1900 for a leap year, and count from two days.

    Returns:
        What is expected instead, and which texts are in doubt.
    """
    is_before = pc.and_(pc.less(texts, _NO_DAY), pc.match_like(texts, _SERIAL))
    is_time = pc.and_(pc.starts_with(texts, _DAY_OF_1904), pc.invert(pc.ends_with(texts, _MIDNIGHT)))
    return {
        "a date after 1900-02-28, because Excel has a 1900-02-29 too": pc.starts_with(texts, _ODD_DAY),
        "a date of 1900 or later, because programs count earlier days in different ways": is_before,
        "a moment after 1904-01-01, where workbooks that count from 1904 put times without a day": is_time,
    }


def times_of_day(texts: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str]:
    """Return moments without a day as times of day, and the kind of them all."""
    is_time = pc.starts_with(texts, _NO_DAY)
    if not pc.any(is_time).as_py():
        return texts, "datetime"
    times = pc.utf8_slice_codeunits(texts, len(_NO_DAY))
    return pc.if_else(is_time, times, texts), "datetime" if pc.all(is_time).as_py() else "string"


def duration_texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return durations as a sheet shows them: hours, minutes, seconds."""
    return pa.chunked_array(
        [pa.array([_duration(value) for value in values.cast(pa.int64()).to_pylist()], pa.string())]
    )


def _duration(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    seconds, rest = divmod(abs(milliseconds), 1_000)
    fraction = f".{rest:03}" if rest else ""
    sign = "-" if milliseconds < 0 else ""
    return f"{sign}{seconds // 3_600}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


def days_only(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return moments as days, if all are at midnight."""
    if not pc.all(pc.ends_with(texts, _MIDNIGHT)).as_py():
        return texts
    return pc.utf8_slice_codeunits(texts, 0, -len(_MIDNIGHT))
