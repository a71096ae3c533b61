"""The format of a catalog's backup: gzipped JSON lines, which `zcat` shows and any later program can read.

The first line says what it is, then comes a line a row, `["table", {"column": value, …}]`, and the last line says how
many rows there were: a backup that was cut off is not taken for a whole one.
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
_LINE_BYTES = 64 << 20
_BATCH_ROWS = 1000


class BadBackup(ValueError):  # noqa: N818 - it stays between this module and the one that knows the file
    """Bytes that are not a whole backup."""


@dataclasses.dataclass(frozen=True)
class BackupHeader:
    """What a backup says of itself.

    Attributes:
        schema: Revision of the catalog's schema.
        taken_at: When, by the database's clock.
        highest_ids: The highest ID that each table had ever given.
    """

    schema: str
    taken_at: datetime.datetime
    highest_ids: Mapping[str, int]


def write_backup(sink: BinaryIO, snapshot: Snapshot, schema: str) -> Mapping[str, int]:
    """Write all rows of a snapshot. Returns how many each table had."""
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
    """Tell by the first `PEEK_BYTES` of a file whether it is a backup, or claims to be."""
    try:
        return zlib.decompressobj(wbits=31).decompress(start, len(_START)) == _START.encode()
    except zlib.error:
        return False


class BackupReader:
    """Reads a backup as a stream, a batch of rows at a time.

    Raises:
        BadBackup: The bytes are not a whole backup. Also while it is read.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile("", "rb", fileobj=stream)))
        with _damage():
            first = self._parse(self._lines.readline(_LINE_BYTES))
            if not isinstance(first, dict) or first.get("artifact_catalog_backup") != _FORMAT:
                raise BadBackup("it is no backup of a catalog")
            highest = {str(table): int(highest) for table, highest in first["highest_ids"].items()}
            self.header = BackupHeader(
                str(first["schema"]), datetime.datetime.fromisoformat(first["taken_at"]), highest
            )

    def batches(self) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
        """Yield the rows with the name of their table, as `Snapshot.batches` does, to the end of the backup."""
        rows: Counter[str] = Counter()
        table, batch = "", list[Mapping[str, Any]]()
        with _damage():
            while isinstance(line := self._parse(self._lines.readline(_LINE_BYTES)), list):
                name, row = line
                if not isinstance(name, str) or not isinstance(row, dict):
                    raise BadBackup("a line of it is no row")
                if batch and (name != table or len(batch) == _BATCH_ROWS):
                    yield table, batch
                    batch = []
                table = name
                batch.append(row)
                rows[name] += 1
            if batch:
                yield table, batch
            if line != {"rows": rows} or self._lines.read(1):
                raise BadBackup("its last line is not the number of its rows")

    def _parse(self, line: bytes) -> Any:
        if not line.endswith(b"\n"):
            raise BadBackup("it ends in the middle of a line, or a line of it is too long")
        return json.loads(line)


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    """Whatever hostile bytes make the standard library say. A consumer's own error passes: it is none of these."""
    try:
        yield
    except (
        gzip.BadGzipFile,
        EOFError,
        zlib.error,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
        RecursionError,
    ) as error:
        raise BadBackup(str(error) or type(error).__name__) from error
