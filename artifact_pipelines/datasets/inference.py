"""Writes the YAML file of a new dataset from a file as it is: format and types as found, for the user to edit."""

import glob
import json
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from artifact_pipelines.core.exceptions import InvalidArgumentError, SourceError, first_names
from artifact_pipelines.datasets.exceptions import (
    NoHeaderError,
    PaddedValuesError,
    SeveralSheetsError,
    TitleError,
    UnitsError,
    UnparsableSourceError,
    WrappedRowsError,
    WrongEncodingError,
)
from artifact_pipelines.datasets.formats.csv import Csv
from artifact_pipelines.datasets.interfaces import IFileFormat, RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.registry import ByExtension, choose_format
from artifact_pipelines.datasets.table_reader import open_table
from artifact_pipelines.storage.file_types import describe_by_name

_DUCKDB_NAMES = {
    pa.string(): "VARCHAR",
    pa.large_string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.uint8(): "UTINYINT",
    pa.uint16(): "USMALLINT",
    pa.uint32(): "UINTEGER",
    pa.uint64(): "UBIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    pa.time64("ns"): "TIME",
    pa.timestamp("us"): "TIMESTAMP",
    pa.timestamp("ns"): "TIMESTAMP_NS",
}

_MEANT = {
    r"^\d{1,2}\.\d{1,2}\.\d{4}$": '{type: DATE, format: "%d.%m.%Y"}',
    r"^\d{1,2}/\d{1,2}/\d{4}$": '{type: DATE, format: "%d/%m/%Y"}, or "%m/%d/%Y"',
    r"^-?\d+,\d{1,2}$": '{type: "DECIMAL(18,2)", decimal_mark: ","}',
    r"^-?\d{1,3}(\.\d{3})*,\d{1,2}$": '{type: "DECIMAL(18,2)", decimal_mark: ",", thousands_mark: "."}',
}
"""Forms of texts that a declaration reads as something else, with that declaration."""


_NULLS = {".", "-", "--", "?", "na", "n/a", "#n/a", "nan", "nil", "none", "null", "missing", "\\n"}
"""Words for null, in lower case, that are no units."""

_FOUND = ("delimiter", "encoding", "sheet", "header", "skip_lines", "null_values", "rows_at", "trim")


def infer_dataset(path: pathlib.Path) -> str:
    """Return the YAML file of a dataset of which this is the first file.

    Columns whose types have no name in YAML, such as structs, are left to be found again.

    Raises:
        SourceError: The file cannot be read as a table.
    """
    file = RawFile(path, describe_by_name(path.name).file_type, path.name)
    found, guesses = _find_by_guesses(file)
    name = dataset_name(path)
    attributes = {
        "name": name,
        "description": f"TODO: what is a row of {path.name}?",
        "source": glob.escape(path.name),
        "owners": ["team:TODO"],
        "format": found.format,
    }
    rows = "1 row" if found.rows == 1 else f"all {found.rows:,} rows"
    lines = [
        f"# Found on {rows} of {_on_one_line(path.name)}. The place of this file is",
        f"# defs/{name}/defs.yaml. Edit it, then run `dg check defs`.",
        *(f"# {_on_one_line(guess)}." for guess in guesses),
        "type: artifact_pipelines.DatasetPipeline",
        "",
        yaml.safe_dump({"attributes": attributes}, sort_keys=False, allow_unicode=True).rstrip(),
        '  # source: "sales*.csv" takes many files, with `files: latest` (each replaces the table) or `files: all`',
        "  columns:",
        *(f"    {each.line()}" for each in found.columns),
        "  # key: []  # columns that identify a row",
        "  # samples: {hundred: {n: 100, seed: 1}}",
        "  analyses:",
        "    profile: {kind: profile}",
    ]
    return "\n".join(lines) + "\n"


class _Found(NamedTuple):
    """What a file holds, and how it was read."""

    format: Mapping[str, Any]
    columns: "Sequence[_Seen]"
    rows: int


def _find_by_guesses(file: RawFile) -> tuple[_Found, Sequence[str]]:
    """Return what a file holds, with options that errors about it suggest, and what was guessed for them."""
    options: dict[str, Any] = {}
    guesses: list[str] = []
    try:
        kind: type[IFileFormat] = choose_format(file)
        first: IFileFormat = ByExtension()
    except UnparsableSourceError:
        kind, first = Csv, Csv()
        guesses.append("The type is a guess, because the name of the file does not say it")
    while True:
        try:
            return _find(file, kind(**options) if options else first), guesses
        except SourceError as error:
            option = _option(error)
            if option is None or option[0] in options:
                raise
            options[option[0]] = option[1]
            guesses.append(option[2])


def _option(error: SourceError) -> tuple[str, Any, str] | None:
    """Return an option that may mend an error, its value, and the guess in it; None: there is none."""
    match error:
        case WrongEncodingError(likely=likely):
            return "encoding", likely, f"The encoding {likely} is a guess: look at letters such as ä or é"
        case SeveralSheetsError(sheets=sheets):
            return "sheet", sheets[0], f"The sheet is the first of {', '.join(sheets)}"
        case WrappedRowsError(places=[place, *others]):
            more = f"; others are {first_names(others)}" if others else ""
            return "rows_at", place, f"The rows are taken from {place!r}, the longest list of objects{more}"
        case TitleError(first=first, count=count):
            guess = (
                f"The header is taken to be line {count + 1}, below a title. If {first!r:.60} names the only column, "
                "set a delimiter that the file does not have in place of skip_lines"
            )
            return "skip_lines", count, guess
        case UnitsError(values=values) if {value.lower() for value in values} <= _NULLS:
            nulls = sorted({*values})
            return "null_values", nulls, f"Null is taken to be {first_names(nulls)}"
        case UnitsError(place=place, line=line):
            return "header", 2, f"{place.capitalize()} {line} is taken for a part of the header, such as units"
        case PaddedValuesError():
            return "trim", True, "Spaces around the delimiters are taken for padding"
        case NoHeaderError():
            return "header", False, "The first line is taken for a row, because it begins with a value"
    return None


def _find(file: RawFile, file_format: IFileFormat) -> _Found:
    with open_table(file, file_format, Contract()) as table:
        seen, rows = [_Seen(field) for field in table.batches.schema], 0
        for batch in table.batches:
            rows += batch.num_rows
            for each in seen:
                each.add(batch.column(each.field.name))
        given = file_format.model_dump(
            include={"sheet", "encoding", "header", "null_values", "rows_at"}, exclude_unset=True
        )
        return _Found(_format(file_format.chosen_for(file), {**table.read_as, **given}), seen, rows)


class _Seen:
    """A column: its type, nulls, first value, and how all of its texts may be meant."""

    def __init__(self, field: pa.Field) -> None:
        self.field = field
        self._nulls, self._example = 0, ""
        self._meant = dict(_MEANT) if _type_name(field.type) == "VARCHAR" else {}

    def add(self, values: pa.Array) -> None:
        self._nulls += values.null_count
        for pattern in list(self._meant):
            if pc.all(pc.match_substring_regex(values, pattern)).as_py() is False:
                del self._meant[pattern]
        if not self._example and values.null_count < len(values):
            text = json.dumps(str(values.drop_null()[0])[:40], ensure_ascii=False)
            self._example = f", such as {_on_one_line(text)}"

    def line(self) -> str:
        style = None if self.field.name.isprintable() else '"'  # a key has to stand on one line
        dumped = yaml.safe_dump(self.field.name, default_style=style, allow_unicode=True, width=10**6)
        name = dumped.removesuffix("...\n").strip()
        kind = _type_name(self.field.type)
        nulls = f"{self._nulls:,} null" if self._nulls else "no null"
        meant = next(iter(self._meant.values()), "") if self._example else ""
        facts = f"# {nulls}{self._example}" + (f"; if so meant: {meant}" if meant else "")
        return f"{name}: {json.dumps(kind) if '(' in kind else kind}  {facts}" if kind else f"# {name}: {facts[2:]}"


def _on_one_line(text: str) -> str:
    """Return a text for a comment of YAML, which ends at more characters than a line feed."""
    return re.sub("[\\x00-\\x1f\\x7f-\\x9f\u2028\u2029]", lambda match: ascii(match[0])[1:-1], text)


def dataset_name(path: pathlib.Path) -> str:
    """Return a dataset's name made from a file's name."""
    words = re.sub(r"[^a-z0-9]+", "_", path.name.split(".")[0].lower()).strip("_")[:63].rstrip("_")
    if not words:
        raise InvalidArgumentError("file name", path.name, "a name with a letter or digit of ASCII; rename the file")
    return words if words[0].isalpha() else f"data_{words}"[:63]


def _format(chosen: IFileFormat, read_as: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the file's format, with the delimiter, the encoding, the sheet and the place of the header, as found."""
    found = {name: read_as[name] for name in _FOUND if read_as.get(name) is not None}
    return {"type": chosen.tag(), **{name: each for name, each in found.items() if name in type(chosen).model_fields}}


def _type_name(kind: pa.DataType) -> str | None:
    if pa.types.is_decimal128(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind) and kind.unit == "us" and kind.tz:
        return "TIMESTAMPTZ" if kind.tz in ("UTC", "+00:00") else None
    return _DUCKDB_NAMES.get(kind)
