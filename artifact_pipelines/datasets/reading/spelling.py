"""How a text file writes numbers, dates and truth values, where its dataset declares it."""

import dataclasses
import datetime
import re

import polars as pl
import pyarrow as pa

_MOMENT = datetime.datetime(2024, 1, 31, 10, 30)


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
        return _MOMENT.strftime(self.timestamp_format or "%Y-%m-%dT%H:%M:%S")

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
        is_number = text.str.contains(rf"^-?[0-9]+(?:{point}[0-9]+)?(?:[eE][+-]?[0-9]+)?$")
        plain = pl.when(is_number).then(text.str.replace(self.decimal_mark, ".", literal=True)).otherwise(pl.lit("?"))
        return frame.select(pl.when(pl.col("text").is_not_null()).then(plain).alias(texts.name)).to_series()

    def plain_arrow(self, texts: pa.Array) -> pa.Array:
        """Do the same with Arrow's texts."""
        if self.decimal_mark == "." and not self.thousands_mark:
            return texts
        return self.plain_numbers(pl.Series(texts)).to_arrow()


PLAIN = Spelling()
