"""The tables of the catalog and its clock. A test compares the tables with those that `migrations/` makes.

One clock: hosts disagree about the time, so every time in the catalog is the database's.
"""

import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from artifact_pipelines.core.types import FileState, LandingState, Publication


class UtcDateTime(sa.types.TypeDecorator[datetime.datetime]):
    """A time with its zone (UTC) in Python; `timestamptz` on PostgreSQL, ISO text with microseconds on SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime.datetime | None, _dialect: sa.Dialect) -> datetime.datetime | None:
        """Add the zone, which SQLite does not store."""
        if value is None:
            return None
        return value.replace(tzinfo=datetime.UTC) if value.tzinfo is None else value.astimezone(datetime.UTC)


class utc_now(FunctionElement[datetime.datetime]):  # noqa: N801 - named like the SQL functions it stands for
    """The database's time now, plus a number of seconds: `utc_now()`, `utc_now(sa.literal(600))`."""

    type = UtcDateTime()
    inherit_cache = True
    name = "utc_now"


@compiles(utc_now, "sqlite")
def _sqlite(element: utc_now, compiler: SQLCompiler, **kwargs: Any) -> str:
    shift = "".join(f", ({compiler.process(seconds, **kwargs)}) || ' seconds'" for seconds in element.clauses)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now'{shift})"


@compiles(utc_now, "postgresql")
def _postgresql(element: utc_now, compiler: SQLCompiler, **kwargs: Any) -> str:
    shift = "".join(f" + make_interval(secs => {compiler.process(s, **kwargs)})" for s in element.clauses)
    return f"(clock_timestamp(){shift})"


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives AUTOINCREMENT, and with it IDs that are never reused, only to a column of type INTEGER.
_Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _one_of(column: str, values: type[FileState] | type[LandingState] | type[Publication]) -> sa.CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({allowed})", name=f"{column}_known")


def _of_made() -> sa.ForeignKey:
    return sa.ForeignKey("materializations.materialization_id")


files = sa.Table(
    "files",
    metadata,
    sa.Column("file_id", _Key, primary_key=True, autoincrement=True),
    sa.Column("content_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("hash_algorithm", sa.String(16), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False, index=True),
    sa.Column("file_type", sa.String(32), nullable=False),
    sa.Column("mime_type", sa.String(255)),
    sa.Column("compression_type", sa.String(32)),
    sa.Column("storage_key", sa.String(128), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reference_count", sa.BigInteger, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False, default=utc_now()),
    sa.Column("stored_at", UtcDateTime),
    sa.Column("verified_at", UtcDateTime),
    sa.Column("unreferenced_at", UtcDateTime, index=True),
    sa.CheckConstraint("reference_count >= 0", name="reference_count_not_negative"),
    sa.CheckConstraint("size_bytes >= 0", name="size_not_negative"),
    _one_of("state", FileState),
    sa.Index(None, "verified_at", "file_id"),
    sqlite_autoincrement=True,
)

file_references = sa.Table(
    "file_references",
    metadata,
    sa.Column("reference_id", _Key, primary_key=True, autoincrement=True),
    sa.Column("file_id", _Key, sa.ForeignKey("files.file_id"), nullable=False),
    sa.Column("holder", sa.String(255), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False, default=utc_now()),
    sa.Column("expires_at", UtcDateTime, index=True, comment="null: a lasting reference; else a lease"),
    sa.Index(None, "file_id", "holder", "reference_id"),
    sqlite_autoincrement=True,
)

materializations = sa.Table(
    "materializations",
    metadata,
    sa.Column("materialization_id", _Key, primary_key=True, autoincrement=True),
    sa.Column("asset_key", sa.Text, nullable=False),
    sa.Column("partition_key", sa.Text, comment="null: not partitioned"),
    sa.Column("version", sa.BigInteger, nullable=False, comment="counts the changes of content, from 1"),
    sa.Column("run_id", sa.Text),
    sa.Column("step_key", sa.Text),
    sa.Column("data_version", sa.Text, nullable=False),
    sa.Column("code_version", sa.Text),
    sa.Column("row_count", sa.BigInteger),
    sa.Column("bytes_added", sa.BigInteger, nullable=False),
    sa.Column("schema", sa.JSON),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False, default=utc_now()),
    sa.Column("is_current", sa.Boolean, nullable=False, server_default=sa.false(), comment="what readers get"),
    sa.Column("pinned_at", UtcDateTime, comment="not null: kept until it is unpinned"),
    sa.Column("wiped_at", UtcDateTime, comment="not null: its asset or partition was wiped"),
    sa.Column("released_at", UtcDateTime, comment="not null: it no longer holds its files"),
    sa.Column("release_reason", sa.Text),
    sa.Column("publication", sa.String(16), nullable=False, server_default=Publication.PUBLISHED),
    sa.Column("publication_reason", sa.Text),
    sa.Column("current_since", UtcDateTime, comment="when it became current; null: never"),
    sa.Column("current_until", UtcDateTime, comment="when a wipe or release ended that; else null"),
    sa.Column("is_op_output", sa.Boolean, nullable=False, comment="made by an op that is no asset"),
    sa.Column("question", sa.String(64), comment="digest of what it answers; null: nothing"),
    _one_of("publication", Publication),
    # One index for each order in which materializations are looked up: no look-up reads a whole history.
    sa.Index(None, "asset_key", "materialization_id"),
    sa.Index(None, "asset_key", "partition_key", "materialization_id"),
    sa.Index("ix_materializations_version", "asset_key", "partition_key", "version", "materialization_id"),
    sa.Index(None, "run_id", "asset_key", "partition_key"),
    sqlite_autoincrement=True,
)


def _partial_index(name: str, where: sa.ColumnElement[bool], *others: str, unique: bool = False) -> None:
    """Index the materializations of assets for which a condition holds. Only queries with exactly it are served."""
    columns = [materializations.c[column] for column in ("asset_key", *others)]
    name = f"ix_materializations_{name}"
    sa.Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


_MADE = materializations.c
# Few rows of many, which `ls` and every load look up.
_partial_index("current", _MADE.is_current, "partition_key", unique=True)
# A null partition key is never equal to another.
_partial_index("current_unpartitioned", sa.and_(_MADE.is_current, _MADE.partition_key.is_(None)), unique=True)
# Each run adds outputs of ops, which stay current until they are released: without this index `ls` would read them all.
_partial_index("current_of_assets", sa.and_(_MADE.is_current, ~_MADE.is_op_output), "partition_key")
# Few rows, and every clean-up looks them up.
_partial_index("wiped", sa.and_(_MADE.wiped_at.is_not(None), _MADE.released_at.is_(None)))
# Partial, so that it serves only queries for a time: otherwise SQLite takes it in place of a similar index.
_SINCE = ("partition_key", "current_since", "materialization_id")
_partial_index("current_since", _MADE.current_since.is_not(None), *_SINCE)
# Not by asset: an answer serves every asset that asks the same.
_IS_ANSWER = _MADE.question.is_not(None)
sa.Index(
    "ix_materializations_question",
    _MADE.question,
    _MADE.materialization_id,
    sqlite_where=_IS_ANSWER,
    postgresql_where=_IS_ANSWER,
)
# Hardly ever any rows, and every load and sensor tick asks.
_partial_index("candidates", _MADE.publication == sa.literal_column("'candidate'"), "partition_key")
# Few rows, and every write of changed content asks.
_partial_index("withdrawn", _MADE.publication == sa.literal_column("'withdrawn'"), "partition_key")

tags = sa.Table(
    "tags",
    metadata,
    sa.Column("tag_id", _Key, primary_key=True, autoincrement=True),
    sa.Column("asset_key", sa.Text, nullable=False),
    sa.Column("partition_key", sa.Text),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("materialization_id", _Key, _of_made(), nullable=False, index=True),
    sa.Column("created_at", UtcDateTime, nullable=False, default=utc_now()),
    sa.Index(None, "asset_key", "name"),
    sqlite_autoincrement=True,
)

retention_policies = sa.Table(
    "retention_policies",
    metadata,
    sa.Column("asset_key", sa.Text, primary_key=True),
    sa.Column("policy", sa.JSON, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False, default=utc_now()),
)

# Wipes that the sensor has followed: it must not follow them again when its cursor is reset.
followed_wipes = sa.Table(
    "followed_wipes",
    metadata,
    sa.Column("asset_key", sa.Text, primary_key=True),
    sa.Column("happened_at", UtcDateTime, primary_key=True, comment="as Dagster noted it: it names the wipe"),
)

# No foreign key to `files`: the IDs stay known when the files are collected, and no ID is used twice. References keep
# the files of kept materializations. The types are its own: others may have stored the same bytes as something else.
materialization_files = sa.Table(
    "materialization_files",
    metadata,
    sa.Column("materialization_id", _Key, _of_made(), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("file_id", _Key, nullable=False, index=True),
    sa.Column("file_type", sa.String(32), nullable=False),
    sa.Column("mime_type", sa.Text),
    sa.Column("compression_type", sa.String(32)),
)

# Rows of materializations are never deleted, so what was released and collected stays known as an input.
materialization_inputs = sa.Table(
    "materialization_inputs",
    metadata,
    sa.Column("materialization_id", _Key, _of_made(), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("input_id", _Key, _of_made(), nullable=False, comment="the materialization that was loaded"),
    sa.Index(None, "input_id", "materialization_id"),
)

datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("dataset_id", _Key, primary_key=True, autoincrement=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("created_at", UtcDateTime, nullable=False, default=utc_now()),
    sqlite_autoincrement=True,
)

dataset_versions = sa.Table(
    "dataset_versions",
    metadata,
    sa.Column("version_id", _Key, primary_key=True, autoincrement=True),
    sa.Column("dataset_id", _Key, sa.ForeignKey("datasets.dataset_id"), nullable=False),
    sa.Column("partition_key", sa.Text, comment="null: not partitioned"),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("materialization_id", _Key, _of_made(), nullable=False, index=True),
    sa.Column("created_at", UtcDateTime, nullable=False, default=utc_now()),
    sa.UniqueConstraint("dataset_id", "partition_key", "number"),
    sqlite_autoincrement=True,
)
# A null partition key is never equal to another.
_UNPARTITIONED = dataset_versions.c.partition_key.is_(None)
sa.Index(
    "ix_dataset_versions_unpartitioned",
    dataset_versions.c.dataset_id,
    dataset_versions.c.number,
    unique=True,
    sqlite_where=_UNPARTITIONED,
    postgresql_where=_UNPARTITIONED,
)

# At most one row: the last moment at which the clock was right. A fact of a host, so no copy of a catalog has it.
host_clock = sa.Table(
    "host_clock",
    metadata,
    sa.Column("boot_id", sa.String(64), primary_key=True, comment="names a boot of the host"),
    sa.Column("boot_s", sa.Double, nullable=False, comment="seconds since the boot"),
    sa.Column("shown_at", UtcDateTime, nullable=False, comment="the time that the clock showed"),
)

landing_files = sa.Table(
    "landing_files",
    metadata,
    sa.Column("landing_file_id", _Key, primary_key=True, autoincrement=True),
    sa.Column("dataset", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False, comment="below the landing zone"),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("changed_ns", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("content_hash", sa.String(64)),
    sa.Column("run_key", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("first_seen_at", UtcDateTime, nullable=False, default=utc_now()),
    sa.Column("updated_at", UtcDateTime, nullable=False, default=utc_now()),
    sa.UniqueConstraint("dataset", "path"),
    _one_of("state", LandingState),
    sqlite_autoincrement=True,
)

landing_sources = sa.Table(
    "landing_sources",
    metadata,
    sa.Column("dataset", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, nullable=False, comment="glob of its files, as its sensor knows it"),
    sa.Column("ignored", sa.JSON, nullable=False, comment="globs of names that its sensor ignores"),
)
