"""The rows of a JSON file: objects, one on each line, or one after another in an array."""

import dataclasses
import itertools
import json
import pathlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import polars as pl
import pyarrow as pa

from artifact_pipelines.datasets.exceptions import EmptySourceError, MalformedRowError
from artifact_pipelines.datasets.reading.bad_rows import BadRow
from artifact_pipelines.datasets.reading.column_types import ColumnType
from artifact_pipelines.datasets.reading.columns import MOST_EXAMPLES
from artifact_pipelines.datasets.reading.json_array import TextBuffer, cut_rows, start_of_rows
from artifact_pipelines.datasets.reading.json_lines import LineBlock, read_lines
from artifact_pipelines.datasets.reading.json_types import (
    FoundJson,
    JsonType,
    Number,
    as_text,
    json_text,
    spelled_text,
    to_array,
)
from artifact_pipelines.datasets.reading.json_values import JsonValues
from artifact_pipelines.datasets.reading.limits import limits_of
from artifact_pipelines.datasets.reading.raw_stream import IBytes, Utf8Stream, open_plain, wrong_encoding
from artifact_pipelines.datasets.reading.spelling import PLAIN, Spelling

MOST_COLUMNS = 2_000
MOST_NESTED = 100
BLOCK_CHARACTERS = 4 << 20
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclasses.dataclass(frozen=True, slots=True)
class JsonBlock:
    """Some rows.

    Attributes:
        rows: All of them; or if there are `columns`, the odd ones.
        lines: Number of the line on which each begins.
        texts: The text of each, unless there are `columns`.
        malformed: Rows that are left out.
        columns: Their values, as far as they are not odd.
    """

    rows: list[Mapping[str, Any]] = dataclasses.field(default_factory=list)
    lines: list[int] = dataclasses.field(default_factory=list)
    texts: list[str] = dataclasses.field(default_factory=list)
    malformed: list[BadRow] = dataclasses.field(default_factory=list)
    columns: LineBlock | None = None

    def written(self, place: int) -> tuple[int, str]:
        """Return the number of the line of a row, and its text."""
        return self.lines[place], str(self.columns.lines[place]) if self.columns else self.texts[place]

    def find(self, name: str, found: FoundJson) -> None:
        """Take the values of a column into account."""
        if self.columns and name in self.columns.texts:
            found.add_texts(self.columns.kinds[name], self.columns.texts[name].drop_nulls())
        found.add([row.get(name) for row in self.rows])

    def texts_of(self, name: str, spelling: Spelling = PLAIN) -> pl.Series:
        """Return the values of a column as texts; JSON's own numbers and truth values as a spelling writes them."""
        values = [row.get(name) for row in self.rows]
        read = [as_text(v) if spelling.is_plain else spelled_text(v, spelling) for v in values]
        texts = pl.Series(name, read, dtype=pl.String)
        return self.columns.with_odd(name, texts, spelling) if self.columns else texts

    def array_of(self, name: str, kind: JsonType) -> pa.Array:
        """Return the values of a column, whose type holds them."""
        if isinstance(kind, ColumnType):
            return kind.convert(self.texts_of(name, kind.written_as))
        values: list[Any] = [row.get(name) for row in self.rows]
        return to_array(self.columns.values_with_odd(values) if self.columns else values, kind)


@dataclasses.dataclass(frozen=True, slots=True)
class _Row:
    """A row as it is found.

    Attributes:
        error: Why it is none.
    """

    line: int
    value: Mapping[str, Any]
    text: str
    error: MalformedRowError | None = None


class JsonRows:
    """The rows of a file.

    Args:
        by_line: True if each row is a line; False if rows may be laid out in any way.
        leaves_out: True if malformed rows are left out.
        rows_at: Keys that lead to the list of rows, joined by points; empty: none do; None: none are known to do.
        known_columns: Names of columns that the dataset knows.

    Attributes:
        names: The columns found so far; all of them once `blocks` has ended.
    """

    def __init__(
        self,
        path: pathlib.Path,
        label: str,
        encoding: str,
        by_line: bool,
        leaves_out: bool = False,
        rows_at: str | None = None,
        known_columns: Collection[str] = (),
    ) -> None:
        self._path, self.label, self._encoding, self._by_line = path, label, encoding, by_line
        self._leaves_out, self._rows_at, self._known_columns = leaves_out, rows_at, known_columns
        self.names: list[str] = []
        self._known: set[str] = set()
        self._has_surrogates = False
        self._decoder = json.JSONDecoder(
            object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=_refuse_constant
        )

    def blocks(self) -> Iterator[JsonBlock]:
        """Yield the rows in blocks.

        Raises:
            MalformedRowError: A row is no JSON object, names a key twice, or brings too many columns.
        """
        first_bad: BadRow | None = None
        with open_plain(self._path, self.label) as raw:
            stream = Utf8Stream(raw, self._encoding, self.label)
            for block in self._by_lines(stream) if self._by_line else self._in_array(stream):
                first_bad = first_bad or next(iter(block.malformed), None)
                yield block
        if not self.names and first_bad:
            raise MalformedRowError(self.label, first_bad.line, first_bad.reason, "Fix the row")
        if not self.names:
            raise EmptySourceError(self.label)

    def _by_lines(self, stream: IBytes) -> Iterator[JsonBlock]:
        for first, data in _iterate_pieces(stream, self.label, limits_of(self._path).row_bytes):
            columns = None if self._leaves_out else read_lines(data)
            if columns is None:
                yield from self._joined(self._rows_of_lines(enumerate(data.split(b"\n"), start=first)))
                continue
            self._take_names(columns.kinds, first)
            lines = [*range(first, first + columns.lines.len())]
            odd = [(lines[place], str(columns.lines[place]).encode()) for place in columns.odd]
            rows = [row for block in self._joined(self._rows_of_lines(odd)) for row in block.rows]
            yield JsonBlock(rows, lines, columns=columns)

    def _in_array(self, stream: IBytes) -> Iterator[JsonBlock]:
        """Yield the rows of an array column by column while each is on one line; then, or if it is none, one by one."""
        data = b"" if self._leaves_out or self._rows_at else stream.read(BLOCK_CHARACTERS)
        start = start_of_rows(data)
        data, line, is_end = data[start:], 1 + data.count(b"\n", 0, start), not start
        while not is_end and len(data) <= limits_of(self._path).row_bytes:
            piece = stream.read(BLOCK_CHARACTERS)
            data, is_end = data + piece, not piece
            cut = cut_rows(data, is_end)
            if cut.rows:
                block = self._block_of(cut.rows, [line + count for count in cut.line_ends])
                if block is None:
                    break
                yield block
                if is_end and cut.end == len(data):
                    return
            data, line = data[cut.end :], line + data.count(b"\n", 0, cut.end)
        values = JsonValues(
            TextBuffer(stream, self._text, data, line),
            self._decoder,
            self.label,
            limits_of(self._path).row_bytes,
            self._known_columns,
        )
        yield from self._joined(itertools.starmap(self._row, values.rows(self._rows_at, is_inside=start > 0)))

    def _block_of(self, rows: Sequence[bytes], lines: Sequence[int]) -> JsonBlock | None:
        """Return rows column by column; None if they are no rows, or cannot be read so."""
        data = b"\n".join(rows)
        if data.count(b"\n") >= len(rows) or (columns := read_lines(data)) is None:
            return None
        odd = list(self._rows_of_lines((lines[place], rows[place]) for place in columns.odd))
        if len(odd) < len(columns.odd) or any(row.error for row in odd):
            return None
        self._take_names(columns.kinds, lines[0])
        for row in odd:
            self._take_names(row.value, row.line)
        return JsonBlock([row.value for row in odd], [*lines], columns=columns)

    def _joined(self, rows: Iterable[_Row]) -> Iterator[JsonBlock]:
        block, size = JsonBlock(), 0
        for row in rows:
            if error := row.error:
                if not self._leaves_out:
                    raise error
                block.malformed.append(BadRow(row.line, None, None, error.problem, row.text))
            else:
                self._take_names(row.value, row.line)
                block.rows.append(row.value)
                block.lines.append(row.line)
                block.texts.append(row.text)
            if (size := size + len(row.text)) > BLOCK_CHARACTERS:
                yield block
                block, size = JsonBlock(), 0
        yield block

    def examples(self, place: int) -> Sequence[str]:
        """Return some values of the column at a place, of the first block of rows."""
        block = next(self.blocks())
        rows = [self._decoder.decode(line) for line in block.columns.lines.head(100)] if block.columns else block.rows
        return [json_text(value) for row in rows if (value := row.get(self.names[place])) is not None][:MOST_EXAMPLES]

    def _take_names(self, row: Mapping[str, Any], line: int) -> None:
        if row.keys() <= self._known:
            return
        new = [name for name in row if name not in self._known]
        if any("\0" in name for name in new):
            raise MalformedRowError(self.label, line, "a key holds a NUL character", "Rename it")
        self.names += new
        self._known.update(new)
        if len(self.names) > MOST_COLUMNS:
            raise MalformedRowError(self.label, line, f"the rows have more than {MOST_COLUMNS:,} different keys", _KEYS)

    def _check_characters(self, row: object, line: int) -> None:
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            problem = f"half of a character: {error.object[error.start :][:1]!a}"
            raise MalformedRowError(self.label, line, problem, "Write both halves of the surrogate pair") from error

    def _rows_of_lines(self, lines: Iterable[tuple[int, bytes]]) -> Iterator[_Row]:
        for line, data in lines:
            try:
                text = self._text(data, line).strip(" \t\r\n")
                if text:
                    yield self._row(line, self._decoded(text, line), text)
            except MalformedRowError as error:
                yield _Row(line, {}, data.decode(errors="backslashreplace"), error)

    def _row(self, line: int, value: Any, text: str) -> _Row:
        try:
            self._check_row(line, value, text)
        except MalformedRowError as error:
            return _Row(line, {}, text, error)
        return _Row(line, value, text)

    def _check_row(self, line: int, value: Any, text: str) -> None:
        if self._has_surrogates:
            self._check_characters(value, line)
        if text.count("{") + text.count("[") > MOST_NESTED and _levels(value) > MOST_NESTED:
            raise MalformedRowError(self.label, line, f"it has more than {MOST_NESTED} levels of nesting", _LEVELS)
        if not isinstance(value, dict):
            raise MalformedRowError(self.label, line, f"the row is no JSON object: {json_text(value):.80}", _OBJECT)

    def _decoded(self, text: str, line: int) -> Any:
        try:
            return self._decoder.decode(text)
        except json.JSONDecodeError as error:
            self._refuse(line, f"no JSON from character {error.pos + 1} on: {text[error.pos :][:40]!r}", error)
        except (ValueError, RecursionError) as error:
            self._refuse(line, str(error), error)

    def _refuse(self, line: int, problem: str, error: Exception) -> NoReturn:
        remedy = (
            "Fix the row; if a row takes several lines, set format.type to json" if self._by_line else "Fix the row"
        )
        raise MalformedRowError(self.label, line, problem, remedy) from error

    def _text(self, data: bytes, line: int) -> str:
        self._has_surrogates = self._has_surrogates or _SURROGATE.search(data) is not None
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise wrong_encoding(error, line, self.label) from error


def _iterate_pieces(stream: IBytes, label: str, most_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield pieces of whole lines, and the number of the first one of each."""
    rest, line = b"", 1
    while piece := stream.read(BLOCK_CHARACTERS):
        data = rest + piece
        end = data.rfind(b"\n") + 1
        if end:
            if end > most_bytes:
                _check_lengths(data[: end - 1], line, label, most_bytes)
            yield line, data[: end - 1]
            line += data.count(b"\n", 0, end)
        rest = data[end:]
        if len(rest) > most_bytes:
            _check_lengths(rest, line, label, most_bytes)
    if rest:
        yield line, rest


def _check_lengths(data: bytes, line: int, label: str, most_bytes: int) -> None:
    for number, each in enumerate(data.split(b"\n"), start=line):
        if len(each) > most_bytes:
            problem = f"the line is longer than {most_bytes / 2**20:g} MiB (`limits.row_bytes`)"
            raise MalformedRowError(label, number, problem, "Split it")


def _object(pairs: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice in an object")
    return found


def _levels(value: object) -> int:
    """Return how deeply a value is nested, at most one more than allowed."""
    count = 0
    level: list[Any] = [value]
    while level and count <= MOST_NESTED:
        level = [each for each in level if isinstance(each, dict | list)]
        level = [item for each in level for item in (each.values() if isinstance(each, dict) else each)]
        count += 1
    return count


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON; write null, or a string")


_OBJECT = 'Write each row as an object, such as {"name": 1}'
_KEYS = 'Keys that are values belong into a column: write {"key": ..., "value": ...}'
_LEVELS = "Flatten the values, or write deep ones as strings"
