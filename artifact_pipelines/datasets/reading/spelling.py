"""How a text file writes numbers, dates and truth values, where its dataset declares it."""

import dataclasses
import datetime
import re

import polars as pl

from artifact_pipelines.core.exceptions import InvalidArgumentError

_MOMENT = datetime.datetime(2024, 1, 31, 10, 30)
_SAMPLES = [datetime.datetime(1999, 12, 31, 23, 59), datetime.datetime(2024, 2, 29, 11, 1)]
_FRACTION = re.compile(r"(?:\.%f|%\.f)$")


@dataclasses.dataclass(frozen=True, slots=True)
class Spelling:
    """How values are written.

    Attributes:
        date_format: With the codes of strftime, such as `%d/%m/%Y`; None: ISO.
        timestamp_format: The same for timestamps.
        decimal_mark: Before the fraction of a number.
        thousands_mark: Between groups of three digits; None: there are none.
    """

    date_format: str | None = None
    timestamp_format: str | None = None
    decimal_mark: str = "."
    thousands_mark: str | None = None
    true_values: tuple[str, ...] = ("true",)
    false_values: tuple[str, ...] = ("false",)

    def __post_init__(self) -> None:
        """Check that nothing means two things.

        Raises:
            InvalidArgumentError: A word or a mark does.
        """
        if self.decimal_mark == self.thousands_mark:
            raise InvalidArgumentError("thousands_mark", self.thousands_mark, "another character than decimal_mark")
        if both := set(self.true_values) & set(self.false_values):
            raise InvalidArgumentError("false_values", sorted(both), "other words than true_values")

    @property
    def is_plain(self) -> bool:
        """True if nothing is declared."""
        return self == PLAIN

    @property
    def date_example(self) -> str:
        """A date as it is written."""
        return _MOMENT.strftime(self.date_format or "%Y-%m-%d")

    @property
    def timestamp_example(self) -> str:
        """A timestamp as it is written, without its offset."""
        return _MOMENT.strftime((self.timestamp_format or "%Y-%m-%dT%H:%M:%S").replace("%.f", ".%f"))

    def iso_timestamps(self, texts: pl.Series) -> pl.Series:
        """Return timestamps as ISO writes them; a text that is not written as declared stays no timestamp.

        A declared format may end with a fraction, `.%f`, and an offset, `%z`.
        """
        if not self.timestamp_format:
            return texts
        moments, fraction, offset = _without_ending(self.timestamp_format)
        ending = ("(\\.[0-9]{1,9})?" if fraction else "()") + ("(Z|[+-][0-9]{2}:?[0-9]{2})" if offset else "()")
        parts = texts.str.extract_groups(f"(?s)^(.*?){ending}$").struct.unnest()
        head, *tail = (parts.to_series(place) for place in range(3))
        read = head.str.to_datetime(moments, strict=False, time_unit="us")
        is_written = read.dt.to_string(moments) == head
        iso = read.dt.to_string("%Y-%m-%dT%H:%M:%S" if fraction else "%Y-%m-%dT%H:%M:%S%.6f")
        offsets = tail[1].fill_null("").str.replace(r"([0-9]{2})([0-9]{2})$", "$1:$2")
        written = iso + tail[0].fill_null("") + offsets
        no_timestamps = pl.select(pl.when(texts.is_not_null()).then(pl.lit("?"))).to_series()
        return written.zip_with(is_written.fill_null(False), no_timestamps).alias(texts.name)

    def plain_numbers(self, texts: pl.Series) -> pl.Series:
        """Return numbers with a point and without groups; a text that is not written as declared stays no number."""
        if self.decimal_mark == "." and not self.thousands_mark:
            return texts
        point = re.escape(self.decimal_mark)
        frame = texts.to_frame("text")
        text = pl.col("text")
        if self.thousands_mark:
            group = re.escape(self.thousands_mark)
            is_grouped = text.str.contains(rf"^-?[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+(?:{point}[0-9]+)?$")
            text = pl.when(is_grouped).then(text.str.replace_all(self.thousands_mark, "", literal=True)).otherwise(text)
        is_number = text.str.contains(rf"^-?[0-9]+(?:{point}[0-9]+)?(?:[eE][+-]?[0-9]+)?$|^(?:NaN|-?inf)$")
        plain = pl.when(is_number).then(text.str.replace(self.decimal_mark, ".", literal=True)).otherwise(pl.lit("?"))
        return frame.select(pl.when(pl.col("text").is_not_null()).then(plain).alias(texts.name)).to_series()


PLAIN = Spelling()


def _without_ending(timestamp_format: str) -> tuple[str, bool, bool]:
    """Return a format without a fraction and an offset at its end, and whether it had them."""
    plain = timestamp_format.removesuffix("%z")
    moments = _FRACTION.sub("", plain)
    return moments, moments != plain, plain != timestamp_format


def check_date_format(declared: str) -> None:
    """Check that a format says which day it is.

    Raises:
        InvalidArgumentError: It does not, or it is no format.
    """
    days = pl.Series([moment.date() for moment in _SAMPLES])
    try:
        is_day = days.equals(days.dt.to_string(declared).str.to_date(declared, strict=False))
    except pl.exceptions.PolarsError:
        is_day = False
    if not is_day:
        raise InvalidArgumentError("date format", declared, "codes of strftime for day, month and year: %d/%m/%Y")


def check_timestamp_format(declared: str) -> None:
    """Check that a format says which day it is, and which hour unless it has no time.

    Raises:
        InvalidArgumentError: It does not, or it is no format.
    """
    moments = pl.Series(_SAMPLES)
    plain = _without_ending(declared)[0]
    try:
        read = moments.dt.to_string(plain).str.to_datetime(plain, strict=False) if "%f" not in plain else None
    except pl.exceptions.PolarsError:
        read = None
    kept = [moments.dt.truncate(every) for every in ("1m", "1h", "1d")]
    if read is None or not any(read.equals(each) for each in kept) or re.search("%[zZs+]", plain):
        expected = "codes of strftime for day and time, such as %d/%m/%Y %H:%M:%S; .%f and %z only at its end"
        raise InvalidArgumentError("timestamp format", declared, expected)
