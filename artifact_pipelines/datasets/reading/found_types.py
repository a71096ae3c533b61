"""Finds the type of a column on all its texts, block by block, in one pass and without going back.

A found type remembers what later blocks need (digits, offsets), so that it widens only where nothing is lost: whole
numbers to decimals, decimals to longer ones, microseconds to nanoseconds, everything else to text.
"""

import abc
import dataclasses
import re
from collections.abc import Sequence
from typing import Self

import polars as pl

from artifact_pipelines.datasets.reading.column_types import (
    MOST_DIGITS,
    TEXT,
    Boolean,
    ColumnType,
    Date,
    Decimal,
    Integer,
    Timestamp,
    are_numbers,
)
from artifact_pipelines.datasets.reading.spelling import PLAIN, Spelling

_INT64_DIGITS = 18  # all numbers with as many fit
_WHOLE_HOURS = re.compile(r"(?:\+(?:0[1-9]|1[0-4])|-(?:0[1-9]|1[0-2])):00$")  # polars has a zone for no other offset


class Found(abc.ABC):
    """The kind of texts that a column has had so far."""

    @abc.abstractmethod
    def joined(self, texts: pl.Series) -> "Found | None":
        """Return what they are together with further texts; None: only text holds them all."""

    @property
    @abc.abstractmethod
    def type(self) -> ColumnType:
        """The narrowest column type that accepts them all."""


@dataclasses.dataclass(frozen=True, slots=True)
class FoundSimple(Found):
    """Texts of a type that never widens: truth values and dates."""

    type: ColumnType

    def joined(self, texts: pl.Series) -> Found | None:
        """See `Found`."""
        return self if self.type.accepts(texts).all(ignore_nulls=False) else None


@dataclasses.dataclass(frozen=True, slots=True)
class FoundText(Found):
    """Texts that follow no other rule."""

    def joined(self, texts: pl.Series) -> Found:
        """See `Found`."""
        return self

    @property
    def type(self) -> ColumnType:
        """See `Found`."""
        return TEXT


@dataclasses.dataclass(frozen=True, slots=True)
class FoundNumbers(Found):
    """Numbers of at most so many digits before and after their points.

    Attributes:
        is_int64: True if all of them fit into 64 bits, as far as they have no points.
    """

    spelling: Spelling
    whole: int = 0
    scale: int = 0
    is_int64: bool = True

    def joined(self, texts: pl.Series) -> Found | None:
        """See `Found`."""
        plain = self.spelling.plain_numbers(texts)
        if self.whole and self.whole <= _INT64_DIGITS and are_numbers(plain, self.whole, self.scale).all():
            return self
        if not are_numbers(plain, MOST_DIGITS, MOST_DIGITS).all():
            return None
        parts = plain.str.strip_prefix("-").str.split_exact(".", 1).struct.unnest()
        whole, scale = (max(0, int(parts.to_series(i).str.len_bytes().max() or 0)) for i in (0, 1))  # type: ignore[arg-type]
        fits = scale == 0 and bool(Integer().accepts(plain).all())
        joined = FoundNumbers(
            self.spelling, max(whole, self.whole), max(scale, self.scale), self.is_int64 and (fits or scale > 0)
        )
        return joined if joined.whole + joined.scale <= MOST_DIGITS else None

    @property
    def type(self) -> ColumnType:
        """See `Found`."""
        if self.scale == 0 and self.is_int64:
            return Integer(spelling=self.spelling)
        return decimal_type(self.whole, self.scale, self.spelling)


def decimal_type(whole: int, scale: int, spelling: Spelling) -> Decimal:
    """Return the decimal type with so many digits: of 18 digits, or else of 38."""
    return Decimal(_INT64_DIGITS if whole + scale <= _INT64_DIGITS else MOST_DIGITS, scale, spelling)


@dataclasses.dataclass(frozen=True, slots=True)
class FoundTimestamps(Found):
    """Timestamps with the same offset, or all without one."""

    type: Timestamp

    @classmethod
    def starting(cls, texts: pl.Series, spelling: Spelling) -> Self:
        """Return the type that the first text suggests."""
        first = str(spelling.iso_timestamps(texts.head(1))[0])
        offset = _WHOLE_HOURS.search(first)
        zone = "UTC" if first.endswith(("Z", "+00:00")) else offset[0] if offset else None
        return cls(Timestamp(zone=zone, spelling=spelling))

    def joined(self, texts: pl.Series) -> Found | None:
        """See `Found`."""
        for unit in ("us", "ns") if self.type.unit == "us" else ("ns",):
            candidate = dataclasses.replace(self.type, unit=unit)
            if candidate.accepts(texts).all(ignore_nulls=False):
                return FoundTimestamps(candidate)
        return None


def find_type(found: Found | None, texts: pl.Series, spelling: Spelling) -> Found | None:
    """Return what a column's texts are, together with those of a further block; None: they are all null."""
    if texts.null_count():
        texts = texts.drop_nulls()
    if not texts.len():
        return found
    if found is not None:
        return found.joined(texts) or FoundText()
    dates = [FoundSimple(Date(spelling)), FoundTimestamps.starting(texts, spelling)]
    words = [FoundSimple(Boolean(spelling))]
    starts: Sequence[Found] = [FoundNumbers(spelling), *words, *dates]
    if spelling.true_values != PLAIN.true_values:  # declared forms come first: 1 may mean true
        starts = [*words, *starts]
    if spelling.date_format or spelling.timestamp_format:
        starts = [*dates, *starts]
    return next((joined for start in starts if (joined := start.joined(texts))), FoundText())
