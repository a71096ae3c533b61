"""Bytes that no row knows: what a crash leaves when it comes after a row went and before its bytes did.

One idea: a file's row is there before its bytes and its ID is never used again. So a key that was listed, and whose ID
the catalog does not have when it is asked afterwards, can neither be in use nor come into use. That holds for the
catalog of this very store in its newest state, and of nothing else: what shows that it is another one is an error.
"""

from collections.abc import Mapping, Sequence

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.types import Amount, StoragePath
from artifact_pipelines.maintenance.batches import batches
from artifact_pipelines.maintenance.deletion_limit import MAX_SHARE, check_share
from artifact_pipelines.maintenance.exceptions import ForeignStoreError, NoCommonFileError
from artifact_pipelines.storage.exceptions import CatalogOlderThanStoreError
from artifact_pipelines.storage.interfaces import IStorageBackend

_BATCH = 5_000
_FEW = 10
"""So many files can all have been collected, and others made, between listing and asking."""


def find_orphans(catalog: Catalog, backend: IStorageBackend, max_share: float = MAX_SHARE) -> Mapping[StoragePath, int]:
    """Return the paths of a store that hold bytes and have no row in the catalog, each with the size of its bytes.

    Any of them may be deleted.

    Bytes that lost their row, though something kept still names them, are not among them: `verify` tells of them.

    Raises:
        CatalogOlderThanStoreError: The store has files that this catalog has not come to yet.
        ForeignStoreError: The store has another content under an ID of this catalog.
        NoCommonFileError: The store has no file of this catalog, which has some.
        TooMuchToDeleteError: They are a larger share of the store than is expected.
    """
    orphans: list[StoragePath] = []
    listed = 0
    for batch in batches(backend.list_files(), _BATCH):
        orphans += _unknown(catalog, backend, batch)  # listed first, asked for second: the other way round, a file
        listed += len(batch)  # that is written in between would look like an orphan
    if listed == len(orphans) > _FEW and (known := catalog.audit.stored_amount()[0]):
        raise NoCommonFileError(repr(backend), listed, known)
    if orphans:
        named = catalog.audit.lost_files()
        orphans = [path for path in orphans if path.file_id not in named]
    size_of = {path: backend.size_bytes(path) or 0 for path in orphans}
    going = Amount(len(size_of), sum(size_of.values()))
    there_is = Amount(listed, catalog.collection.total_amount().size_bytes + going.size_bytes)
    check_share("files that the catalog does not know", going, there_is, max_share)
    return size_of


def _unknown(catalog: Catalog, backend: IStorageBackend, paths: Sequence[StoragePath]) -> Sequence[StoragePath]:
    known = catalog.collection.known([path.file_id for path in paths])
    highest = catalog.files.highest_file_id()
    for path in paths:
        expected = known.get(path.file_id)
        if path.file_id > highest:
            raise CatalogOlderThanStoreError(str(path), repr(backend), highest)
        if expected is not None and expected != path.content_hash:
            raise ForeignStoreError(str(path), repr(backend), expected)
    return [path for path in paths if path.file_id not in known]
