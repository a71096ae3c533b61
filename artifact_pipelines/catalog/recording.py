"""Recording a materialization inside of a transaction: its row, its files, and what it was made from."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.clock import utc_now
from artifact_pipelines.catalog.files import settle_leases
from artifact_pipelines.catalog.materialization_rows import (
    highest_version,
    holder_of,
    lock_asset,
    newest,
    of_asset,
    with_files,
)
from artifact_pipelines.catalog.publication import (
    candidate_columns,
    current_columns,
    give_way,
    insert_dataset_version,
)
from artifact_pipelines.catalog.tables import materialization_files, materialization_inputs, materializations
from artifact_pipelines.core.types import FileId, FileState, Lease, LoadedInput, Materialization, MaterializationFacts


def record_all(
    connection: sa.Connection, new: Sequence[tuple[MaterializationFacts, Sequence[Lease]]]
) -> Sequence[Materialization]:
    """Do as `MaterializationCatalog.record_all` says."""
    for asset in sorted({facts.asset for facts, _ in new}):
        lock_asset(connection, asset)
    put: set[FileId] = set()  # by one of them: to the next of the same content it is a stored file
    recorded = []
    for facts, leases in new:
        recorded.append(_record(connection, facts, [_as_stored(x) if x.file.file_id in put else x for x in leases]))
        put.update(lease.file.file_id for lease in leases)
    return recorded


def _record(connection: sa.Connection, facts: MaterializationFacts, leases: Sequence[Lease]) -> Materialization:
    which = of_asset(facts.asset, facts.partition)
    previous = newest(connection, [*which, materializations.c.is_current])
    # Other bytes may hold the same table: then it is the same version.
    changed = previous is None or (
        previous.data_version != facts.data_version
        and [file.file_id for file in previous.files] != [lease.file.file_id for lease in leases]
    )
    version = previous.version if previous and not changed else highest_version(connection, which) + 1
    is_candidate = changed and bool(facts.publish_after)
    if not is_candidate:
        give_way(connection, which, version)
    now = connection.execute(sa.select(utc_now())).scalar_one()  # one for both: current when it was made
    state = candidate_columns(facts) if is_candidate else current_columns(now)
    made = _insert(connection, facts, leases, {"version": version, "created_at": now, **state})
    for position, lease in enumerate(leases):
        settle_leases(connection, [lease], holder_of(made.materialization_id))
        row = {"position": position, "file_id": lease.file.file_id}
        connection.execute(sa.insert(materialization_files).values(materialization_id=made.materialization_id, **row))
    _insert_inputs(connection, made.materialization_id, facts.inputs)
    if facts.dataset is not None and changed and not is_candidate:
        insert_dataset_version(connection, facts.dataset, version, made.materialization_id)
    return with_files(connection, [made])[0]


def _as_stored(lease: Lease) -> Lease:
    return dataclasses.replace(lease, file=dataclasses.replace(lease.file, state=FileState.STORED))


def _insert(
    connection: sa.Connection, facts: MaterializationFacts, leases: Sequence[Lease], state: Mapping[str, Any]
) -> sa.Row[Any]:
    values: Mapping[str, Any] = {
        "asset_key": facts.asset,
        "partition_key": facts.partition,
        "run_id": facts.run_id,
        "step_key": facts.step_key,
        "data_version": facts.data_version,
        "code_version": facts.code_version,
        "row_count": facts.row_count,
        "bytes_added": sum(x.file.size_bytes for x in leases if x.file.state == FileState.PENDING),
        "schema": facts.schema,
        "metadata": dict(facts.metadata),
        **state,
    }
    return connection.execute(sa.insert(materializations).values(**values).returning(materializations)).one()


def _insert_inputs(connection: sa.Connection, materialization_id: int, inputs: Sequence[LoadedInput]) -> None:
    rows = [
        {
            "materialization_id": materialization_id,
            "asset_key": i.asset,
            "partition_key": i.partition,
            "file_id": i.file_id,
        }
        for i in dict.fromkeys(inputs)
    ]
    if rows:
        connection.execute(sa.insert(materialization_inputs), rows)
