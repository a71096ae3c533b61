"""Values that say the same have the same word, whatever their type."""

import datetime as dt
from decimal import Decimal
from typing import Any

import hypothesis
import hypothesis.strategies as st
import polars as pl
import pytest

from artifact_pipelines.tabular.exceptions import UnsupportedTypeError
from artifact_pipelines.tabular.identity_words import identity_words

INTEGERS = [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32]
HALF = dt.datetime(2024, 1, 31, 12, 30, 0, 500_000)
NOON = dt.datetime(2024, 1, 31, 12, tzinfo=dt.UTC)
BERLIN = dt.timezone(dt.timedelta(hours=1))
SAME: list[list[tuple[Any, Any]]] = [
    [*((7, kind) for kind in INTEGERS), ("7", None), (Decimal("7.00"), None), ("7.0", None), (7.0, pl.Float64)],
    [(-5, pl.Int8), ("-5", None), (Decimal("-5.0"), None)],
    [(0, pl.Int64), (-0.0, pl.Float64), ("-0.00", None)],
    [(-(2**63), pl.Int64), (str(-(2**63)), None), (-(2**63), pl.Int128)],
    [(10**17, pl.Int64), (1e17, pl.Float64), (Decimal(10**17), None), (str(10**17), None)],
    [(-(2**60), pl.Int64), (-(2.0**60), pl.Float64), (-(2.0**60), pl.Float32)],
    [(2**64 - 1, pl.UInt64), (str(2**64 - 1), None), (2**64 - 1, pl.Int128)],
    [(Decimal("7.50"), None), ("7.5", None), ("7.50", None), (7.5, pl.Float64), (7.5, pl.Float32)],
    [(0.1, pl.Float32), (0.1, pl.Float64), ("0.1", None)],
    [
        (dt.date(2024, 1, 31), None),
        ("2024-01-31", None),
        (dt.datetime(2024, 1, 31), None),
        ("2024-01-31T00:00:00", None),
    ],
    [*((HALF, pl.Datetime(unit)) for unit in ("ms", "us", "ns")), ("2024-01-31 12:30:00.500", None)],
    [
        (NOON, None),
        ("2024-01-31T12:00:00Z", None),
        ("2024-01-31 12:00:00+00:00", None),
        ("2024-01-31T13:00:00+01:00", None),
        ("2024-01-31T08:30:00.000-0330", None),
        ("2024-02-01 00:00:00+12", None),
        (NOON.astimezone(BERLIN), None),
    ],
    [(dt.time(1, 2, 3), None), ("01:02:03", None), ("01:02:03.000", None)],
    [*((dt.timedelta(seconds=5), pl.Duration(unit)) for unit in ("ms", "us", "ns")), ("PT5S", None)],
    [(True, None), ("true", None)],
    [("a", None), ("a", pl.Categorical), ("a", pl.Enum(["a", "b"])), (b"a", None)],
    [(None, pl.Int8), (None, pl.String), (None, pl.Binary), (None, pl.Null)],
    [("007", None)],
    [("2024-02-30T13:00:00+01:00", None)],
    [("+7", None)],
    [("-0", None)],
    [("1e2", None)],
    [("00000000000000000000007", None)],
    [(" 7", None)],
    [(b"7", None)],
    [("7x", None)],
    [("", None)],
    [(False, None)],
    [(float("nan"), None)],
]


def word(value: object, kind: Any) -> int:
    return int(identity_words(pl.Series("a", [value], dtype=kind))[0])


@pytest.mark.parametrize("group", SAME)
def test_values_that_say_the_same_have_one_word(group: list[tuple[Any, Any]]) -> None:
    assert len({word(*member) for member in group}) == 1


def test_values_that_say_something_else_have_other_words() -> None:
    assert len({word(*group[0]) for group in SAME}) == len(SAME)


def test_path_with_a_time_in_it_is_no_clock() -> None:
    alike = ["10:00:00.50", "/a 10:00:00.50", "/a 10:00:00.5", "-x 10:00:00.50", "-x 10:00:00.5", ".b 10:00:00.50"]
    assert len({word(text, pl.String) for text in alike}) == len(alike)


@hypothesis.given(
    st.lists(st.one_of(st.none(), st.integers().map(str), st.decimals(allow_nan=False).map(str), st.text()), max_size=5)
)
def test_word_of_a_text_does_not_depend_on_its_neighbours(texts: list[str | None]) -> None:
    together = identity_words(pl.Series("a", texts, dtype=pl.String)).tolist()
    assert together == [word(text, pl.String) for text in texts]


@hypothesis.given(st.lists(st.integers(-(2**64), 2**64)))
def test_integer_has_the_word_of_its_text(integers: list[int]) -> None:
    words = identity_words(pl.Series("a", integers, dtype=pl.Int128)).tolist()
    assert words == identity_words(pl.Series("a", list(map(str, integers)), dtype=pl.String)).tolist()


@hypothesis.given(st.lists(st.datetimes()))
def test_moment_has_the_word_of_its_iso_text(moments: list[dt.datetime]) -> None:
    texts = pl.Series("a", [moment.isoformat() for moment in moments], dtype=pl.String)
    assert identity_words(pl.Series("a", moments, dtype=pl.Datetime("us"))).tolist() == identity_words(texts).tolist()


def test_word_of_bytes_is_their_xxh64() -> None:
    """The values are published with XXH64 itself and with its Python package."""
    vectors = {
        b"": 0xEF46DB3751D8E999,
        b"a": 0xD24EC4F1A98C6E5B,
        b"abc": 0x44BC2CF5AD770999,
        b"Nobody inspects the spammish repetition": 0xFBCEA83C8A378BF1,
    }
    assert {data: word(data, pl.Binary) for data in vectors} == vectors


def test_nested_column_is_refused_by_its_name() -> None:
    with pytest.raises(UnsupportedTypeError, match="'a'"):
        identity_words(pl.Series("a", [[1, 2]]))
