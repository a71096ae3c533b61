"""Lets nothing of a test's own process wait for the disk.

What a sync is for is a power cut, which no test can stand: that each is asked for, and when, is seen in processes of
their own, from outside (`stress/test_fsync_order.py`), and that one that fails is told, where a test puts it.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog import engine
from artifact_pipelines.storage.backends import local

_prepare_sqlite = engine._prepare_sqlite


@contextlib.contextmanager
def nothing_synced() -> Iterator[None]:
    """Until the end of this, a sync only looks whether there is such a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        patch.setattr(local, "sync_filesystem", os.fstat)
        patch.setattr(engine, "_prepare_sqlite", _prepare_and_relax)
        sa.event.listen(sa.Engine, "connect", _relax)  # Dagster's
        yield
        sa.event.remove(sa.Engine, "connect", _relax)


def sync_catalogs(patch: pytest.MonkeyPatch) -> None:
    """Let catalogs that are opened from here on sync as they do."""
    patch.setattr(engine, "_prepare_sqlite", _prepare_sqlite)


def _prepare_and_relax(connection: object, record: object) -> None:
    _prepare_sqlite(connection, record)
    _relax(connection, record)


def _relax(connection: object, _record: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")
