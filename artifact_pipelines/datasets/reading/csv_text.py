"""A CSV file as tables of texts, block by block; it can be read as often as needed."""

import dataclasses
import itertools
import pathlib
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.csv

from artifact_pipelines.datasets.exceptions import EmptySourceError, MalformedRowError, UnparsableSourceError
from artifact_pipelines.datasets.interfaces import Written
from artifact_pipelines.datasets.reading.bad_rows import BadRow
from artifact_pipelines.datasets.reading.csv_blocks import (
    Block,
    Row,
    check_row,
    explain_block,
    iterate_blocks,
    iterate_rows,
    split_row,
    values_of,
)
from artifact_pipelines.datasets.reading.csv_dialect import CsvDialect
from artifact_pipelines.datasets.reading.csv_escapes import NULL, with_nulls
from artifact_pipelines.datasets.reading.csv_quickly import split_quickly
from artifact_pipelines.datasets.reading.limits import limits_of
from artifact_pipelines.datasets.reading.raw_stream import IBytes, Utf8Stream, open_plain

_ROWS_SEEN = 20
_JOINED = "Remove the line; if files were joined, drop each of them by itself"
_RULER = re.compile(r":?[-=][-= ]*:?")
_NO_RULER = (
    "Export the file without it; or set format.skip_lines and `header: false`, and `type: fixed` if spaces align the "
    "columns; or add the dashes to format.null_values if they are null"
)
_SECOND_MARKS = ("\ufeff", "ï»¿")  # the latter is one that was taken for Latin-1
_MARK = b"\xef\xbb\xbf"  # Arrow drops one at the start of what it reads


class CsvText:
    """The rows of a file as texts.

    Args:
        nulls: Texts that mean null where they are not in quotes, besides the empty one. The empty text among them means
            that quoted values may be null too.

    Attributes:
        names: Names of the columns, in order.
    """

    def __init__(self, path: pathlib.Path, label: str, dialect: CsvDialect, nulls: Sequence[str]) -> None:
        has_escaped_null = dialect.escape == NULL[0] and NULL in nulls
        self._path, self.label = path, label
        self._nulls = [text for text in nulls if not has_escaped_null or text != NULL]
        self._nulls_of_split = [] if dialect.trim else self._nulls
        self._dialect = dataclasses.replace(dialect, has_escaped_null=has_escaped_null)
        self._is_checked = False
        first = next(self._whole_blocks(), None)
        if first is None or not first.data.strip():
            raise EmptySourceError(label)
        header = dataclasses.replace(self._dialect, skips_blank_lines=True)
        count = max(1, dialect.header_lines)
        seen = iterate_rows(first, header)
        rows, below = list(itertools.islice(seen, count)), next(seen, None)
        if dialect.header_lines and below:
            self._refuse_ruler(below)
        self.names = _names([self._values(row) for row in rows], dialect.header_lines > 0)
        if self.names[0].startswith(_SECOND_MARKS):
            problem = f"a second byte order mark stands before the header, {self.names[0]!r:.80}"
            raise MalformedRowError(
                label, rows[0].line, problem, "Export the file again with one, or remove the second"
            )
        self._data_start = rows[-1].end if dialect.header_lines and rows else 0
        self._header = rows[0].data if dialect.header_lines == 1 and len(self.names) > 1 else None
        skips_blank_lines = len(self.names) > 1 or dialect.comment is not None
        self._dialect = dataclasses.replace(self._dialect, skips_blank_lines=skips_blank_lines)

    def _values(self, row: Row) -> Sequence[str]:
        values = values_of(row, self._dialect, self.label)
        return [value.strip(" ") for value in values] if self._dialect.trim else values

    def _refuse_ruler(self, row: Row) -> None:
        """Refuse a file with a line of dashes below its header, as `sqlcmd` writes it."""
        values = [value.strip(" ") for value in split_row(row.data, self._dialect, strict=False)]
        if (
            all(map(_RULER.fullmatch, values))
            and max(map(len, values), default=0) > 2
            and not set(values) & {*self._nulls}
        ):
            raise MalformedRowError(self.label, row.line, "a line of dashes below the header is no row", _NO_RULER)

    def blocks(self) -> Iterator[Block]:
        """Yield the rows without the header; see `iterate_blocks`. The text is checked the first time."""
        for index, block in enumerate(self._whole_blocks(self._is_checked)):
            start = self._data_start if index == 0 else 0
            if not start:
                yield block
            elif rest := block.data[start:]:
                yield Block(rest, block.line + block.data.count(b"\n", 0, start))
        self._is_checked = True

    def _whole_blocks(self, is_checked: bool = False) -> Iterator[Block]:
        with open_plain(self._path, self.label) as raw:
            stream: IBytes = Utf8Stream(raw, self._dialect.encoding, self.label)
            if self._dialect.skip_lines:
                stream = _WithoutFirstLines(stream, self._dialect.skip_lines)
            most = limits_of(self._path).row_bytes
            if self._dialect.skip_last_lines:
                stream = _WithoutLastLines(stream, self._dialect.skip_last_lines, most, self.label)
            yield from iterate_blocks(stream, self._dialect, self.label, most, is_checked)

    def texts(self, block: Block, names: Sequence[str], whole: Collection[str] = ()) -> pl.DataFrame:
        """See `ITextRows`.

        Raises:
            MalformedRowError: A row has more or fewer values than there are columns, or is no UTF-8.
        """
        if self._dialect.skips_blank_lines and block.data[:1] in b"\r\n" and not block.data.strip(b"\r\n"):
            return pl.DataFrame(schema=dict.fromkeys(names, pl.String))  # Arrow refuses a text without any row
        may_be_numbers = () if self._dialect.trim else whole
        kinds = {self.names.index(name): pl.Int64 if name in may_be_numbers else pl.String for name in names}
        quick = None if self._nulls_of_split else split_quickly(block, self._dialect, len(self.names), kinds)
        found = self._split(block, [*kinds]) if quick is None else quick
        texts = found.rename(dict(zip(found.columns, names, strict=True)))
        if self._dialect.trim:
            texts = texts.select(pl.all().str.strip_chars(" ").replace([*{"", *self._nulls}], None))
        self._check_headers(block, texts)
        return texts

    def _check_headers(self, block: Block, texts: pl.DataFrame) -> None:
        """Refuse a row that is the header once more, or has a byte order mark, as in files that were joined."""
        name = next((name for name, kind in texts.schema.items() if name and kind == pl.String), None)
        if self._header is None or name is None:
            return
        starts = [] if block.data.isascii() else [_MARK]
        if (texts[name] == name).any():  # far quicker than to look for the header in the text
            starts.append(self._header)
        if block.data.startswith(tuple(starts)) or any(block.data.find(b"\n" + start) >= 0 for start in starts):
            for row in iterate_rows(block, self._dialect):
                self._check_header(row)

    def _check_header(self, row: Row) -> None:
        is_marked = row.data.startswith(_MARK) and self._header is not None
        if row.data == self._header or is_marked:
            what = "a byte order mark between the rows" if is_marked else "the header once more"
            problem = f"{what} ({row.data[:80].decode(errors='replace')!r})"
            raise MalformedRowError(self.label, row.line, problem, _JOINED)

    def _split(self, block: Block, places: Sequence[int]) -> pl.DataFrame:
        data = with_nulls(block.data, self._dialect)
        data = _MARK + data if data.startswith(_MARK) else data
        try:
            table = pyarrow.csv.read_csv(pa.py_buffer(data), *self._options(places, len(data)))
        except pa.ArrowInvalid:
            explain_block(block, self._dialect, self.names, self.label)
        return pl.DataFrame([pl.Series(str(place), table.column(str(place))) for place in places])

    def _options(self, places: Sequence[int], size_bytes: int) -> Sequence[Any]:
        dialect = self._dialect
        names = [str(place) for place in range(len(self.names))]  # those of the file may be empty
        return (
            pyarrow.csv.ReadOptions(column_names=names, block_size=max(size_bytes + 1, 1024), use_threads=False),
            pyarrow.csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote or False,
                double_quote=dialect.escape is None,
                escape_char=dialect.escape or False,
                newlines_in_values=bool(dialect.quote),
                ignore_empty_lines=dialect.skips_blank_lines,
            ),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()),
                include_columns=[str(place) for place in places] or names[:1],
                null_values=["", *self._nulls_of_split],
                strings_can_be_null=True,
                quoted_strings_can_be_null="" in self._nulls_of_split,
            ),
        )

    def examples(self, place: int) -> Sequence[str]:
        """Return some values of the column at a place."""
        block = next(self.blocks(), None)
        rows = itertools.islice(iterate_rows(block, self._dialect), _ROWS_SEEN) if block else ()
        values = [split_row(row.data, self._dialect, strict=False)[place : place + 1] for row in rows]
        shown = [value[0].strip(" ") if self._dialect.trim else value[0] for value in values if value]
        return [value for value in shown if value]

    def without_malformed(self, block: Block) -> tuple[Block, Sequence[BadRow]]:
        """See `ITextRows`: malformed rows are blank in the block, so that lines keep their numbers.

        Raises:
            MalformedRowError: In a table of one column, where a blank line is a row.
        """
        bad: list[BadRow] = []
        rest, copied = bytearray(), 0
        for row in iterate_rows(block, self._dialect):
            try:
                self.check_row(row)
            except MalformedRowError as error:
                if not self._dialect.skips_blank_lines:
                    raise
                text = row.data.decode(errors="backslashreplace")
                bad.append(BadRow(row.line, None, None, error.problem, text))
                lines = block.data.count(b"\n", row.start, row.end)
                rest += block.data[copied : row.start] + b"\n" * lines
                copied = row.end
        return Block(bytes(rest) + block.data[copied:], block.line), bad

    def check_row(self, row: Row) -> None:
        """Refuse a row that cannot be split into as many values as there are columns."""
        check_row(row, self._dialect, self.names, self.label)
        self._check_header(row)

    def written(self, block: Block, places: Sequence[int]) -> Sequence[Written]:
        """See `ITextRows`. Slow."""
        wanted = set(places)
        rows = enumerate(iterate_rows(block, self._dialect)) if wanted else ()
        return [(row.line, row.data.decode()) for place, row in rows if place in wanted]


def _names(rows: Sequence[Sequence[str]], has_header: bool) -> Sequence[str]:
    width = max(map(len, rows), default=0)
    if not has_header:
        return [f"column_{place + 1}" for place in range(width)]
    return ["_".join(part for part in parts if part) for parts in itertools.zip_longest(*rows, fillvalue="")]


class _WithoutFirstLines:
    def __init__(self, stream: IBytes, count: int) -> None:
        self._stream, self._count = stream, count

    def read(self, size: int, /) -> bytes:
        while self._count:
            data = self._stream.read(size)
            if not data:
                return b""
            while self._count and (end := data.find(b"\n") + 1):
                data, self._count = data[end:], self._count - 1
            if not self._count and data:
                return data
        return self._stream.read(size)


class _WithoutLastLines:
    def __init__(self, stream: IBytes, count: int, most_row_bytes: int, label: str) -> None:
        self._stream, self._count, self._held = stream, count, b""
        self._most_bytes, self._label = (count + 1) * most_row_bytes, label

    def read(self, size: int, /) -> bytes:
        while piece := self._stream.read(size):
            self._held += piece
            if end := self._end():
                data, self._held = self._held[:end], self._held[end:]
                return data
            if len(self._held) > self._most_bytes:
                raise UnparsableSourceError(self._label, "CSV", "its lines are longer than `limits.row_bytes` allows")
        data, self._held = self._held[: self._end()], b""
        return data

    def _end(self) -> int:
        """Return where the last lines begin that may have to be dropped."""
        end = len(self._held.removesuffix(b"\n"))
        for _ in range(self._count):
            if (end := self._held.rfind(b"\n", 0, end)) < 0:
                return 0
        return end + 1
