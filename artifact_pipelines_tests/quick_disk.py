"""Lets no test wait for the disk in its own process.

A sync matters only in a power cut, and no test can cut the power. That each sync happens, and when, is observed from
outside in processes of their own (`stress/test_fsync_order.py`). Tests of a failing sync inject the failure.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog import sqlite
from artifact_pipelines.storage.backends import local

_prepare_sqlite = sqlite.prepare_sqlite


@contextlib.contextmanager
def no_syncs() -> Iterator[None]:
    """Until the block ends, a sync checks only that the file exists."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        patch.setattr(local, "sync_filesystem", os.fstat)
        patch.setattr(sqlite, "prepare_sqlite", _prepare_without_syncs)
        sa.event.listen(sa.Engine, "connect", _turn_syncs_off)  # for Dagster's databases
        yield
        sa.event.remove(sa.Engine, "connect", _turn_syncs_off)


def sync_catalogs(patch: pytest.MonkeyPatch) -> None:
    """Let catalogs that are opened from now on sync as usual."""
    patch.setattr(sqlite, "prepare_sqlite", _prepare_sqlite)


def _prepare_without_syncs(connection: object, record: object) -> None:
    _prepare_sqlite(connection, record)
    _turn_syncs_off(connection, record)


def _turn_syncs_off(connection: object, _record: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")
