"""The text of a JSON array: cut into rows where it is plain, or parsed value by value."""

import itertools
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from artifact_pipelines.datasets.reading.raw_stream import IBytes

_PIECE_BYTES = 1 << 20
_SPACES = " \t\r\n"
_SPACE = re.compile(f"[{_SPACES}]*")
_START = re.compile(rb"[ \t\r\n]*\[[ \t\r\n]*")
_BETWEEN = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*\{")


class CutRows(NamedTuple):
    """Texts that seem to be rows.

    Attributes:
        rows: If all of them are JSON, they are the rows; else one was cut in the middle of a text.
        line_ends: Number of line ends before each.
        end: Where the rest begins: the next row.
    """

    rows: Sequence[bytes]
    line_ends: Sequence[int]
    end: int


def start_of_rows(data: bytes) -> int:
    """Return where the first value of an array begins; 0 if this is no array."""
    match = _START.match(data)
    return match.end() if match else 0


def cut_rows(data: bytes, is_end: bool) -> CutRows:
    """Cut a part of an array, from the start of a row on, where rows seem to end.

    Args:
        is_end: True if the array ends in this part.
    """
    between = [match.span() for match in _BETWEEN.finditer(data)]
    starts = [0, *(end - 1 for _, end in between)]
    ends = [start + 1 for start, _ in between]
    if is_end and (whole := data.rstrip(_SPACES.encode())).endswith(b"]"):
        ends.append(len(whole) - 1)
    rows = [data[start:end] for start, end in zip(starts, ends, strict=False)]
    line_ends = itertools.accumulate((data.count(b"\n", *each) for each in between), initial=0)
    return CutRows(rows, list(line_ends)[: len(rows)], len(data) if len(ends) == len(starts) else starts[-1])


class TextBuffer:
    """The part of a text that is being parsed.

    Args:
        decode: Decodes some bytes that begin on a line.
        read: Bytes that have been read from the stream already.

    Attributes:
        line: Number of the line at `place`.
    """

    def __init__(self, stream: IBytes, decode: Callable[[bytes, int], str], read: bytes = b"", line: int = 1) -> None:
        self._stream, self._decode, self._rest = stream, decode, read
        self.text, self.place, self.line = "", 0, line

    def fill(self) -> bool:
        """Read more; return False at the end."""
        data = self._stream.read(max(_PIECE_BYTES, len(self.text) - self.place))
        whole = self._rest + data
        end = whole.rfind(b"\n") + 1 if data else len(whole)  # a character of UTF-8 is never cut at a line end
        end = end or _last_start(whole)
        self._rest = whole[end:]
        self.text = self.text[self.place :] + self._decode(whole[:end], self.line)
        self.place = 0
        return bool(whole)

    def peek(self) -> str:
        """Skip white space and return the next character; an empty text at the end."""
        while True:
            if self.text[self.place : self.place + 1] in _SPACES:  # also at the end
                self.skip(_SPACE.match(self.text, self.place).end() - self.place)  # type: ignore[union-attr]  # it always matches
            if self.place < len(self.text) or not self.fill():
                return self.text[self.place : self.place + 1]

    def skip(self, count: int) -> str:
        """Go on by some characters, and return them."""
        skipped = self.text[self.place : self.place + count]
        self.line += skipped.count("\n")
        self.place += count
        return skipped


def _last_start(data: bytes) -> int:
    """Return where the last character of UTF-8 begins, which may be cut off."""
    start = len(data) - 1
    while start > 0 and data[start] & 0xC0 == 0x80:
        start -= 1
    return max(start, 0)
