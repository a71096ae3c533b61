"""Rows of older schemas as the migrations since would have made them: a backup is good for longer than its schema.

One idea: what a migration adds to a row, and can tell from the row alone, is written down here once more. Where a
migration did more than that, older backups are left to the version that made them. A test holds this and the migrations
together.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from artifact_pipelines.catalog.schema import HEAD_REVISION

_Row = Mapping[str, Any]


def _when_it_was_wiped(row: _Row) -> _Row:
    was_current = row.get("current_since") is not None
    return {"current_until": row.get("wiped_at") if was_current else None}


def _types_as_of_the_file(_: _Row) -> _Row:
    return {"file_type": None, "mime_type": None, "compression_type": None}


def _of_no_known_source(_: _Row) -> _Row:
    return {"source_id": None}


# By the revision that rows are of, and by table: what the next migration adds.
_ADDED: Mapping[str, Mapping[str, Callable[[_Row], _Row]]] = {
    "0003": {"materializations": _when_it_was_wiped},
    "0004": {"materialization_files": _types_as_of_the_file, "materialization_inputs": _of_no_known_source},
    "0005": {},
}

RESTORABLE = (*_ADDED, HEAD_REVISION)
"""The revisions whose rows can be made rows of now, oldest first."""


def as_of_now(table_name: str, rows: Sequence[_Row], revision: str) -> Sequence[_Row]:
    """Return rows of a table as they are in the schema of now.

    Args:
        table_name: Their table.
        rows: As `Snapshot.batches` yielded them. Whether they are rows of that table is for `Loading.insert` to check.
        revision: The schema they are of, one of `RESTORABLE`.
    """
    for since in RESTORABLE[RESTORABLE.index(revision) : -1]:
        if add := _ADDED[since].get(table_name):
            rows = [{**add(row), **row} for row in rows]
    return rows
