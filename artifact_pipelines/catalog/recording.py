"""Recording materializations inside a transaction: their rows, files, inputs and retention policies."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.current import (
    CONTENT,
    IS_CANDIDATE,
    IS_HELD,
    IS_WITHDRAWN,
    insert_candidate,
    insert_current,
    insert_dataset_version,
    insert_withdrawn,
    stays_withdrawn,
)
from artifact_pipelines.catalog.exceptions import OvertakenError
from artifact_pipelines.catalog.files import TYPES, make_lasting, note_put
from artifact_pipelines.catalog.hot_path import Prepared
from artifact_pipelines.catalog.materialization_rows import (
    holder_of,
    lock_asset,
    materialization_of,
    newest,
    of_asset,
    with_files,
)
from artifact_pipelines.catalog.tables import (
    materialization_files,
    materialization_inputs,
    materializations,
    retention_policies,
    utc_now,
)
from artifact_pipelines.core.retention import RetentionPolicy
from artifact_pipelines.core.types import (
    CONTAINER,
    FileId,
    FileState,
    Lease,
    LoadedInput,
    Materialization,
    MaterializationFacts,
    Publication,
)

_INSERT_FILE = Prepared(sa.insert(materialization_files))
_INSERT_INPUT = Prepared(sa.insert(materialization_inputs))
_SET_BYTES_ADDED = Prepared(
    sa.update(materializations)
    .where(materializations.c.materialization_id == sa.bindparam("made"))
    .values(bytes_added=sa.bindparam("added"))
)
_POLICY = Prepared(
    sa.select(retention_policies.c.policy).where(retention_policies.c.asset_key == sa.bindparam("asset"))
)


def record_all(
    connection: sa.Connection,
    new: Sequence[tuple[MaterializationFacts, Sequence[Lease]]],
    policies: Mapping[str, RetentionPolicy | None],
) -> Sequence[Materialization]:
    """See `MaterializationCatalog.record_all`."""
    for asset in sorted({facts.asset for facts, _ in new} | policies.keys()):
        lock_asset(connection, asset)
    remember_policies(connection, policies)
    put: set[FileId] = set()  # files that an earlier one of them stores: for the next of the same content it is stored
    recorded = []
    for facts, leases in new:
        own = [_as_stored(lease) if lease.file.file_id in put else lease for lease in leases]
        recorded.append((_record(connection, facts, own), own))
        put.update(lease.file.file_id for lease in leases)
    return [_kept(connection, made) for made in _settled(connection, recorded)]


def remember_policies(connection: sa.Connection, policies: Mapping[str, RetentionPolicy | None]) -> None:
    """Remember the policy of each asset, or that it has none; the transaction has locked the assets."""
    for asset, policy in policies.items():
        wanted = dict(policy.to_mapping()) if policy else None
        known = _POLICY.run(connection, asset=asset)
        if (known[0].policy if known else None) == wanted:
            continue
        connection.execute(sa.delete(retention_policies).where(retention_policies.c.asset_key == asset))
        if wanted:
            connection.execute(sa.insert(retention_policies).values(asset_key=asset, policy=wanted))


def _record(connection: sa.Connection, facts: MaterializationFacts, leases: Sequence[Lease]) -> Any:
    if facts.partition is None:
        [before] = _BEFORE.run(connection, asset=facts.asset)
    else:
        [before] = _BEFORE_OF_PARTITION.run(connection, asset=facts.asset, partition=facts.partition)
    if facts.made_after not in (None, before.materialization_id or 0):
        raise OvertakenError(facts.asset, facts.partition)
    is_changed = before.version is None or not _is_same(connection, before, facts, leases)
    withdrawn = waiting = None
    if is_changed and before.version and before.has_withdrawn:
        withdrawn = _version_of(connection, facts, leases, IS_WITHDRAWN)
    if is_changed and before.has_candidates:  # an older one would come back before one that is newer
        is_newest = materializations.c.version == before.highest
        waiting = _version_of(connection, facts, leases, IS_CANDIDATE, IS_HELD, is_newest)
    version = withdrawn or waiting or ((before.highest or 0) + 1 if is_changed else before.version)
    values = _values(facts, leases, version, before.now)
    if withdrawn is not None:
        made = insert_withdrawn(connection, values)
    elif is_changed and facts.publish_after:
        made = insert_candidate(connection, values, facts.publish_after, facts.dataset)
    else:
        made = insert_current(connection, values, replaces=before.version is not None or before.has_candidates)
        if facts.dataset is not None and is_changed:
            insert_dataset_version(connection, facts.dataset, facts.partition, version, made.materialization_id)
    for position, lease in enumerate(leases):
        row = {"materialization_id": made.materialization_id, "position": position, "file_id": lease.file.file_id}
        _INSERT_FILE.run(connection, **row, **{name: getattr(lease.file, name) for name in TYPES})
    _insert_inputs(connection, made.materialization_id, facts.inputs)
    return made


def _is_same(connection: sa.Connection, made: Any, facts: MaterializationFacts, leases: Sequence[Lease]) -> bool:
    """True if the content of a materialization is what is recorded now."""
    return bool(
        made.data_version == facts.data_version
        # A data version that is the run's ID says nothing about the content: each run makes a new version.
        or (facts.data_version != facts.run_id and _has_content(connection, made.materialization_id, facts, leases))
    )


def _version_of(
    connection: sa.Connection, facts: MaterializationFacts, leases: Sequence[Lease], *which: sa.ColumnElement[bool]
) -> int | None:
    """Return the version, among some of the asset and partition, that has this content; None: there is none."""
    columns = (materializations.c.materialization_id, materializations.c.version, materializations.c.data_version)
    rows = sa.select(*columns).where(*of_asset(facts.asset, facts.partition), *which)
    rows = rows.order_by(materializations.c.materialization_id.desc())
    found = connection.execute(rows).all()
    return next((row.version for row in found if _is_same(connection, row, facts, leases)), None)


def _kept(connection: sa.Connection, made: Materialization) -> Materialization:
    """Return what readers get after a write: the materialization, or the current one if it is withdrawn."""
    if made.publication != Publication.WITHDRAWN:
        return made
    current = newest(connection, [*of_asset(made.asset, made.partition), materializations.c.is_current])
    assert current is not None  # the transaction has locked the asset
    return dataclasses.replace(current, publication_reason=stays_withdrawn(made, current.version))


def _before(is_partitioned: bool) -> sa.Select[Any]:
    """Select the state of an asset or partition: highest version, what is current, what waits or is withdrawn."""

    def of_it(table: sa.FromClause) -> list[sa.ColumnElement[bool]]:
        partition = table.c.partition_key
        is_it = partition == sa.bindparam("partition") if is_partitioned else partition.is_(None)
        return [table.c.asset_key == sa.bindparam("asset"), is_it]

    names = ("current", "any_of_it", "waiting", "withdrawn")
    current, any_of_it, waiting, withdrawn = (materializations.alias(name) for name in names)
    # Ordered by the one partition too: PostgreSQL walks an index only in an order that is the index's own.
    order = (any_of_it.c.partition_key.desc(), any_of_it.c.version.desc())
    highest = sa.select(any_of_it.c.version).where(*of_it(any_of_it)).order_by(*order).limit(1).scalar_subquery()
    has_candidates = sa.exists().where(*of_it(waiting), waiting.c.publication == sa.literal_column("'candidate'"))
    has_withdrawn = sa.exists().where(*of_it(withdrawn), withdrawn.c.publication == sa.literal_column("'withdrawn'"))
    time = sa.select(utc_now().label("now")).subquery("time")
    return sa.select(
        time.c.now,
        highest.label("highest"),
        has_candidates.label("has_candidates"),
        has_withdrawn.label("has_withdrawn"),
        current.c.materialization_id,
        current.c.version,
        current.c.data_version,
    ).select_from(time.outerjoin(current, sa.and_(*of_it(current), current.c.is_current)))


_BEFORE, _BEFORE_OF_PARTITION = (Prepared(_before(is_partitioned)) for is_partitioned in (False, True))


def _has_content(
    connection: sa.Connection, materialization_id: int, facts: MaterializationFacts, leases: Sequence[Lease]
) -> bool:
    """True if a materialization has exactly the leased files, with the same types and in the same form."""
    made = materialization_of(connection, materialization_id)
    has_files = [(f.file_id, f.file_type) for f in made.files] == [(x.file.file_id, x.file.file_type) for x in leases]
    return has_files and made.metadata.get(CONTAINER) == facts.metadata.get(CONTAINER)


def _values(facts: MaterializationFacts, leases: Sequence[Lease], version: int, now: object) -> Mapping[str, Any]:
    return {
        "asset_key": facts.asset,
        "partition_key": facts.partition,
        "version": version,
        "bytes_added": sum(x.file.size_bytes for x in leases if x.file.state == FileState.PENDING),
        "metadata": dict(facts.metadata),
        "created_at": now,
        **{name: getattr(facts, name) for name in (*CONTENT, "run_id", "step_key", "question")},
    }


def _insert_inputs(connection: sa.Connection, materialization_id: int, inputs: Sequence[LoadedInput]) -> None:
    input_ids = dict.fromkeys(one.materialization_id for one in inputs)
    rows = [
        {"materialization_id": materialization_id, "position": position, "input_id": input_id}
        for position, input_id in enumerate(input_ids)
    ]
    if rows:
        _INSERT_INPUT.run_each(connection, rows)


def _as_stored(lease: Lease) -> Lease:
    return dataclasses.replace(lease, file=dataclasses.replace(lease.file, state=FileState.STORED))


def _settled(connection: sa.Connection, recorded: Sequence[tuple[Any, Sequence[Lease]]]) -> Sequence[Materialization]:
    """Settle the leases of all materializations, and return these as they are then."""
    for made, leases in recorded:
        make_lasting(connection, leases, holder_of(made.materialization_id))
    added = note_put(connection, [lease for _, leases in recorded for lease in leases])
    settled = []
    whole = with_files(connection, [made for made, _ in recorded])
    for materialization, (_, leases) in zip(whole, recorded, strict=True):
        sizes = {x.file.file_id: x.file.size_bytes for x in leases if x.file.state != FileState.STORED}
        bytes_added = sum(size_bytes for file_id, size_bytes in sizes.items() if file_id in added)
        if bytes_added != materialization.bytes_added:  # another writer put the same bytes at once, and was first
            _SET_BYTES_ADDED.run(connection, made=materialization.materialization_id, added=bytes_added)
        settled.append(dataclasses.replace(materialization, bytes_added=bytes_added))
    return settled
