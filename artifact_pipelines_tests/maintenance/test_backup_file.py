"""The format of backups: complete ones survive a round trip, all others are errors."""

import gzip
import io
import json
from typing import Any

import pytest

from artifact_pipelines.maintenance import backup_file
from artifact_pipelines.maintenance.backup_file import BackupReader, BadBackup, is_backup

HEADER = {
    "artifact_catalog_backup": 1,
    "schema": "0003",
    "taken_at": "2026-11-24T20:00:00+00:00",
    "highest_ids": {"files": 7},
}
ROWS: list[Any] = [["files", {"file_id": 1}], ["files", {"file_id": 2}], ["tags", {"name": "\u2603 \ud800 \n"}]]
LINES: list[Any] = [HEADER, *ROWS, {"rows": {"files": 2, "tags": 1}}]


def packed(lines: list[Any]) -> bytes:
    return gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def read(content: bytes) -> list[Any]:
    return [[table, row] for table, rows in BackupReader(io.BytesIO(content)).batches() for row in rows]


@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_rows_survive_a_round_trip(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_file, "BATCH_ROWS", batch)
    assert read(packed(LINES)) == ROWS
    assert BackupReader(io.BytesIO(packed(LINES))).header.highest_ids == {"files": 7}
    assert all(len(rows) <= batch for _, rows in BackupReader(io.BytesIO(packed(LINES))).batches())


def test_backup_is_recognized_by_its_first_bytes() -> None:
    assert is_backup(packed(LINES)[:1024])
    for other in (b"", b"PAR1", b"\x1f\x8b", gzip.compress(b"{}"), packed(LINES)[:5], gzip.compress(b"x" * 10**6)):
        assert not is_backup(other)


def _without_last_line(lines: list[Any]) -> bytes:
    return packed(lines[:-1])


def _without_a_row(lines: list[Any]) -> bytes:
    return packed([*lines[:-2], lines[-1]])


def _cut_off(lines: list[Any]) -> bytes:
    return packed(lines)[:-20]


def _garbage(lines: list[Any]) -> bytes:
    whole = bytearray(packed(lines))
    whole[len(whole) // 2] ^= 0xFF
    return bytes(whole)


def _other_lines(lines: list[Any]) -> bytes:
    return packed([lines[0], "nonsense", *lines[2:]])


def _odd_header(lines: list[Any]) -> bytes:
    return packed([{**lines[0], "highest_ids": 5}, *lines[1:]])


def _trailing(lines: list[Any]) -> bytes:
    return packed([*lines, lines[1]])


@pytest.mark.parametrize(
    "damage", [_without_last_line, _without_a_row, _cut_off, _garbage, _other_lines, _odd_header, _trailing]
)
def test_incomplete_or_damaged_backup_is_an_error(damage: Any) -> None:
    with pytest.raises(BadBackup):
        read(damage(LINES))


def test_endless_line_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_file, "LONGEST_LINE_BYTES", 1000)
    with pytest.raises(BadBackup, match="too long"):
        read(packed([{**HEADER, "x": "x" * 10_000}]))
