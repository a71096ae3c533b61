"""Changes which materialization is current; no other module writes `is_current`, `current_*` and `publication`.

One idea: at most one materialization of an asset or partition is current, and candidates are always newer than it.
Every function runs inside the caller's transaction, which has locked the asset.
"""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.files import TYPES, hold_again
from artifact_pipelines.catalog.hot_path import Prepared
from artifact_pipelines.catalog.materialization_rows import (
    holder_of,
    materialization_of,
    missing_version,
    of_asset,
)
from artifact_pipelines.catalog.tables import (
    dataset_versions,
    datasets,
    materialization_files,
    materialization_inputs,
    materializations,
    utc_now,
)
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import SUPERSEDED, Materialization, Publication, Rollback

_TABLE = materializations.c
_ID = _TABLE.materialization_id
# Written out, not as a parameter: otherwise the index of candidates does not serve.
IS_CANDIDATE = _TABLE.publication == sa.literal_column("'candidate'")
IS_HELD = sa.and_(_TABLE.released_at.is_(None), _TABLE.wiped_at.is_(None))
IS_WITHDRAWN = _TABLE.publication == sa.literal_column("'withdrawn'")
WAS_NEVER_CURRENT = sa.and_(IS_WITHDRAWN, _TABLE.current_since.is_(None))
"""True for the materialization of a run that made withdrawn content again."""
IS_NOT_REJECTED = _TABLE.publication != Publication.REJECTED

PUBLISH_AFTER = "publish_after"
"""Key in a candidate's metadata: names of the checks that have to pass."""

DATASET = "dataset"
"""Key in a candidate's metadata: the dataset of which it becomes a version when it is published."""

CHECKED_IN = "checked_in"
"""Key in a candidate's metadata: runs other than its own whose checks loaded it."""

_INSERT = Prepared(sa.insert(materializations).returning(materializations))
# The columns that describe the content of a materialization, not who made it.
CONTENT = ("data_version", "code_version", "row_count", "schema", "is_op_output")
_COPIED = ("asset_key", "partition_key", "version", "metadata", *CONTENT)
# A copy belongs to no run, or that run would take it for its own; only outputs of ops are named after their run.
_RUN = {name: sa.case((_TABLE.is_op_output, _TABLE[name])).label(name) for name in ("run_id", "step_key")}


def insert_current(connection: sa.Connection, values: Mapping[str, Any], replaces: bool) -> Any:
    """Insert a materialization with these other columns, current from its `created_at` on.

    Args:
        replaces: False if the asset or partition has nothing current and no candidates.
    """
    if replaces:
        _replace_current(connection, of_asset(values["asset_key"], values["partition_key"]), values["version"])
    state = {"is_current": True, "current_since": values["created_at"], "publication": Publication.PUBLISHED}
    [made] = _INSERT.run(connection, **values, **state)
    return made


def insert_candidate(
    connection: sa.Connection, values: Mapping[str, Any], checks: Sequence[str], dataset: str | None
) -> Any:
    """Insert a materialization that waits until checks have passed; then it becomes a version of the dataset."""
    metadata = {**values["metadata"], **({} if dataset is None else {DATASET: dataset}), PUBLISH_AFTER: list(checks)}
    state = {"publication": Publication.CANDIDATE, "publication_reason": waits_for(checks), "metadata": metadata}
    [made] = _INSERT.run(connection, **{**values, "is_current": False, **state})
    return made


def insert_withdrawn(connection: sa.Connection, values: Mapping[str, Any]) -> Any:
    """Insert a materialization whose content is that of a withdrawn version, which stays withdrawn."""
    state = {"publication": Publication.WITHDRAWN, "publication_reason": "the same content was made again"}
    [made] = _INSERT.run(connection, **{**values, "is_current": False, **state})
    return made


def stays_withdrawn(made: Materialization, current: int) -> str:
    """Return what became of content that a run made although it is withdrawn."""
    partition = "" if made.partition is None else f" --partition {shlex.quote(made.partition)}"
    undo = f"`artifact-pipelines rollback {made.asset} --to {made.version}{partition}`"
    return (
        f"this run made the content of version {made.version} again, which a rollback has withdrawn. Version {current} "
        f"stays current; {undo} makes version {made.version} current"
    )


def waits_for(checks: Sequence[str]) -> str:
    """Return why a candidate is not published yet."""
    what = f"checks {', '.join(checks)} are" if len(checks) > 1 else f"check {checks[0]} is"
    return f"waits until {what} seen to have passed"


def superseded_by(version: int) -> str:
    """Return why a candidate that no check failed is never published."""
    return f"{SUPERSEDED} by version {version}, which became current first"


def make_current(connection: sa.Connection, made: Materialization, reason: str | None = None) -> None:
    """Publish a candidate or rejected materialization: it replaces the current one and supersedes older candidates."""
    _replace_current(connection, of_asset(made.asset, made.partition), made.version, made.materialization_id)
    values = {"is_current": True, "current_since": utc_now(), "current_until": None}
    _reinstate(connection, of_asset(made.asset, made.partition), made.version)
    _update(connection, made, **values, publication=Publication.PUBLISHED, publication_reason=reason)
    dataset = made.metadata.get(DATASET)
    if dataset is not None and not _has_dataset_version(connection, dataset, made):
        insert_dataset_version(connection, dataset, made.partition, made.version, made.materialization_id)


def reject(connection: sa.Connection, candidate: Materialization, reason: str) -> None:
    """Make sure that a candidate never becomes current by itself."""
    _update(connection, candidate, publication=Publication.REJECTED, publication_reason=reason)


def end_current(connection: sa.Connection, which: Sequence[sa.ColumnElement[bool]], at: object) -> None:
    """Let the selected materializations be current until a time, with nothing in their place."""
    ended = sa.update(materializations).where(*which, _TABLE.is_current)
    connection.execute(ended.values(is_current=False, current_until=at))


def insert_copy(connection: sa.Connection, source_id: int) -> int:
    """Insert a copy of a materialization as the current one, and return its ID. No file is copied, only references.

    Nothing of its asset or partition may be current any more.
    """
    now = connection.execute(sa.select(utc_now())).scalar_one()
    state = {"bytes_added": 0, "is_current": True, "created_at": now, "current_since": now}
    content = [_TABLE[name] for name in _COPIED]
    same = sa.select(*content, *_RUN.values(), *map(sa.literal, state.values())).where(_ID.in_([source_id]))
    insert = sa.insert(materializations).from_select([*_COPIED, *_RUN, *state], same, include_defaults=False)
    new_id: int = connection.execute(insert.returning(_ID)).scalar_one()
    for table, names in (
        (materialization_files, ["position", "file_id", *TYPES]),
        (materialization_inputs, ["position", "input_id"]),
    ):
        rows = sa.select(sa.literal(new_id), *(table.c[name] for name in names))
        rows = rows.where(table.c.materialization_id == source_id)
        connection.execute(sa.insert(table).from_select(["materialization_id", *names], rows))
    owned = sa.select(materialization_files.c.file_id).where(materialization_files.c.materialization_id == new_id)
    hold_again(connection, connection.scalars(owned).all(), holder_of(new_id))
    return new_id


def roll_back(connection: sa.Connection, asset: str, version: int, partition: str | None) -> Rollback:
    """Do as `MaterializationCatalog.roll_back` promises."""
    which = of_asset(asset, partition)
    kept = sa.select(_ID, _TABLE.run_id, _TABLE.publication).where(
        *which, _TABLE.version == version, _TABLE.released_at.is_(None)
    )
    found = connection.execute(kept.order_by(_ID.desc())).all()
    if not found:
        raise missing_version(connection, asset, partition, version)
    published = [row for row in found if Publication(row.publication).was_published]
    if not published:
        publish = f"`artifact-pipelines publish {asset} --version {version}`"
        expected = f"that of a published version ({publish} makes current what is {found[0].publication})"
        raise InvalidArgumentError("version", version, expected)
    current = connection.execute(sa.select(_ID, _TABLE.version).where(*which, _TABLE.is_current)).first()
    withdrawn = None
    if current is not None and current.version == version:
        now, is_new = current.materialization_id, False
    else:
        if current is not None and current.version > version:
            withdrawn = current.version
            _withdraw(connection, which, withdrawn, version)
        _reinstate(connection, which, version)
        _replace_current(connection, which, version)
        now, is_new = insert_copy(connection, published[0].materialization_id), True
    source = next((row for row in published if row.run_id), published[-1]).materialization_id
    return Rollback(materialization_of(connection, now), materialization_of(connection, source), is_new, withdrawn)


def _withdraw(connection: sa.Connection, which: Sequence[sa.ColumnElement[bool]], version: int, target: int) -> None:
    """Withdraw a version: a run that makes its content again does not make it current."""
    rows = sa.update(materializations).where(*which, _TABLE.version == version)
    rows = rows.where(_TABLE.publication == Publication.PUBLISHED)
    reason = f"by a rollback to version {target}"
    connection.execute(rows.values(publication=Publication.WITHDRAWN, publication_reason=reason))


def _reinstate(connection: sa.Connection, which: Sequence[sa.ColumnElement[bool]], version: int) -> None:
    """Take back that a version was withdrawn."""
    rows = sa.update(materializations).where(*which, IS_WITHDRAWN, _TABLE.version == version)
    connection.execute(rows.values(publication=Publication.PUBLISHED, publication_reason=None))


def _has_dataset_version(connection: sa.Connection, dataset: str, made: Materialization) -> bool:
    """True if another materialization of the same content has become the version."""
    partition = dataset_versions.c.partition_key
    which = (
        datasets.c.name == dataset,
        partition.is_(None) if made.partition is None else partition == made.partition,
        dataset_versions.c.number == made.version,
    )
    return connection.execute(sa.select(dataset_versions.c.number).join(datasets).where(*which)).first() is not None


def insert_dataset_version(
    connection: sa.Connection, dataset: str, partition: str | None, number: int, materialization_id: int
) -> None:
    """Make a materialization a version of a dataset, which is made if it does not exist yet."""
    dataset_id = connection.execute(sa.select(datasets.c.dataset_id).where(datasets.c.name == dataset)).scalar()
    if dataset_id is None:
        insert = sa.insert(datasets).values(name=dataset).returning(datasets.c.dataset_id)
        dataset_id = connection.execute(insert).scalar_one()
    facts = {"partition_key": partition, "number": number, "materialization_id": materialization_id}
    connection.execute(sa.insert(dataset_versions).values(dataset_id=dataset_id, **facts))


def _replace_current(
    connection: sa.Connection,
    which: Sequence[sa.ColumnElement[bool]],
    version: int,
    materialization_id: int | None = None,
) -> None:
    """End the current materialization and reject candidates older than the new one, or all if it has no ID yet."""
    rows = sa.update(materializations).where(*which)
    connection.execute(rows.where(_TABLE.is_current).values(is_current=False))
    same = f"{SUPERSEDED} by the same content, which became current first"
    reason = sa.case((_TABLE.version == version, same), else_=superseded_by(version))
    older = rows.where(IS_CANDIDATE)
    if materialization_id is not None:
        older = older.where(materialization_id > _ID)
    connection.execute(older.values(publication=Publication.REJECTED, publication_reason=reason))


def _update(connection: sa.Connection, made: Materialization, **values: object) -> None:
    connection.execute(sa.update(materializations).where(_ID.in_([made.materialization_id])).values(**values))
