"""Verifies that every stored byte is intact and that the catalog is consistent.

One idea: a concurrent writer or clean-up must not look like damage. Each mismatch is checked against the catalog again,
and counts only if the row of the file has not changed.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence

from artifact_pipelines.catalog.audit import AuditCatalog
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import ReadOnlyCatalogError
from artifact_pipelines.core.exceptions import InvalidArgumentError, UnknownFileError
from artifact_pipelines.core.findings import Finding, FindingKind
from artifact_pipelines.core.types import Amount, FileInfo
from artifact_pipelines.maintenance.orphans import find_orphans
from artifact_pipelines.storage.exceptions import DamagedBytesError, StorageUnavailableError
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.verified_stream import verified_stream

_PIECE_BYTES = 1 << 20
_MARKED_AT_ONCE = 100
_ATTEMPTS = 3
_REFUSED_AT_MOST = 3


@dataclasses.dataclass(frozen=True, slots=True)
class VerificationReport:
    """The number of files examined, the bytes read, and all damage found, repaired or not.

    Attributes:
        is_noted: False if the catalog cannot be written, so nothing is marked as verified or damaged.
    """

    files: int
    size_bytes: int
    findings: Sequence[Finding]
    is_noted: bool = True

    @property
    def is_clean(self) -> bool:
        """True if no damage is left. Bytes without a row are garbage, not damage."""
        return all(finding.is_repaired or finding.kind == FindingKind.ORPHAN for finding in self.findings)


def verify(
    catalog: Catalog,
    backend: IStorageBackend,
    *,
    share: float = 1.0,
    repair: bool = False,
    on_progress: Callable[[int, int], object] = lambda *_: None,
) -> VerificationReport:
    """Read stored files and compare them with the catalog, and check the catalog itself.

    Marks intact files as verified now, and files with wrong bytes as damaged: from then on, reading them is an error,
    and creating the same content replaces the bytes. Damaged bytes stay in place as evidence. A catalog that cannot be
    written is verified too.

    Args:
        share: Share of the intact files to read, above 0 and up to 1. Files verified longest ago come first. Damaged
            files met on the way are read in addition.
        repair: Fix counts and references, and remove bytes without a row.
        on_progress: Called with the bytes read so far, and the bytes expected in total.

    Raises:
        InvalidArgumentError: The share is out of range.
        CatalogOlderThanStoreError, ForeignStoreError: Catalog and store do not belong together.
        TooMuchToDeleteError: Bytes without a row are an unexpectedly large share of the store. Nothing was done.
        BackendError: Storage or catalog did not answer.
    """
    if not 0 < share <= 1:
        raise InvalidArgumentError("share", share, "above 0 and at most 1")
    orphans = _orphans(catalog, backend, repair)  # first: shows in seconds whether catalog and store belong together
    scrub = _Scrub(catalog, backend, share, on_progress)
    findings = [*scrub.run(), *_audited(catalog.audit, repair), *orphans]
    return VerificationReport(scrub.files, scrub.size_bytes, findings, scrub.is_noted)


def verify_files(
    catalog: Catalog,
    backend: IStorageBackend,
    files: Sequence[FileInfo],
    *,
    on_progress: Callable[[int, int], object] = lambda *_: None,
) -> VerificationReport:
    """Read certain files and compare them with the catalog; mark them as `verify` does, and look at nothing else.

    Raises:
        BackendError: Storage or catalog did not answer.
    """
    scrub = _Scrub(catalog, backend, 1.0, on_progress, files)
    findings = list(scrub.run())
    return VerificationReport(scrub.files, scrub.size_bytes, findings, scrub.is_noted)


class _Scrub:
    """One pass over the bytes of files: of certain ones, or of a share of all."""

    def __init__(
        self,
        catalog: Catalog,
        backend: IStorageBackend,
        share: float,
        on_progress: Callable[[int, int], object],
        chosen: Sequence[FileInfo] | None = None,
    ) -> None:
        self.files = 0
        self.size_bytes = 0
        self.is_noted = True
        self._catalog = catalog
        self._backend = backend
        self._chosen = chosen
        stored = catalog.collection.stored_amount() if chosen is None else _amount(chosen)
        self._wanted = math.ceil(share * stored.files)
        self._expected_bytes = math.ceil(share * stored.size_bytes)
        self._on_progress = on_progress
        self._refused_in_a_row = 0

    def run(self) -> Iterator[Finding]:
        right: list[FileInfo] = []
        for file in self._chosen or self._catalog.audit.files_to_verify():
            if self._wanted <= 0:
                break
            self.files += 1
            finding = self._finding(file)
            if finding is None:
                right.append(file)
                self._wanted -= 1
            else:
                yield dataclasses.replace(finding, holders=self._catalog.audit.hit_by(file.file_id))
            if len(right) >= _MARKED_AT_ONCE:
                self._note(functools.partial(self._catalog.audit.mark_verified, right))
                right.clear()
        self._note(functools.partial(self._catalog.audit.mark_verified, right))

    def _note(self, write: Callable[[], object]) -> None:
        try:
            write()
        except ReadOnlyCatalogError:
            self.is_noted = False

    def _finding(self, file: FileInfo) -> Finding | None:
        """Compare a file with its row, again if the row changes meanwhile."""
        for _ in range(_ATTEMPTS):
            finding = self._compare(file)
            if finding is None:
                return None
            try:
                now = self._catalog.files.get_file(file.file_id)
            except UnknownFileError:  # collected meanwhile
                return None
            if (now.state, now.verified_at) == (file.state, file.verified_at):
                if finding.kind == FindingKind.CORRUPT:
                    self._note(functools.partial(self._catalog.files.mark_damaged, file))
                return finding
            file = now
        return None  # writers put it again and again, and check it themselves

    def _compare(self, file: FileInfo) -> Finding | None:
        uri, expected = self._backend.uri(file.storage_path), f"{file.size_bytes:,} bytes"
        try:
            self._refused_in_a_row += 1
            found = self._backend.size_bytes(file.storage_path)
            self._refused_in_a_row = 0
            if found is not None and found != file.size_bytes:
                return Finding(FindingKind.WRONG_SIZE, file.file_id, uri, expected, f"{found:,} bytes")
            stream = self._backend.read_stream(file.storage_path)
            with verified_stream(stream, file, lambda _: uri, on_damage=lambda _: None) as verified:
                while piece := verified.read(_PIECE_BYTES):
                    self.size_bytes += len(piece)
                    self._on_progress(self.size_bytes, self._expected_bytes)
        except FileNotFoundError:
            return Finding(FindingKind.MISSING, file.file_id, uri, expected, "nothing")
        except DamagedBytesError as error:
            return Finding(FindingKind.CORRUPT, file.file_id, uri, error.expected, error.found)
        except StorageUnavailableError as error:  # bad blocks; several refusals in a row: the store is down
            if self._refused_in_a_row > _REFUSED_AT_MOST:
                raise
            return Finding(FindingKind.UNREADABLE, file.file_id, uri, expected, error.reason)
        return None


def _amount(files: Sequence[FileInfo]) -> Amount:
    return Amount(len(files), sum(file.size_bytes for file in files))


def _orphans(catalog: Catalog, backend: IStorageBackend, repair: bool) -> Sequence[Finding]:
    """Return bytes without a row. Removing them is limited to a share of the store, reporting them is not."""
    paths = find_orphans(catalog, backend) if repair else find_orphans(catalog, backend, max_share=1.0)
    for path in paths if repair else ():
        backend.delete_file(path)
    return [
        Finding(FindingKind.ORPHAN, path.file_id, backend.uri(path), "a row in the catalog", "none", (), repair)
        for path in paths
    ]


def _audited(audit: AuditCatalog, repair: bool) -> Iterator[Finding]:
    """Yield the contradictions in the catalog. References come first: repairing them repairs their counts."""
    repairs: Sequence[tuple[Callable[[], Sequence[Finding]], Callable[[Finding], None]]] = (
        (audit.references_of_nothing, lambda f: audit.drop_reference_of_nothing(f.file_id, f.where)),
        (audit.unheld_materializations, lambda f: audit.hold_again(f.file_id, f.where)),
        (audit.wrong_counts, lambda f: audit.recount(f.file_id)),
    )
    for find, fix in repairs:
        findings = [dataclasses.replace(f, holders=f.holders or audit.hit_by(f.file_id)) for f in find()]
        if repair:
            for finding in findings:
                fix(finding)
            left = {(f.file_id, f.where) for f in find()}
            findings = [dataclasses.replace(f, is_repaired=(f.file_id, f.where) not in left) for f in findings]
        yield from findings
