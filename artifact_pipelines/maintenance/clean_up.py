"""Deletes what nothing holds, in a safe order.

One idea: first every check that may refuse, then releases, which can be undone, then rows, then bytes. The next
clean-up finishes the work after a crash. Several clean-ups may run at once, and so may writers.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.durations import parse_duration_s
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.retention import Verdict
from artifact_pipelines.core.types import Amount, FileId, Garbage, Leftover, StoragePath
from artifact_pipelines.core.wording import counted
from artifact_pipelines.maintenance.orphans import MAX_SHARE, check_share, find_orphans
from artifact_pipelines.maintenance.retention import Policies, plan_retention, release_versions
from artifact_pipelines.storage.exceptions import UnsupportedRequestError
from artifact_pipelines.storage.interfaces import IStorageBackend

Row = Mapping[str, Any]
_GARBAGE_COLUMNS = ("asset", "partition", "version", "run_id", "file_id", "size_bytes", "unreferenced_at")

GRACE_S = 86_400.0
_SHORTEST_GRACE_S = 3_600.0  # readers of a file that was just released are done by then

BATCH_FILES = 1_000
_THREADS = 8


@dataclasses.dataclass(frozen=True, slots=True)
class CleanUpReport:
    """The changes of a clean-up, or those that it would make.

    Attributes:
        is_dry_run: True if nothing was changed.
        reaped: The file of each expired lease.
        verdicts: The decisions on every version of an asset that has a policy or was wiped.
        released: The verdicts whose versions were released. Their files are collected after the grace period.
        collected: Deleted files that nothing held.
        orphans: Deleted bytes without a row.
        leftovers: Deleted unfinished files of writers that are gone.
        skipped: Steps that the store does not support, for people.
    """

    is_dry_run: bool
    reaped: Sequence[FileId]
    verdicts: Sequence[Verdict]
    released: Sequence[Verdict]
    collected: Sequence[Garbage]
    orphans: Sequence[Leftover]
    leftovers: Sequence[Leftover]
    skipped: Sequence[str]

    @property
    def freed(self) -> Amount:
        """The number and size of everything that was deleted."""
        return _amount_of([*self.collected, *self.orphans, *self.leftovers])

    def tables(self) -> Mapping[str, Sequence[Row]]:
        """Return tables of the deleted files, the released and the kept versions, and the deleted remains of crashes.

        Each row has the asset, its size and the reason.
        """
        return {
            "collected": [_garbage_row(garbage) for garbage in self.collected],
            "released": [_verdict_row(verdict) for verdict in self.released],
            "kept": [_verdict_row(verdict) for verdict in self.verdicts if verdict.is_kept],
            "remains": [
                *({**dataclasses.asdict(orphan), "reason": "bytes without a row"} for orphan in self.orphans),
                *({**dataclasses.asdict(leftover), "reason": "its writer is gone"} for leftover in self.leftovers),
            ],
        }


def _garbage_row(garbage: Garbage) -> Row:
    facts = {name: getattr(garbage, name) for name in _GARBAGE_COLUMNS}
    return {**facts, "age_s": round(garbage.age_s), "reason": garbage.reason}


def _verdict_row(verdict: Verdict) -> Row:
    version = verdict.version
    facts = {"run_id": version.run_id, "size_bytes": version.size_bytes, "created_at": version.made_at[-1]}
    return {**dataclasses.asdict(version.name), **facts, "reason": verdict.reason}


def _amount_of(deleted: Sequence[Garbage | Leftover]) -> Amount:
    return Amount(len(deleted), sum(one.size_bytes for one in deleted))


def parse_grace_s(text: str, parameter: str, may_be_short: bool = False) -> float:
    """Return a grace period in seconds.

    Args:
        text: A duration such as `24h`.
        parameter: Name of the setting, for errors.
        may_be_short: True if less than an hour is no error.
    """
    grace_s = parse_duration_s(text, parameter)
    if grace_s < _SHORTEST_GRACE_S and not may_be_short:
        expected = (
            "1h or more, because a step may still read a released file (`artifact-pipelines gc --force` accepts less)"
        )
        raise InvalidArgumentError(parameter, text, expected)
    return grace_s


def clean_up(
    catalog: Catalog,
    backend: IStorageBackend,
    *,
    grace_s: float = GRACE_S,
    dry_run: bool = False,
    max_share: float = MAX_SHARE,
    declared: Policies | None = None,
    ops_within: str | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> CleanUpReport:
    """Reap expired leases, release versions that retention does not keep, and delete files that nothing holds.

    No file is deleted that is referenced or leased, or was so within the grace period. All times are the database's.

    Args:
        catalog: The catalog.
        backend: Its store.
        grace_s: How long nothing must have held a file.
        dry_run: Change nothing, and report the changes. Files of versions that would be released are not included,
            though without a grace period they would be deleted at once.
        max_share: The share of the store that may be deleted, from 0 to 1.
        declared: Retention policies that override those in the catalog.
        ops_within: How long to keep outputs of ops that are not assets, at least a day; None: forever.
        progress: Called with the name of each step.

    Raises:
        InvalidArgumentError: `max_share` or `ops_within` is out of range. Nothing was deleted.
        TooMuchToDeleteError: More would be deleted. Nothing was deleted.
        CatalogOlderThanStoreError, ForeignStoreError: Catalog and store do not belong together. Nothing was deleted.
        ClockJumpedError: The clock of a SQLite catalog's host has jumped. Nothing was deleted.
        BackendError: Storage or catalog did not answer.
    """
    if dry_run:
        catalog.host_clock.check()
    else:
        catalog.host_clock.check_and_note()
    progress("Reading the store")
    orphans = find_orphans(catalog, backend, max_share)  # an orphan stays an orphan, so it can be deleted last
    lost = [Leftover(str(path), size_bytes) for path, size_bytes in orphans.items()]
    progress("Applying retention")
    verdicts = plan_retention(catalog, declared=declared, ops_within=ops_within)
    collected: list[Garbage] = []
    if dry_run:
        reaped = catalog.collection.expired_leases()
        released = [verdict for verdict in verdicts if not verdict.is_kept]
        limit = catalog.collection.garbage_amount(grace_s).files
        collected += catalog.collection.garbage(grace_s, limit)
        collected += catalog.collection.garbage_after_reaping(grace_s)
        _check_share(catalog, _amount_of(collected), max_share)
    else:
        reaped = catalog.collection.reap_leases()
        released = list(release_versions(catalog, verdicts))
        amount = catalog.collection.garbage_amount(grace_s)
        _check_share(catalog, amount, max_share)
        while batch := catalog.collection.collect(grace_s, BATCH_FILES):
            _delete(backend, [garbage.storage_path for garbage in batch])  # orphans by now: nobody can read them
            collected += batch
            progress(f"Collecting: {len(collected):,} of {counted(amount.files, 'file')}")
        progress("Removing orphans and left-overs")
        _delete(backend, orphans)
    leftovers, skipped = _clear_leftovers(catalog, backend, dry_run)
    return CleanUpReport(dry_run, reaped, verdicts, released, collected, lost, leftovers, skipped)


def _clear_leftovers(
    catalog: Catalog, backend: IStorageBackend, dry_run: bool
) -> tuple[Sequence[Leftover], Sequence[str]]:
    try:
        return backend.clear_leftovers(catalog.collection.is_leased, dry_run), []
    except UnsupportedRequestError as error:
        remedy = "Let the server remove uploads that stay unfinished, such as by a lifecycle rule"
        return [], [f"the search for unfinished uploads of killed writers. {remedy}. {error}"]


def _check_share(catalog: Catalog, amount: Amount, max_share: float) -> None:
    check_share("files that nothing holds", amount, catalog.collection.total_amount(), max_share)


def _delete(backend: IStorageBackend, paths: Iterable[StoragePath]) -> None:
    with ThreadPoolExecutor(_THREADS) as pool:  # an object store answers slowly, but serves many requests at once
        list(pool.map(backend.delete_file, paths))
