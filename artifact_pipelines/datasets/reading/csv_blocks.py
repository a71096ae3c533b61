"""Cuts a text file into blocks of whole rows, and refuses what no strict reader could agree on.

A quote opens a value only at its start and closes it only at its end, all lines end in the same way, there is no NUL.
Nothing is repaired, skipped or trimmed.
"""

import csv
import dataclasses
import functools
import io
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from artifact_pipelines.core.wording import counted
from artifact_pipelines.datasets.exceptions import MalformedRowError, WrongEncodingError
from artifact_pipelines.datasets.reading.csv_dialect import CsvDialect
from artifact_pipelines.datasets.reading.csv_escapes import find_doubtful
from artifact_pipelines.datasets.reading.raw_stream import IBytes, likely_utf16, wrong_encoding

BLOCK_BYTES = 4 << 20
_NEWLINE, _RETURN = 10, 13
_JAPANESE = b"\x1b$B"  # begins two-byte characters in ISO-2022-JP, whose bytes are all ASCII
Positions = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclasses.dataclass(frozen=True)
class Block:
    """Whole rows of a file, as UTF-8.

    Attributes:
        line: Number of their first line, from 1.
    """

    data: bytes
    line: int

    @functools.cached_property
    def line_ends(self) -> int:
        """How many lines end in the block; `bytes.count` takes several times as long."""
        return int(np.count_nonzero(np.frombuffer(self.data, np.uint8) == _NEWLINE))


def iterate_blocks(
    stream: IBytes, dialect: CsvDialect, label: str, most_row_bytes: int, is_checked: bool = False
) -> Iterator[Block]:
    """Yield a text in blocks of whole rows; lines that are no rows are blank in them, so that lines keep their numbers.

    Args:
        most_row_bytes: Longest row.
        is_checked: True if the same text has been read to its end before.

    Raises:
        MalformedRowError: See the module.
    """
    line, rest, is_end = 1 + dialect.skip_lines, b"", False
    line_end: bytes | None = None
    while not is_end:
        piece = stream.read(BLOCK_BYTES)
        is_end = not piece
        rows, rest = _cut(rest, piece, dialect)
        if rows:
            block = Block(rows, line)
            if not is_checked:
                line_end = check_block(block, dialect, line_end, label)
                _check_lengths(block, dialect, most_row_bytes, label)
            yield block
            line += block.line_ends
        if len(rest) > most_row_bytes:
            raise _too_long(line, dialect, most_row_bytes, label)


def _cut(rest: bytes, piece: bytes, dialect: CsvDialect) -> tuple[bytes, bytes]:
    """Return the whole rows of a text, and what is left of it; at the end, without a piece, all are whole."""
    has_quotes = bool(dialect.quote) and (dialect.quote_byte in piece or dialect.quote_byte in rest)
    if piece and not (has_quotes or dialect.comment or dialect.escape):
        end = piece.rfind(b"\n") + 1
        return (b"".join((rest, memoryview(piece)[:end])), piece[end:]) if end else (b"", rest + piece)  # one copy
    data = _blank_comments(rest + piece, dialect, not piece) if dialect.comment else rest + piece
    end = _end_of_rows(data, dialect) if piece else len(data)
    return data[:end], data[end:]


def _check_lengths(block: Block, dialect: CsvDialect, most_bytes: int, label: str) -> None:
    may_hold_line_ends = dialect.escape or (dialect.quote and dialect.quote_byte in block.data)
    if len(block.data) <= most_bytes or (longest_line(block.data) <= most_bytes and not may_hold_line_ends):
        return
    for row in iterate_rows(block, dialect):
        if len(row.data) > most_bytes:
            raise _too_long(row.line, dialect, most_bytes, label)


def longest_line(data: bytes) -> int:
    """Return how many bytes the longest line has, without its end."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE)
    return int(np.diff(ends, prepend=-1, append=len(data)).max()) - 1


def _too_long(line: int, dialect: CsvDialect, most_bytes: int, label: str) -> MalformedRowError:
    problem = f"the row that begins here is longer than {most_bytes / 2**20:g} MiB (`limits.row_bytes`)"
    return MalformedRowError(label, line, problem, _QUOTES if dialect.quote else "Split the value over rows.")


_QUOTES = "Close the quote that is open there, or set format.quote to '' if quotes are plain characters"


def _blank_comments(data: bytes, dialect: CsvDialect, is_end: bool) -> bytes:
    """Blank the complete lines outside of quotes that begin with the mark of a comment; at the end an open one too."""
    mark = str(dialect.comment).encode()
    if not data.startswith(mark) and data.find(b"\n" + mark) < 0:
        return data
    kept, is_inside = [], False
    for line in io.BytesIO(data):  # no other character than \n ends a line
        if not is_inside and line.startswith(mark) and (is_end or line.endswith(b"\n")):
            kept.append(line[len(line.rstrip(b"\r\n")) :])
            continue
        is_inside ^= bool(dialect.quote) and len(_quotes(line, dialect)) % 2 == 1
        kept.append(line)
    return b"".join(kept)


def _end_of_rows(data: bytes, dialect: CsvDialect) -> int:
    """Return where the last whole row ends: behind the last line end that is outside of quotes."""
    end = data.rfind(b"\n") + 1
    while dialect.escape and end and _is_escaped_end(data, end, dialect.escape):
        end = data.rfind(b"\n", 0, end - 1) + 1
    if not dialect.quote or data.find(dialect.quote_byte) < 0:
        return end
    quotes = _quotes(data, dialect)
    while end and (count := int(np.searchsorted(quotes, end))) % 2:
        end = data.rfind(b"\n", 0, int(quotes[count - 1])) + 1
    return end


def _is_escaped_end(data: bytes, end: int, escape: str) -> bool:
    """True if the line end before a place is escaped."""
    at = end - 1 if data[end - 1 : end] == b"\n" else end
    return _is_escaped(data, at - 1 if data[at - 1 : at] == b"\r" else at, escape.encode())


def _quotes(data: bytes, dialect: CsvDialect) -> Positions:
    """Return the positions of quotes that are not escaped."""
    values = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(values == dialect.quote_byte[0])
    if dialect.escape:
        escape = dialect.escape.encode()
        quotes = np.array([at for at in quotes if not _is_escaped(data, int(at), escape)], np.int64)
    return quotes


def _is_escaped(data: bytes, at: int, escape: bytes) -> bool:
    before = at
    while before and data[before - 1 : before] == escape:
        before -= 1
    return (at - before) % 2 == 1


def check_block(block: Block, dialect: CsvDialect, line_end: bytes | None, label: str) -> bytes:
    """Refuse a block with quotes or line ends that can be read in more than one way, or with a NUL.

    Args:
        line_end: Of the file; None: this is its first block.

    Returns:
        The line end of the file.
    """
    data = block.data
    if (at := data.find(b"\0")) >= 0:
        if likely := likely_utf16(data):
            raise WrongEncodingError(label, "utf-8", _line(block, at), at - data.rfind(b"\n", 0, at), data[:20], likely)
        remedy = "Export the file again as text; if it is UTF-16, set format.encoding"
        raise MalformedRowError(label, _line(block, at), "it holds a NUL character", remedy)
    if data.find(_JAPANESE[:1]) >= 0 and (at := data.find(_JAPANESE)) >= 0:  # one byte is found much faster
        raise WrongEncodingError(
            label, "utf-8", _line(block, at), at - data.rfind(b"\n", 0, at), data[at : at + 20], "iso2022_jp"
        )
    if dialect.escape and (doubtful := find_doubtful(data, dialect)) is not None:
        problem = f"an escape that can be read in two ways: {_shown(data, doubtful)}"
        raise MalformedRowError(label, _line(block, doubtful), problem, _ESCAPE)
    quotes = _quotes(data, dialect) if dialect.quote and data.find(dialect.quote_byte) >= 0 else None
    line_end = line_end or _line_end(data, quotes)
    _check_line_ends(block, quotes, line_end, label)
    if quotes is not None:
        _check_quotes(block, quotes, dialect, label)
    return line_end


def _check_line_ends(block: Block, quotes: Positions | None, line_end: bytes, label: str) -> None:
    """Refuse line ends, outside of quotes, that are not like the first one: each may be part of a value."""
    data = block.data
    if line_end == b"\n" and data.find(b"\r") < 0:
        return
    if line_end == b"\r\n" and data.count(b"\r") == data.count(b"\r\n") == data.count(b"\n"):
        return
    values = np.frombuffer(data, np.uint8)
    padded = np.concatenate(([0], values, [0]))
    at_newline, at_return = np.flatnonzero(values == _NEWLINE), np.flatnonzero(values == _RETURN)
    is_other = (padded[at_newline] == _RETURN) != (line_end == b"\r\n")
    wrong = np.sort(np.concatenate((at_newline[is_other], at_return[padded[at_return + 2] != _NEWLINE])))
    if quotes is not None:
        wrong = wrong[np.searchsorted(quotes, wrong) % 2 == 0]
    if wrong.size:
        problem = f"a line end unlike the first one of the file, which is {line_end!r}: {_shown(data, int(wrong[0]))}"
        if _NEWLINE not in data:
            problem = f"lines end with '\\r' alone, as those of old Macs do: {_shown(data, 0)}"
        remedy = "End all lines in the same way, or put the value into quotes"
        raise MalformedRowError(label, _line(block, int(wrong[0])), problem, remedy)


def _line_end(data: bytes, quotes: Positions | None) -> bytes:
    """Return the first line end of a text that is outside of quotes."""
    at = data.find(b"\n")
    while quotes is not None and at >= 0 and int(np.searchsorted(quotes, at)) % 2:
        at = data.find(b"\n", at + 1)
    return b"\r\n" if data[at - 1 : at] == b"\r" else b"\n"


def _check_quotes(block: Block, quotes: Positions, dialect: CsvDialect, label: str) -> None:
    values = np.frombuffer(block.data, np.uint8)
    padded = np.concatenate(([_NEWLINE], values, [_NEWLINE]))
    opening, closing = quotes[::2], quotes[1::2]
    ends = (dialect.delimiter_byte[0], _NEWLINE, _RETURN)
    starts_value = np.isin(padded[opening], ends[:2])
    ends_value = np.isin(padded[closing + 2], ends)
    if not dialect.escape:  # a doubled quote inside a value closes and opens it
        doubled = closing[: len(quotes[2::2])] + 1 == quotes[2::2]
        starts_value[1:] |= doubled
        ends_value[: doubled.size] |= doubled
    if len(quotes) % 2:
        ends_value = np.append(ends_value, False)
        closing = np.append(closing, quotes[-1])
    wrong = np.concatenate((opening[~starts_value], closing[~ends_value]))
    if wrong.size:
        at = int(wrong.min())
        is_open = len(quotes) % 2 == 1 and at == int(quotes[-1]) and bool(starts_value[-1])
        problem = "a quote is never closed" if is_open else "a quote stands inside a value"
        raise MalformedRowError(label, _line(block, at), f"{problem}: {_shown(block.data, at)}", _STRAY)


_ESCAPE = (
    "An escape may stand before a delimiter, a quote, a line end and an escape. Fix the value; or add '\\N' to "
    "format.null_values, if it is null; or leave out format.escape, if it is a plain character"
)
_STRAY = (
    "Remove spaces outside of the quotes, and double a quote inside a quoted value; or declare how the file writes it: "
    "format.escape (such as a backslash), or format.quote '' if quotes are plain characters"
)


def _line(block: Block, at: int) -> int:
    return block.line + block.data.count(b"\n", 0, at)


def _shown(data: bytes, at: int) -> str:
    start = data.rfind(b"\n", 0, at) + 1
    end = data.find(b"\n", at)
    return repr(data[start : end if end >= 0 else len(data)][:80].decode(errors="replace").rstrip("\r"))


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row of a block.

    Attributes:
        data: Without its line end.
        line: Number of its first line.
        start: Position of its first byte in the block.
        end: Position behind its line end.
    """

    data: bytes
    line: int
    start: int
    end: int


def iterate_rows(block: Block, dialect: CsvDialect) -> Iterator[Row]:
    """Yield the rows of a block without blank ones. Slow: for a header, and to find the place of a fault."""
    start = end = 0
    line = first = block.line
    while end < len(block.data):
        end = (block.data.find(b"\n", end) + 1) or len(block.data)
        line += 1
        row = block.data[start:end]
        if dialect.quote and row.find(dialect.quote_byte) >= 0 and len(_quotes(row, dialect)) % 2:
            continue
        if dialect.escape and _is_escaped_end(row, len(row), dialect.escape):
            continue
        plain = row.removesuffix(b"\n").removesuffix(b"\r")
        if plain or not dialect.skips_blank_lines:
            yield Row(plain, first, start, end)
        start, first = end, line


def split_row(row: bytes, dialect: CsvDialect, strict: bool = True) -> Sequence[str]:
    """Return the values of one row.

    Raises:
        csv.Error: It ends within a value; not unless `strict`.
    """
    options: dict[str, Any] = {"quotechar": dialect.quote} if dialect.quote else {"quoting": csv.QUOTE_NONE}
    end = "\n" if dialect.escape else ""  # or a row that ends with an escaped line end would have no end
    reader = csv.reader(
        [row.decode(errors="replace") + end],
        delimiter=dialect.delimiter,
        escapechar=dialect.escape,
        strict=strict,
        **options,
    )
    return next(reader, [])


def check_text(row: Row, label: str) -> None:
    """Refuse a file with a row that is no UTF-8: all its rows are of another encoding, even if they do not show it."""
    try:
        row.data.decode()
    except UnicodeDecodeError as error:
        raise wrong_encoding(error, row.line, label) from error


def values_of(row: Row, dialect: CsvDialect, label: str) -> Sequence[str]:
    """Return the values of a row, or refuse it."""
    check_text(row, label)
    try:
        return split_row(row.data, dialect)
    except csv.Error as error:
        problem = f"it cannot be split into values, because it ends too early ({_shown(row.data, 0)})"
        raise MalformedRowError(label, row.line, problem, _COUNT) from error


def check_row(row: Row, dialect: CsvDialect, names: Sequence[str], label: str) -> None:
    """Refuse a row that cannot be split into as many values as there are columns."""
    values = values_of(row, dialect, label)
    if len(values) != len(names):
        found = counted(len(values), "value")
        problem = f"{found}, {len(names):,} expected ({_shown(row.data, 0)})"
        raise MalformedRowError(label, row.line, problem, _COUNT)


def explain_block(block: Block, dialect: CsvDialect, names: Sequence[str], label: str) -> NoReturn:
    """Raise the error about the first row of a block that cannot be split into values."""
    for row in iterate_rows(block, dialect):
        check_row(row, dialect, names, label)
    raise AssertionError(f"no row of {label} from line {block.line} is malformed")


_COUNT = (
    "Fix the row, put values that hold the delimiter into quotes, or set format.delimiter; for lines that are no rows, "
    "set format.skip_lines, format.skip_last_lines or format.comment"
)
