"""The format of a catalog's backup: gzipped JSON lines, which `zcat` shows and any later program can read.

The first line is the header. Each row follows as one line, `["table", {"column": value, …}]`. The last line counts the
rows of each table, so that a truncated backup is recognized.
"""

import contextlib
import dataclasses
import datetime
import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, cast

from artifact_pipelines.catalog.transfer import Snapshot

PEEK_BYTES = 1024
_FORMAT = 1
_START = '{"artifact_catalog_backup": '
LONGEST_LINE_BYTES = 64 << 20
BATCH_ROWS = 1000


class BadBackup(ValueError):  # noqa: N818 - internal: `restore` adds the URI and raises its own error
    """Bytes that are not a whole backup."""


@dataclasses.dataclass(frozen=True)
class BackupHeader:
    """The first line of a backup.

    Attributes:
        schema: Revision of the catalog's schema.
        taken_at: Time of the backup, by the database's clock.
        highest_ids: The highest ID that each table has ever given.
    """

    schema: str
    taken_at: datetime.datetime
    highest_ids: Mapping[str, int]


def write_backup(sink: BinaryIO, snapshot: Snapshot, schema: str) -> Mapping[str, int]:
    """Write all rows of a snapshot. Returns the number of rows of each table."""
    header = {
        "artifact_catalog_backup": _FORMAT,
        "schema": schema,
        "taken_at": snapshot.taken_at.isoformat(),
        "highest_ids": snapshot.highest_ids,
    }
    rows: Counter[str] = Counter()
    with gzip.GzipFile("", "wb", compresslevel=6, fileobj=sink, mtime=0) as packed:
        packed.write(_line(header))
        for table, batch in snapshot.batches():
            packed.write(b"".join(_line([table, row]) for row in batch))
            rows[table] += len(batch)
        packed.write(_line({"rows": rows}))
    return rows


def is_backup(start: bytes) -> bool:
    """True if a file that starts with these `PEEK_BYTES` is or claims to be a backup."""
    try:
        return zlib.decompressobj(wbits=31).decompress(start, len(_START)) == _START.encode()
    except zlib.error:
        return False


class BackupReader:
    """Reads a backup as a stream, a batch of rows at a time.

    Raises:
        BadBackup: The bytes are not a complete backup. `batches` raises it too.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile("", "rb", fileobj=stream)))
        with _damage():
            first = self._parse(self._lines.readline(LONGEST_LINE_BYTES))
            if not isinstance(first, dict) or first.get("artifact_catalog_backup") != _FORMAT:
                raise BadBackup("it is not a backup of a catalog")
            highest = {str(table): int(highest) for table, highest in first["highest_ids"].items()}
            self.header = BackupHeader(
                str(first["schema"]), datetime.datetime.fromisoformat(first["taken_at"]), highest
            )

    def batches(self) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
        """Yield all rows with the name of their table, as `Snapshot.batches` does."""
        rows: Counter[str] = Counter()
        table, batch = "", list[Mapping[str, Any]]()
        with _damage():
            while isinstance(line := self._parse(self._lines.readline(LONGEST_LINE_BYTES)), list):
                name, row = line
                if not isinstance(name, str) or not isinstance(row, dict):
                    raise BadBackup("one of its lines is not a row")
                if batch and (name != table or len(batch) == BATCH_ROWS):
                    yield table, batch
                    batch = []
                table = name
                batch.append(row)
                rows[name] += 1
            if batch:
                yield table, batch
            if line != {"rows": rows} or self._lines.read(1):
                raise BadBackup("its last line does not match the number of its rows")

    def _parse(self, line: bytes) -> Any:
        if not line.endswith(b"\n"):
            raise BadBackup("it ends in the middle of a line, or one of its lines is too long")
        return json.loads(line)


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    """Translate the errors that the standard library raises on bytes that are not a backup."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError, LookupError, AttributeError, TypeError) as error:
        raise BadBackup(str(error) or type(error).__name__) from error
