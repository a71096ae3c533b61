"""Column types: which texts each accepts, and the values that they become.

A pattern decides; the conversion after it may fail (30 February, a number too large), but never changes a value.
"""

import abc
import dataclasses
import decimal
import re
from typing import ClassVar

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from artifact_pipelines.datasets.reading.quick_checks import (
    are_iso_days,
    are_iso_moments,
    are_plain_numbers,
    are_words,
)
from artifact_pipelines.datasets.reading.spelling import PLAIN, Spelling

_YEAR = r"(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP_YEAR = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DAY = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_NS_YEAR = r"(?:1[7-9][0-9]{2}|2[01][0-9]{2}|22[0-5][0-9])"  # 64 bits of nanoseconds end in 2262
_NS_LEAP_YEAR = r"(?:(?:1[7-9]|2[0-2])(?:0[48]|[2468][048]|[13579][26])|2000)"
_DATES = {"us": rf"(?:{_YEAR}-{_DAY}|{_LEAP_YEAR}-02-29)", "ns": rf"(?:{_NS_YEAR}-{_DAY}|{_NS_LEAP_YEAR}-02-29)"}
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_OFFSET = r"(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])"
MOST_DIGITS = 38
_SAFE_DIGITS = {8: 2, 16: 4, 32: 9, 64: 18}
"""All numbers with at most as many digits fit into an integer."""
EXACT_DIGITS = {32: 6, 64: 15}
"""A float keeps each number with at most as many digits, unless it is very close to zero."""
_LEAST_NORMAL = {32: 2.0**-126, 64: 2.0**-1022}


class ColumnType(abc.ABC):
    """A type of a column: the rule for its texts, and their values. Null stays null.

    Attributes:
        EXPECTED: The rule in words, for errors.
    """

    EXPECTED: ClassVar[str]

    @property
    @abc.abstractmethod
    def arrow(self) -> pa.DataType:
        """The type of the values."""

    @abc.abstractmethod
    def accepts(self, texts: pl.Series) -> pl.Series:
        """Return for each text whether it follows the rule and has a value; for null anything."""

    def convert(self, texts: pl.Series) -> pa.Array:
        """Return the values of texts that are all accepted."""
        return pc.cast(texts.to_arrow(), self.arrow)

    def misfits(self, texts: pl.Series) -> pl.Series:
        """Return the positions of the texts that are not accepted."""
        accepted = self.accepts(texts)
        if (
            accepted.all() and accepted.null_count() <= texts.null_count()
        ):  # null is not accepted unless the text is null
            return accepted.head(0).arg_true()
        return (texts.is_not_null() & ~accepted.fill_null(False)).arg_true()

    @property
    def written_as(self) -> Spelling:
        """How its texts are written."""
        return getattr(self, "spelling", PLAIN)

    @property
    def is_plain(self) -> bool:
        """True if no other spelling is declared."""
        return self.written_as == PLAIN

    @property
    def expected(self) -> str:
        """The rule and the type in words."""
        return f"{self.EXPECTED} ({self.arrow})"


@dataclasses.dataclass(frozen=True, slots=True)
class Text(ColumnType):
    """Any text, as it is written."""

    EXPECTED: ClassVar[str] = "a text"

    @property
    def arrow(self) -> pa.DataType:
        """See `ColumnType`."""
        return pa.string()

    def accepts(self, texts: pl.Series) -> pl.Series:
        """See `ColumnType`."""
        return texts.is_not_null()


@dataclasses.dataclass(frozen=True, slots=True)
class Boolean(ColumnType):
    """`true` or `false`, or the words that the dataset declares."""

    EXPECTED: ClassVar[str] = "true or false"
    spelling: Spelling = PLAIN

    @property
    def arrow(self) -> pa.DataType:
        """See `ColumnType`."""
        return pa.bool_()

    def accepts(self, texts: pl.Series) -> pl.Series:
        """See `ColumnType`."""
        return are_words(texts, [*self.spelling.true_values, *self.spelling.false_values])

    def convert(self, texts: pl.Series) -> pa.Array:
        """See `ColumnType`."""
        return are_words(texts, self.spelling.true_values).to_arrow()


@dataclasses.dataclass(frozen=True, slots=True)
class Integer(ColumnType):
    """Digits without leading zeros or plus sign, within the bounds of the type."""

    EXPECTED: ClassVar[str] = "a whole number in digits, without leading zeros"
    bits: int = 64
    is_signed: bool = True
    spelling: Spelling = PLAIN

    @property
    def arrow(self) -> pa.DataType:
        """See `ColumnType`."""
        return pa.type_for_alias(f"{'' if self.is_signed else 'u'}int{self.bits}")

    @property
    def _polars(self) -> type[pl.DataType]:
        return getattr(pl, f"{'' if self.is_signed else 'U'}Int{self.bits}")  # type: ignore[no-any-return]

    def accepts(self, texts: pl.Series) -> pl.Series:
        """See `ColumnType`."""
        plain = self.spelling.plain_numbers(texts)
        if are_plain_numbers(plain, _SAFE_DIGITS[self.bits], 0):
            return _all_true(texts)
        sign = "-?" if self.is_signed else ""
        short = plain.str.contains(rf"^(?:0|{sign}[1-9][0-9]{{0,{_SAFE_DIGITS[self.bits] - 1}}})$")
        if short.all():
            return short
        written = plain.str.contains(r"^(?:0|-?[1-9][0-9]*)$")
        return written & plain.cast(self._polars, strict=False).is_not_null()

    def convert(self, texts: pl.Series) -> pa.Array:
        """See `ColumnType`."""
        return self.spelling.plain_numbers(texts).cast(self._polars).to_arrow()


@dataclasses.dataclass(frozen=True, slots=True)
class Decimal(ColumnType):
    """Digits with at most `scale` of them after a point; the value is exact."""

    EXPECTED: ClassVar[str] = "a number in digits, without exponent"
    precision: int
    scale: int
    spelling: Spelling = PLAIN

    @property
    def arrow(self) -> pa.DataType:
        """See `ColumnType`."""
        return pa.decimal128(self.precision, self.scale)

    @property
    def expected(self) -> str:
        """See `ColumnType`."""
        return f"{self.EXPECTED} (DECIMAL({self.precision},{self.scale}))"

    def accepts(self, texts: pl.Series) -> pl.Series:
        """See `ColumnType`."""
        return are_numbers(self.spelling.plain_numbers(texts), self.precision - self.scale, self.scale)

    def convert(self, texts: pl.Series) -> pa.Array:
        """See `ColumnType`."""
        return self.spelling.plain_numbers(texts).cast(pl.Decimal(self.precision, self.scale)).to_arrow()


@dataclasses.dataclass(frozen=True, slots=True)
class Float(ColumnType):
    """A number that a float keeps to all its written digits; `NaN`, `inf` and `-inf`. Only if declared."""

    EXPECTED: ClassVar[str] = "a number of which a float keeps every digit"
    bits: int = 64
    spelling: Spelling = PLAIN

    @property
    def arrow(self) -> pa.DataType:
        """See `ColumnType`."""
        return pa.type_for_alias(f"float{self.bits}")

    @property
    def _polars(self) -> type[pl.DataType]:
        return pl.Float64 if self.bits == 64 else pl.Float32

    def accepts(self, texts: pl.Series) -> pl.Series:
        """See `ColumnType`."""
        plain = self.spelling.plain_numbers(texts)
        number = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?"
        values = plain.cast(self._polars, strict=False)
        is_number = plain.str.contains(rf"^{number}$") & values.is_finite()
        mantissas = plain.str.replace(r"[eE].*$", "").str.replace_all(r"[-.]", "")
        digits = mantissas.str.strip_chars_start("0").str.len_bytes()
        is_normal = (values.abs() >= _LEAST_NORMAL[self.bits]) | (digits == 0)
        is_exact = is_number & ((is_normal & (digits <= EXACT_DIGITS[self.bits])) | (values.cast(pl.String) == plain))
        unsure = (is_number & ~is_exact).arg_true()
        if unsure.len():
            shown = [_keeps_digits(*pair) for pair in zip(plain.gather(unsure), values.gather(unsure), strict=True)]
            is_exact = is_exact.scatter(unsure, shown)
        return is_exact | plain.is_in(["NaN", "inf", "-inf"])

    def convert(self, texts: pl.Series) -> pa.Array:
        """See `ColumnType`."""
        return pc.cast(self.spelling.plain_numbers(texts).to_arrow(), self.arrow)


def _keeps_digits(text: str, value: float) -> bool:
    """True if the value, written with as many digits as the text, is the text's number."""
    written = decimal.Decimal(text)
    digits = len(written.as_tuple().digits)
    return digits <= 17 and decimal.Decimal(f"{value:.{digits - 1}e}") == written


@dataclasses.dataclass(frozen=True, slots=True)
class Date(ColumnType):
    """`2024-01-31`, or the format that the dataset declares."""

    EXPECTED: ClassVar[str] = "a date that exists"
    spelling: Spelling = PLAIN

    @property
    def arrow(self) -> pa.DataType:
        """See `ColumnType`."""
        return pa.date32()

    @property
    def expected(self) -> str:
        """See `ColumnType`."""
        return f"a date that exists, such as {self.spelling.date_example}"

    def accepts(self, texts: pl.Series) -> pl.Series:
        """See `ColumnType`."""
        if declared := self.spelling.date_format:
            days = texts.str.to_date(declared, strict=False)
            return days.dt.to_string(declared).eq_missing(texts) & days.dt.year().is_between(1, 9999).fill_null(True)
        return _all_true(texts) if are_iso_days(texts) else texts.str.contains(f"^{_DATES['us']}$")

    def convert(self, texts: pl.Series) -> pa.Array:
        """See `ColumnType`."""
        if declared := self.spelling.date_format:
            return texts.str.to_date(declared).to_arrow()
        return pc.cast(texts.to_arrow(), self.arrow)


@dataclasses.dataclass(frozen=True, slots=True)
class Timestamp(ColumnType):
    """`2024-01-31T10:30:00` with a fraction and an offset, or the format that the dataset declares.

    Attributes:
        unit: `us`, or `ns` for fractions of more than 6 digits.
        zone: None: the texts have no offset. `UTC` or an offset such as `+02:00`: all texts have this one.
        any_offset: True if the texts may have any offset; the values are moments, in UTC.
    """

    EXPECTED: ClassVar[str] = "a timestamp"
    unit: str = "us"
    zone: str | None = None
    any_offset: bool = False
    spelling: Spelling = PLAIN

    @property
    def arrow(self) -> pa.DataType:
        """See `ColumnType`."""
        return pa.timestamp(self.unit, self.zone)

    @property
    def expected(self) -> str:
        """See `ColumnType`."""
        offset = (
            "any offset, in UTC of the years 1 to 9999"
            if self.any_offset
            else f"offset {self.zone}"
            if self.zone
            else "no offset"
        )
        return f"a timestamp with {offset}, such as {self.spelling.timestamp_example}{self._example}"

    @property
    def _example(self) -> str:
        return {None: "", "UTC": "Z"}.get(self.zone, str(self.zone)) if not self.spelling.timestamp_format else ""

    @property
    def _suffix(self) -> str:
        if self.any_offset:
            return _OFFSET
        return {None: "", "UTC": r"(?:Z|\+00:00)"}.get(self.zone, re.escape(str(self.zone)))

    def accepts(self, texts: pl.Series) -> pl.Series:
        """See `ColumnType`."""
        texts = self.spelling.iso_timestamps(texts)
        if self.unit == "us" and not self._suffix and are_iso_moments(texts):
            return _all_true(texts)
        digits = {"us": 6, "ns": 9}[self.unit]
        fraction = rf"(?:\.[0-9]{{1,{digits}}})?"
        accepted = texts.str.contains(f"^{_DATES[self.unit]}[T ]{_TIME}{fraction}{self._suffix}$")
        return accepted & ~_leaves_years(texts, accepted) if self.arrow.tz else accepted

    def convert(self, texts: pl.Series) -> pa.Array:
        """See `ColumnType`."""
        return pc.cast(self.spelling.iso_timestamps(texts).to_arrow(), self.arrow)


def _leaves_years(texts: pl.Series, accepted: pl.Series) -> pl.Series:
    """Return for each text whether its offset leads it into the years 0 or 10000 of UTC, which Python does not have."""
    doubtful = (accepted & (texts.str.starts_with("0001-01-01") | texts.str.starts_with("9999-12-31"))).arg_true()
    leaves = pl.repeat(False, texts.len(), eager=True)
    if not doubtful.len():
        return leaves
    moments = pl.Series(pc.cast(texts.gather(doubtful).to_arrow(), pa.timestamp("us", "UTC")))
    return leaves.scatter(doubtful, ~moments.dt.year().is_between(1, 9999))


@dataclasses.dataclass(frozen=True, slots=True)
class Time(ColumnType):
    """`10:30:00`, perhaps with a fraction. Only if declared."""

    EXPECTED: ClassVar[str] = "a time of day such as 10:30:00"

    @property
    def arrow(self) -> pa.DataType:
        """See `ColumnType`."""
        return pa.time64("ns")

    def accepts(self, texts: pl.Series) -> pl.Series:
        """See `ColumnType`."""
        return texts.str.contains(rf"^{_TIME}(?:\.[0-9]{{1,9}})?$")

    def convert(self, texts: pl.Series) -> pa.Array:
        """See `ColumnType`."""
        moments = ("1970-01-01T" + texts).to_arrow()  # Arrow reads no times outside of CSV
        return pc.cast(pc.cast(moments, pa.timestamp("ns")), self.arrow)


TEXT = Text()


def are_numbers(texts: pl.Series, whole: int, scale: int) -> pl.Series:
    """Return for each text whether it is a number of at most `whole` digits before its point and `scale` after it.

    Minus zero is none: its sign would be lost.
    """
    if are_plain_numbers(texts, whole, scale):
        return _all_true(texts)
    point = rf"(?:\.[0-9]{{1,{scale}}})?" if scale else ""
    kinds = [rf"-?[1-9][0-9]{{0,{whole - 1}}}{point}"] if whole else []
    below_zero = [rf"-0\.0{{{zeros}}}[1-9][0-9]{{0,{scale - zeros - 1}}}" for zeros in range(scale)]
    return texts.str.contains(f"^(?:{'|'.join([*kinds, '0' + point, *below_zero])})$")


def _all_true(texts: pl.Series) -> pl.Series:
    return pl.repeat(True, len(texts), eager=True)
