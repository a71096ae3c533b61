"""The dialect of a CSV file: declared, else that of the version before, else found by strict rules on its beginning."""

import csv
import dataclasses
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SAMPLE_BYTES = 1 << 20
csv.field_size_limit((1 << 31) - 1)  # `limits.row_bytes` is ours; Python's 131,072 characters would refuse good rows
DELIMITERS = (",", ";", "\t", "|")
_MOST_TITLES = 20
_DERIVED = ("skips_blank_lines", "has_escaped_null")


@dataclasses.dataclass(frozen=True, slots=True)
class CsvDialect:
    r"""How a file is written.

    Attributes:
        quote: Encloses values; empty: none does.
        escape: Makes the next character a plain one; None: a doubled quote stands for a quote.
        comment: Lines that begin with it are no rows; None: there are none.
        header_lines: Lines with names of columns.
        skip_lines: Lines before them.
        skip_last_lines: Lines after the last row.
        trim: True if spaces on both sides of a value are no part of it.
        has_escaped_null: True if `\N` is null, and its backslash an escape.
    """

    delimiter: str
    encoding: str = "utf-8"
    quote: str = '"'
    escape: str | None = None
    comment: str | None = None
    header_lines: int = 1
    skip_lines: int = 0
    skip_last_lines: int = 0
    trim: bool = False
    skips_blank_lines: bool = True
    has_escaped_null: bool = False

    @property
    def delimiter_byte(self) -> bytes:
        """The delimiter as UTF-8."""
        return self.delimiter.encode()

    @property
    def quote_byte(self) -> bytes:
        """The quote as UTF-8."""
        return self.quote.encode()

    def facts(self) -> Mapping[str, Any]:
        """Return what is written down with a version: all that is not usual."""
        usual = CsvDialect(self.delimiter)
        differs = {
            field.name: value
            for field in dataclasses.fields(self)
            if field.name not in _DERIVED and (value := getattr(self, field.name)) != getattr(usual, field.name)
        }
        return {"delimiter": self.delimiter, "encoding": self.encoding, **differs}


def find_delimiters(sample: str, usual: str, quote: str = '"', is_whole: bool = True) -> Sequence[str]:
    """Return the delimiters that cut each row of a sample into the same number of values, two or more.

    If none does, it is the one that cuts the first row into most values, so that other rows are refused by line; or the
    usual one, if the first row is one value.

    Args:
        sample: Text from the header on.
        is_whole: False if the last row may be cut off.
    """
    lines = split_lines(sample)
    rows = lines if is_whole else lines[:-1]
    candidates = dict.fromkeys((usual, *DELIMITERS))
    fitting = [one for one in candidates if one in sample and _values_per_row(rows, one, quote) > 1]
    return fitting or [max(candidates, key=lambda one: _values_per_row(rows[:1], one, quote))]


def first_row(sample: str, delimiter: str, quote: str) -> Sequence[str]:
    """Return the values of the first row, which may go over several lines; none if there is none."""
    try:
        return next(filter(None, _reader(split_lines(sample), delimiter, quote)), ())
    except csv.Error:
        return ()


def find_header(sample: str, delimiters: Sequence[str], quote: str, is_whole: bool) -> tuple[int, str] | None:
    """Return the place of a header below titles, and the delimiter that cuts it and all later rows alike.

    Args:
        sample: Text whose first row is one value.
        delimiters: Those that may cut the rows.
        is_whole: False if the last row may be cut off.
    """
    lines = split_lines(sample)
    rows = lines if is_whole else lines[:-1]
    candidates = [one for one in delimiters if one in sample]
    for place in range(1, min(_MOST_TITLES + 1, len(rows) - 1)):
        for one in candidates if rows[place].strip() else ():
            if _values_per_row(rows[place:], one, quote) > 1:
                return place, one
    return None


def split_lines(text: str) -> Sequence[str]:
    """Return the lines of a text with their ends; unlike `splitlines`, no other characters end a line."""
    return list(io.StringIO(text, newline="\n"))


def _values_per_row(lines: Sequence[str], delimiter: str, quote: str) -> int:
    """Return the number of values of each row; 0 if it differs."""
    count = 0
    try:
        for row in _reader(lines, delimiter, quote):
            if row and count not in (0, len(row)):
                return 0
            count = len(row) or count
    except csv.Error:
        return 0
    return count


def _reader(lines: Sequence[str], delimiter: str, quote: str) -> Iterator[list[str]]:
    quoted: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    return csv.reader(lines, delimiter=delimiter, **quoted)


def line_that_names_delimiter(sample: str) -> str | None:
    """Return the delimiter that a first line such as `sep=;` names."""
    first = sample.split("\n", 1)[0].rstrip("\r").strip('"')
    return first[4:] if first.lower().startswith("sep=") and len(first) == 5 else None
