"""Words of 64 bits for values by what they say, so that a value keeps its word when its column changes its type.

| a value | is identified by |
|---|---|
| integer of any width; a decimal, float or text that says the same number | if it fits 64 bits with a sign: its bits |
| any other integer, decimal or float | its decimal text without zeros at its end: `7.5`; a float below 0.00001 `1e-7` |
| date; a time stamp without a zone at midnight | `2024-01-31` |
| time stamp; with a zone or an offset: the moment in UTC | `2024-01-31 12:30:00.5`; in UTC `2024-01-31 12:30:00.5Z` |
| time, duration | its ISO text, without zeros at the end of the fraction |
| boolean | `true`, `false` |
| text, category | itself; if it is one of the above in ISO form, it is that |
| binary | its bytes, whatever they say |
| null | 0x6E756C6C6E756C6C |

The word of a text or binary is XXH64 of its bytes (UTF-8), with seed 0.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash as plh

from artifact_pipelines.tabular.exceptions import UnsupportedTypeError

Words = npt.NDArray[np.uint64]
"""(rows,) one word for each value of a column."""

_NULL = 0x6E756C6C6E756C6C
_LARGEST = 2**63 - 1
_SUPPORTED = ("numbers", "booleans", "text", "binary", "dates", "times", "durations", "decimals", "categories")
_LONGEST_INTEGER = len(str(-(2**63)))
_LEAST_OF_DIGITS = np.array([0, 0, *(10**digits for digits in range(1, 19)), 2**64 - 1], np.uint64)
"""The least integer with so many digits; of more than 19 there is none of 64 bits with a sign."""
_DECIMAL = r"^-?(0|[1-9][0-9]*)\.[0-9]+$"
_CLOCK = r"(^|[T ])[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+]00:00|[+]00)?$"

_WITH_OFFSET = (
    r"^(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})[T ](?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})(?P<fraction>\.[0-9]+)?"
    r"(?P<hours>[+-][0-9]{2}):?(?P<minutes>[0-9]{2})?$"
)


def identity_words(column: pl.Series) -> Words:
    """Return the words of a column's values.

    Raises:
        UnsupportedTypeError: The column is nested or an object.
    """
    kind = column.dtype
    if kind == pl.Null:
        return np.full(column.len(), _NULL, np.uint64)
    if kind == pl.Binary:
        return _filled(_hashed(column))
    if kind.is_nested() or kind == pl.Object:
        raise UnsupportedTypeError(f"identify rows by column {column.name!r}", str(kind), _SUPPORTED)
    if kind.is_integer() and _fits(column):
        return _filled(_bits(column))
    words = _words_of_texts(_texts(column))
    return _filled(_either(_whole(column), words) if kind.is_float() else words)


def _fits(column: pl.Series) -> bool:
    """True if all values fit 64 bits with a sign."""
    if column.dtype not in (pl.UInt64, pl.Int128, pl.UInt128):
        return True
    extremes: Any = (column.min(), column.max())
    return extremes[0] is None or (extremes[0] >= -_LARGEST and extremes[1] <= _LARGEST)


def _whole(floats: pl.Series) -> pl.Series:
    """Return the floats that are integers of 64 bits, and null for all others: their text may have an exponent."""
    whole = floats.cast(pl.Int64, strict=False)
    return whole.set(whole.cast(floats.dtype) != floats, None)


def _bits(integers: pl.Series) -> pl.Series:
    return integers.cast(pl.Int64).reinterpret(signed=False)


def _filled(words: pl.Series) -> Words:
    return (words.fill_null(_NULL) if words.null_count() else words).to_numpy()


def _hashed(texts: pl.Series) -> pl.Series:
    return texts.to_frame("text").select(plh.col("text").nchash.xxhash64(seed=0)).to_series()


def _texts(column: pl.Series) -> pl.Series:
    kind = column.dtype
    if isinstance(kind, pl.Datetime):
        moments = column.dt.convert_time_zone("UTC") if kind.time_zone else column
        return moments.dt.to_string("iso")
    return column.dt.to_string("iso") if kind.is_temporal() else column.cast(pl.String)


def _words_of_texts(texts: pl.Series) -> pl.Series:
    may_be_numbers = (texts >= "-") & (texts < ":")  # by their first byte; so may dates and times
    if not may_be_numbers.any():
        return _hashed(texts)
    integers = _integers(texts)
    if integers.null_count() == texts.null_count():
        return _bits(integers)
    words = _hashed(texts)
    others = (may_be_numbers & integers.is_null() & texts.str.contains("(?s)^-?[0-9].*[.:]")).fill_null(False)
    if others.any():
        said = _spelled_alike(texts.filter(others))
        rewritten = _integers(said)
        changed = pl.Series(np.flatnonzero(others.to_numpy()))
        words = words.scatter(changed, _either(rewritten, _hashed(said)))
    return _either(integers, words)


def _either(integers: pl.Series, words: pl.Series) -> pl.Series:
    return words if integers.null_count() == integers.len() else _bits(integers).zip_with(integers.is_not_null(), words)


def _integers(texts: pl.Series) -> pl.Series:
    """Return the integers that texts are the usual spelling of, and null for all others.

    A sign, zeros or spaces too many make a text longer than the integer is: so its length tells.
    """
    lengths = texts.str.len_bytes()
    if not (lengths <= _LONGEST_INTEGER).any():
        return pl.repeat(None, texts.len(), dtype=pl.Int64, eager=True)
    integers = texts.cast(pl.Int64, strict=False)
    if integers.null_count() == integers.len():
        return integers
    values, digits = (
        one.fill_null(0).to_numpy() if one.null_count() else one.to_numpy() for one in (integers, lengths)
    )
    if (is_negative := values < 0).any():
        digits, values = digits - is_negative, np.abs(values)
    is_usual = values.view(np.uint64) >= _LEAST_OF_DIGITS.take(np.minimum(digits, _LONGEST_INTEGER))
    return integers if is_usual.all() else integers.set(pl.Series(~is_usual), None)


def _spelled_alike(texts: pl.Series) -> pl.Series:
    """Return texts with one spelling for each decimal number, date and time."""
    texts = _in_utc(texts)
    text = pl.col("text")
    number = text.str.strip_chars_end("0").str.strip_chars_end(".").str.replace("^-0$", "0")
    clock = (
        text.str.replace("T", " ", literal=True)
        .str.replace(r"[+]00(:00)?$", "Z")
        .str.replace(r"\.([0-9]*?)0*(Z?)$", ".${1}${2}")
        .str.replace(r"\.(Z?)$", "${1}")
        .str.replace(" 00:00:00$", "")
    )
    chosen = pl.when(text.str.contains(_DECIMAL)).then(number).when(text.str.contains(_CLOCK)).then(clock)
    return texts.to_frame("text").select(chosen.otherwise(text)).to_series()


def _in_utc(texts: pl.Series) -> pl.Series:
    """Return texts in which each moment with an offset, such as `2024-01-31 12:00:00+02:00`, is in UTC."""
    parts = texts.str.extract_groups(_WITH_OFFSET).struct.unnest()
    if parts["day"].null_count() == len(parts):
        return texts
    hours, minutes = pl.col("hours"), pl.col("minutes").fill_null("0").cast(pl.Int64)
    east = hours.cast(pl.Int64) * 60 + pl.when(hours.str.starts_with("-")).then(-minutes).otherwise(minutes)
    here = pl.format("{} {}", "day", "clock").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    moment = (here - pl.duration(minutes=east)).dt.to_string("%Y-%m-%d %H:%M:%S")
    utc = parts.select(pl.format("{}{}Z", moment, pl.col("fraction").fill_null("")))
    return utc.to_series().fill_null(texts)
