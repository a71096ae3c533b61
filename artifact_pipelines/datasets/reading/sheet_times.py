"""Days, times and durations of a spreadsheet, which stores all of them as numbers, as texts."""

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from artifact_pipelines.datasets.reading.sheet_fractions import later, microseconds_later

_SERIAL = "____-__-__ %"  # written as a number; as text, a date has a T
_IS_SERIAL = re.compile(r"\d{4}-\d\d-\d\d [\d:.]+")
_ISO = re.compile(r'DurationIso\("(-?)PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(\.\d+)?S)?"\)')
_MIDNIGHT, _NO_DAY, _ODD_DAY, _DAY_OF_1904 = " 00:00:00", "1899-12-31 ", "1900-02-28 ", "1904-01-01 "


def doubtful_days(texts: pa.ChunkedArray) -> Mapping[str, pa.ChunkedArray]:
    """Return what two dates may have become: spreadsheets take 1900 for a leap year, and count from two days.

    Returns:
        The doubtful texts, by what is expected instead.
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


def has_moments(texts: pa.ChunkedArray) -> bool:
    """True if a text is a moment that is stored as a number."""
    return bool(pc.any(pc.match_like(texts, _SERIAL)).as_py())


def with_fractions(texts: pa.ChunkedArray, of_day: Sequence[int | None]) -> pa.ChunkedArray:
    """Return moments in milliseconds as they are in microseconds.

    Args:
        of_day: Microseconds of the day; None: the text is right.
    """
    pairs = zip(texts.to_pylist(), of_day, strict=True)
    shown = [later(text, us) if us is not None and _IS_SERIAL.fullmatch(text or "") else text for text, us in pairs]
    return pa.chunked_array([pa.array(shown, pa.string())])


def duration_texts(values: pa.ChunkedArray, texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return durations as a sheet shows them: hours, minutes, seconds.

    Args:
        values: In milliseconds.
        texts: The same as moments, perhaps with microseconds; other texts stay.
    """
    pairs = zip(values.cast(pa.int64()).to_pylist(), texts.to_pylist(), strict=True)
    shown = [_duration(ms, text) if _IS_SERIAL.fullmatch(text or "") else text for ms, text in pairs]
    return pa.chunked_array([pa.array(shown, pa.string())])


def _duration(milliseconds: int, moment: str) -> str:
    microseconds = milliseconds * 1_000 + microseconds_later(milliseconds * 1_000, moment)
    seconds, rest = divmod(abs(microseconds), 1_000_000)
    fraction = f".{rest:06}".removesuffix("000") if rest else ""
    sign = "-" if microseconds < 0 else ""
    return f"{sign}{seconds // 3_600}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


def iso_time(detail: str) -> str | None:
    """Return a time of OpenDocument, which the library gives as an error; None: the error is another one."""
    match = _ISO.search(detail)
    if match is None or not any(match.groups()[1:]):
        return None
    sign, hours, minutes, seconds, fraction = match.groups(default="")
    rest = fraction.rstrip("0").rstrip(".")
    return f"{sign}{int(hours or 0):02}:{int(minutes or 0):02}:{int(seconds or 0):02}{rest}"


def days_only(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return moments as days, if all are at midnight."""
    if not pc.all(pc.ends_with(texts, _MIDNIGHT)).as_py():
        return texts
    return pc.utf8_slice_codeunits(texts, 0, -len(_MIDNIGHT))
