"""CSV and TSV."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
import pydantic

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.datasets.exceptions import TitleError, UnparsableSourceError
from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable, RawFile
from artifact_pipelines.datasets.reading.columns import check_columns, check_header, check_lone_line, check_split
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.csv_dialect import (
    DELIMITERS,
    SAMPLE_BYTES,
    CsvDialect,
    find_delimiters,
    find_header,
    first_row,
    line_that_names_delimiter,
    split_lines,
)
from artifact_pipelines.datasets.reading.csv_text import CsvText
from artifact_pipelines.datasets.reading.raw_stream import Utf8Stream, open_plain
from artifact_pipelines.datasets.reading.spelling import Spelling, check_date_format, check_timestamp_format
from artifact_pipelines.datasets.reading.typed_rows import check_first_row, open_rows
from artifact_pipelines.declarations import checked_by

_Character = Annotated[str, pydantic.Field(min_length=1, max_length=1, pattern="^[\x01-\x7f]$")]
Count = Annotated[int, pydantic.Field(ge=0)]
_Words = Annotated[Sequence[str], pydantic.Field(min_length=1)]


def _checked_encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError as error:
        expected = "an encoding of Python, such as utf-8, utf-16 or windows-1252"
        raise ValueError(str(InvalidArgumentError("encoding", name, expected))) from error
    return name


Encoding = Annotated[
    str,
    pydantic.AfterValidator(_checked_encoding),
    pydantic.Field(description="Of the text, where no byte order mark says it."),
]


class TextOptions(IFileFormat):
    """Options of all formats that write values as text."""

    date_format: Annotated[str, checked_by(check_date_format)] | None = pydantic.Field(
        default=None, description="Of dates, such as %d/%m/%Y; left out: ISO."
    )
    timestamp_format: Annotated[str, checked_by(check_timestamp_format)] | None = pydantic.Field(
        default=None, description="Of timestamps, such as %d/%m/%Y %H:%M."
    )
    decimal_mark: _Character = pydantic.Field(default=".", description="Before the fraction of a number.")
    thousands_mark: _Character | None = pydantic.Field(default=None, description="Between groups of three digits.")
    true_values: _Words = pydantic.Field(default=("true",), description="Words that mean true.")
    false_values: _Words = pydantic.Field(default=("false",), description="Words that mean false.")

    @pydantic.model_validator(mode="after")
    def _means_one_thing(self) -> "TextOptions":
        try:
            self.spelling()
        except InvalidArgumentError as error:
            raise ValueError(str(error)) from error
        return self

    def spelling(self) -> Spelling:
        """Return how values are written."""
        return Spelling(
            self.date_format,
            self.timestamp_format,
            self.decimal_mark,
            self.thousands_mark,
            tuple(self.true_values),
            tuple(self.false_values),
        )


class CsvOptions(TextOptions):
    """Options of CSV and TSV."""

    delimiter: _Character | None = pydantic.Field(default=None, description="Separates values; left out: found once.")
    null_values: Sequence[str] = pydantic.Field(
        default=(), description="Unquoted texts that mean null, besides the empty one; '' among them: quoted ones too."
    )
    encoding: Encoding = "utf-8"
    quote: Annotated[str, pydantic.Field(max_length=1)] = pydantic.Field(
        default='"', description="Encloses values that hold delimiters or line ends; empty: none does."
    )
    escape: _Character | None = pydantic.Field(default=None, description="Makes the next character a plain one.")
    comment: _Character | None = pydantic.Field(default=None, description="Lines that begin with it are no rows.")
    header: bool | Count = pydantic.Field(default=True, description="True, false, or the number of header lines.")
    skip_lines: Count = pydantic.Field(default=0, description="Lines before the header.")
    skip_last_lines: Count = pydantic.Field(default=0, description="Lines after the last row.")
    trim: bool = pydantic.Field(
        default=False, description="True: spaces on both sides of a value are padding; a value of spaces alone is null."
    )


class Csv(CsvOptions):
    """Text with a row on each line, and names of columns on the first."""

    CODE_VERSION: ClassVar[str] = "2"
    EXTENSIONS: ClassVar[Sequence[str]] = ("csv",)
    USUAL_DELIMITER: ClassVar[str] = ","
    type: Literal["csv"] = "csv"

    @contextmanager
    def open(self, file: RawFile, contract: Contract) -> Iterator[OpenTable]:
        """See `IFileFormat`."""
        spelling, dialect = self.spelling(), self.dialect(file, contract)
        rows = CsvText(file.path, file.label, dialect, self.null_values)
        check_columns(rows.names, contract, file.label, rows.examples)
        if self.header:
            check_header(rows.names, contract, file.label)
            check_split(rows.names, contract, file.label, rows.examples)
            if len(rows.names) == 1 and next(rows.blocks(), None) is None:
                check_lone_line(rows.names[0], contract, file.label)
        table = open_rows(rows, contract, spelling, dialect.facts())
        if self.header and not contract.known_columns and set(table.batches.schema.types) == {pa.string()}:
            check_first_row(rows, contract, spelling)
        yield table

    def dialect(self, file: RawFile, contract: Contract) -> CsvDialect:
        """Return how the file is written: as declared, else as the version before, else as its beginning shows."""
        with open_plain(file.path, file.label) as raw:
            stream = Utf8Stream(raw, self.encoding, file.label)
            pieces = iter(lambda: stream.read(SAMPLE_BYTES), b"")
            sample = b"".join(itertools.islice(pieces, 1))
            is_whole = next(pieces, None) is None
        text = sample.decode(errors="replace")
        named = line_that_names_delimiter(text)
        if named and not named.isascii():
            reason = f"its first line names the delimiter {named!r}, which is no ASCII character"
            raise UnparsableSourceError(file.label, self.tag(), reason)
        skip_lines = self.skip_lines or (1 if named else 0)
        lines = split_lines(text)[skip_lines:]
        body = "".join(line for line in lines if not self.comment or not line.startswith(self.comment))
        delimiter = self.delimiter or named or contract.read_as.get("delimiter")
        return CsvDialect(
            delimiter or self._found_delimiter(body, is_whole, contract, file.label),
            stream.encoding,
            self.quote,
            self.escape,
            self.comment,
            int(self.header),
            skip_lines,
            self.skip_last_lines,
            self.trim,
        )

    def _found_delimiter(self, body: str, is_whole: bool, contract: Contract, label: str) -> str:
        found = find_delimiters(body, self.USUAL_DELIMITER, self.quote, is_whole)
        if len(found) > 1 and self.USUAL_DELIMITER != "\t":
            shown = " and ".join(map(repr, found))
            raise UnparsableSourceError(label, self.tag(), f"its rows can be cut by {shown}; set format.delimiter")
        first = first_row(body, found[0], self.quote)
        may_be_title = self.header and len(first) == 1 and first[0] not in contract.known_columns
        candidates = DELIMITERS if self.USUAL_DELIMITER != "\t" else ("\t",)
        if may_be_title and (below := find_header(body, candidates, self.quote, is_whole)):
            place, delimiter = below
            raise TitleError(label, first[0], self.skip_lines + place, delimiter)
        return found[0]


class Tsv(Csv):
    """CSV with tabs."""

    EXTENSIONS: ClassVar[Sequence[str]] = ("tsv", "tab")
    USUAL_DELIMITER: ClassVar[str] = "\t"
    type: Literal["tsv"] = "tsv"  # type: ignore[assignment]  # another literal
