"""Quick checks of whole columns of texts. They look at the bytes of all texts at once, where patterns take each text.

True is certain: the slower rule of the column type accepts all of the texts. False says nothing.
"""

import datetime
import functools
import operator
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

_ZERO, _POINT = ord("0"), ord(".")
_FIRST_DAY = (datetime.date(1, 1, 1) - datetime.date(1970, 1, 1)).days  # Arrow reads the year 0, which is no date


def are_plain_numbers(texts: pl.Series, whole: int, scale: int) -> bool:
    """True if no text is null, and all are digits without leading zeros, with a point in each or in none.

    Args:
        whole: Most digits before the point.
        scale: Most digits after it.
    """
    if not len(texts) or texts.null_count():
        return False
    data, bounds = _bytes_of(texts)
    starts, stops = bounds[:-1], bounds[1:]
    points = np.flatnonzero(data == _POINT)
    if not len(points):
        ends, digits = stops, data
    elif scale and len(points) == len(texts) and (starts < points).all() and (points < stops - 1).all():
        if (stops - points).max() > scale + 1:
            return False
        ends, digits = points, data[data != _POINT]
    else:
        return False
    lengths = ends - starts
    if lengths.min() < 1 or lengths.max() > whole:
        return False
    has_leading_zero = (data[starts] == _ZERO) & (lengths > 1)
    return bool(
        (digits - np.uint8(_ZERO)).max() < 10 and not has_leading_zero.any()
    )  # others wrap around to 10 and more


def are_iso_days(texts: pl.Series) -> bool:
    """True if all are days like 2024-01-31, which exist, of the years 1 to 9999; or null."""
    return _are_cast(texts, len("2024-01-31"), pa.date32())


def are_iso_moments(texts: pl.Series) -> bool:
    """True if all are moments like 2024-01-31T10:30:00, of the years 1 to 9999; or null."""
    return _are_cast(texts, len("2024-01-31T10:30:00"), pa.timestamp("us"))


def are_words(texts: pl.Series, words: Sequence[str]) -> pl.Series:
    """Return for each text whether it is one of a few words; null for null."""
    return functools.reduce(operator.or_, (texts == word for word in words))


def _are_cast(texts: pl.Series, length: int, kind: pa.DataType) -> bool:
    """True if all texts have a length and Arrow reads them; of this length it reads no other form."""
    lengths = texts.str.len_bytes()
    if lengths.min() != length or lengths.max() != length:
        return False
    try:
        first = pc.min(pc.cast(texts.to_arrow(), kind)).cast(pa.date32()).cast(pa.int32())
    except pa.ArrowInvalid:
        return False
    return bool(first.as_py() >= _FIRST_DAY)


def _bytes_of(texts: pl.Series) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the bytes of all texts, and where each begins; then where the last one ends."""
    array = texts.to_arrow()
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    held = np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)
    return held[bounds[0] : bounds[-1]], bounds - bounds[0]
