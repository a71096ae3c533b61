"""What nothing holds goes away: the order in which clean-up does its parts.

One idea: first everything that could be a reason to refuse, then what can be taken back, then rows, then bytes. A crash
anywhere leaves what the next clean-up finds. Several may run at once, and so may writers.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.durations import parse_duration_s
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.retention import Verdict
from artifact_pipelines.core.types import Amount, FileId, Garbage, Leftover, StoragePath
from artifact_pipelines.maintenance.orphans import MAX_SHARE, check_share, find_orphans
from artifact_pipelines.maintenance.retention import Policies, plan_retention, release_versions
from artifact_pipelines.storage.interfaces import IStorageBackend

GRACE_S = 86_400.0
_SHORTEST_GRACE_S = 3_600.0  # readers of a file that was just released are done by then

_BATCH = 1_000
_THREADS = 8


@dataclasses.dataclass(frozen=True, slots=True)
class CleanUpReport:
    """What a clean-up did, or what it would do.

    Attributes:
        is_dry_run: Nothing was changed.
        reaped: Files whose lease had run out, one entry a lease.
        verdicts: Retention's, on every version of an asset that has a policy or was wiped.
        released: Those that released a version. Its files are collected when the grace period is over.
        collected: Files that nothing held.
        orphans: Bytes without a row.
        leftovers: What writers that are gone left besides.
    """

    is_dry_run: bool
    reaped: Sequence[FileId]
    verdicts: Sequence[Verdict]
    released: Sequence[Verdict]
    collected: Sequence[Garbage]
    orphans: Sequence[Leftover]
    leftovers: Sequence[Leftover]

    @property
    def kept(self) -> Sequence[Verdict]:
        """The verdicts that keep a version."""
        return [verdict for verdict in self.verdicts if verdict.is_kept]

    @property
    def bare_bytes(self) -> Iterator[tuple[Leftover, str]]:
        """What was deleted and is no file of the catalog, each with the reason."""
        yield from ((orphan, "bytes without a row") for orphan in self.orphans)
        yield from ((leftover, "its writer is gone") for leftover in self.leftovers)

    @property
    def freed(self) -> Amount:
        """How much was deleted, of every kind."""
        return _amount_of([*self.collected, *self.orphans, *self.leftovers])


def _amount_of(parts: Sequence[Garbage | Leftover]) -> Amount:
    return Amount(len(parts), sum(part.size_bytes for part in parts))


def parse_grace_s(text: str, parameter: str, may_be_short: bool = False) -> float:
    """Return a grace period in seconds.

    Args:
        text: A duration such as `24h`.
        parameter: Name of the setting, for errors.
        may_be_short: True if the caller accepts that steps which still read a released file may fail.

    Raises:
        InvalidArgumentError: It is not a duration, or below one hour without the caller's consent.
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
    """Reap leases, release what retention does not keep, collect what nothing holds, remove orphans and left-overs.

    Nothing is deleted that is referenced, leased, or was so within the grace period. All times are the database's.

    Args:
        catalog: The catalog.
        backend: The store that belongs to it.
        grace_s: How long nothing must have held a file.
        dry_run: Change nothing, and report what would go. Files of versions that would be released are not among it,
            though with no grace they would go at once.
        max_share: The share of the store that may go at once, from 0 to 1.
        declared: Retention policies that go before those that the catalog remembers.
        ops_within: How long outputs of ops that are no assets are kept, a day at the least; None: for ever.
        progress: Is told what comes next.

    Raises:
        InvalidArgumentError: `ops_within` is no duration of a day or more. Nothing was deleted.
        TooMuchToDeleteError: More would go. Nothing was deleted.
        CatalogOlderThanStoreError: Catalog and store do not belong together. Nothing was deleted.
        ForeignStoreError: The same.
        BackendError: Storage or catalog did not answer.
    """
    progress("Reading the store")
    orphans = find_orphans(catalog, backend, max_share)  # an orphan stays one, so it can go last
    lost = [Leftover(str(path), size_bytes) for path, size_bytes in orphans.items()]
    progress("Deciding what is kept")
    verdicts = plan_retention(catalog, declared=declared, ops_within=ops_within)
    collected: list[Garbage] = []
    if dry_run:
        reaped = catalog.collection.expired_leases()
        released = [verdict for verdict in verdicts if not verdict.is_kept]
        collected += _candidates(catalog, grace_s)
        _check_share(catalog, _amount_of(collected), max_share)
    else:
        reaped = catalog.collection.reap_leases()
        released = list(release_versions(catalog, verdicts))
        amount = catalog.collection.candidate_amount(grace_s)
        _check_share(catalog, amount, max_share)
        for batch in _collect(catalog, backend, grace_s):
            collected += batch
            progress(f"Collecting: {len(collected):,} of {amount.files:,} files")
        progress("Removing orphans and left-overs")
        _delete(backend, orphans)
    leftovers = backend.clear_leftovers(catalog.collection.is_leased, dry_run)
    return CleanUpReport(dry_run, reaped, verdicts, released, collected, lost, leftovers)


def _check_share(catalog: Catalog, amount: Amount, max_share: float) -> None:
    check_share("files that nothing holds", amount, catalog.collection.total_amount(), max_share)


def _candidates(catalog: Catalog, grace_s: float) -> Sequence[Garbage]:
    """Return what would be collected: what nothing holds, and what only leases hold that have run out."""
    limit = catalog.collection.candidate_amount(grace_s).files
    return [*catalog.collection.candidates(grace_s, limit), *catalog.collection.candidates_after_reaping(grace_s)]


def _collect(catalog: Catalog, backend: IStorageBackend, grace_s: float) -> Iterator[Sequence[Garbage]]:
    """Delete rows, then bytes: between the two they are orphans, which nobody can come to read any more."""
    while batch := catalog.collection.collect(grace_s, _BATCH):
        _delete(backend, [garbage.storage_path for garbage in batch])
        yield batch


def _delete(backend: IStorageBackend, paths: Iterable[StoragePath]) -> None:
    with ThreadPoolExecutor(_THREADS) as pool:  # an object store answers slowly, but many at once
        list(pool.map(backend.delete_file, paths))
