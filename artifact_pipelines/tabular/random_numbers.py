"""Permanent random numbers: the same row always draws the same number, in any order and on any machine.

The hash is our own chain of SplitMix64 finalizers in integer operations, because the hash functions of polars and
DuckDB change between versions. Golden vectors in the tests pin it.

Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. The sampling idea:
Ohlsson, "Coordination of samples using permanent random numbers", in: Business Survey Methods, 1995.
"""

import polars as pl

from artifact_pipelines.tabular.exceptions import UnsupportedTypeError

_GOLDEN = 0x9E3779B97F4A7C15
_NULL = 0x6E756C6C6E756C6C
_WORD_BYTES = 8
_SUPPORTED = ("numbers", "booleans", "text", "binary", "dates", "times", "durations", "decimals", "categories")


def permanent_random_numbers(identity: pl.DataFrame, seed: int) -> pl.Series:
    """Return a number for each row, uniform on 0 to 2**64 - 1; divided by 2**64 it is u in [0, 1).

    The width of an integer, the unit of a time (counted in microseconds) and the encoding of a text do not matter, nor
    do names of columns. The order of columns does. A null is a value of its own. A float counts by its bits, with one
    zero and one NaN.

    Args:
        identity: (rows, columns), the columns that identify a row.
        seed: 0 to 2**63 - 1; selects one of all possible assignments of numbers.

    Returns:
        (rows,) UInt64.

    Raises:
        UnsupportedTypeError: A column is nested or an object.
    """
    state = pl.Series([seed], dtype=pl.UInt64).new_from_index(0, identity.height)
    state = _mix(state + _GOLDEN)
    for column in identity.iter_columns():
        for words, present in _words(column):
            mixed = _mix((state + _GOLDEN) ^ words)
            state = mixed if present is None else mixed.zip_with(present, state)
    return state.alias("permanent_random_number")


def _mix(state: pl.Series) -> pl.Series:
    """Apply the finalizer of SplitMix64; `// 2**k` is a shift, which polars has no name for."""
    state = (state ^ (state // 2**30)) * 0xBF58476D1CE4E5B9
    state = (state ^ (state // 2**27)) * 0x94D049BB133111EB
    return state ^ (state // 2**31)


def _words(column: pl.Series) -> list[tuple[pl.Series, pl.Series | None]]:
    """Return a column as words of 64 bits, each with a mask of the rows that have it; None: all rows."""
    kind = column.dtype
    if kind in (pl.Categorical, pl.Enum) or kind.is_decimal():
        column = column.cast(pl.String)
    if column.dtype in (pl.String, pl.Binary):
        return _text_words(column.cast(pl.Binary))
    return [(_number_words(column), None)]


def _number_words(column: pl.Series) -> pl.Series:
    kind = column.dtype
    if kind == pl.UInt64:
        words = column
    elif kind.is_integer() or kind in (pl.Boolean, pl.Date, pl.Time):
        words = column.cast(pl.Int64).reinterpret(signed=False)
    elif kind in (pl.Datetime, pl.Duration):
        words = column.dt.cast_time_unit("us").cast(pl.Int64).reinterpret(signed=False)
    elif kind.is_float():
        value = pl.col("value")
        one_zero = pl.when(value == 0).then(0.0).when(value.is_nan()).then(float("nan")).otherwise(value)
        plain = column.cast(pl.Float64).to_frame("value").select(one_zero).to_series()
        words = pl.Series(plain.to_arrow().view("uint64"), dtype=pl.UInt64)
    elif kind == pl.Null:
        words = pl.Series([None], dtype=pl.UInt64).new_from_index(0, column.len())
    else:
        raise UnsupportedTypeError(f"identify rows by column {column.name!r}", str(kind), _SUPPORTED)
    return words.fill_null(_NULL)


def _text_words(column: pl.Series) -> list[tuple[pl.Series, pl.Series | None]]:
    """Return the length, then the bytes, eight at a time. The length distinguishes trailing zero bytes from padding."""
    sizes = column.bin.size().cast(pl.UInt64)
    words: list[tuple[pl.Series, pl.Series | None]] = [(sizes.fill_null(_NULL), None)]
    bytes_ = column.to_frame("bytes")
    padding = pl.lit(b"\0" * _WORD_BYTES)
    longest = sizes.max()
    for start in range(0, longest if isinstance(longest, int) else 0, _WORD_BYTES):
        padded = (pl.col("bytes").bin.slice(start, _WORD_BYTES) + padding).bin.head(_WORD_BYTES)
        word = bytes_.select(padded.bin.reinterpret(dtype=pl.UInt64, endianness="little")).to_series()
        words.append((word.fill_null(0), (sizes > start).fill_null(value=False)))
    return words
