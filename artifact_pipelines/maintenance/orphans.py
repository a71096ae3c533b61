"""Finds orphans: bytes without a row, left by a crash between the deletion of a row and of its bytes.

One idea: a file's row exists before its bytes, and its ID is never used again. So if the store lists a key, and the
catalog, asked afterwards, has no file of its ID, then nobody uses the bytes and nobody will. This holds only for the
catalog of this very store in its newest state: any sign of another catalog is an error.
"""

import itertools
from collections.abc import Mapping, Sequence

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import Amount, StoragePath
from artifact_pipelines.core.wording import counted
from artifact_pipelines.maintenance.exceptions import ForeignStoreError, TooMuchToDeleteError
from artifact_pipelines.storage.exceptions import CatalogOlderThanStoreError
from artifact_pipelines.storage.interfaces import IStorageBackend

MAX_SHARE = 0.1
"""The share of the store that may be deleted at once by default: a clean-up of the wrong store loses little."""

FREE_FILES = 100
"""This many files may always be deleted: in a small store a few files are a large share."""

BATCH_FILES = 5_000
FEW_FILES = 10
"""Up to this many files may all be collected, and others created, between listing the store and asking the catalog."""


def find_orphans(catalog: Catalog, backend: IStorageBackend, max_share: float = MAX_SHARE) -> Mapping[StoragePath, int]:
    """Return the paths of all orphans in a store, each with its size in bytes. Any of them may be deleted.

    Bytes whose row is lost, but which a kept materialization still names, are not included: `verify` reports them.

    Raises:
        CatalogOlderThanStoreError: The store has files with IDs that this catalog has not given yet.
        ForeignStoreError: The store has another content under an ID of this catalog, or no file in common with it.
        TooMuchToDeleteError: The orphans are more than `max_share` of the store.
    """
    orphans: list[StoragePath] = []
    listed = 0
    paths = iter(backend.list_files())
    while batch := list(itertools.islice(paths, BATCH_FILES)):
        # List first, ask second: the other way round, a file written in between would look like an orphan.
        orphans += _unknown(catalog, backend, batch)
        listed += len(batch)
    if listed == len(orphans) > FEW_FILES and (known := catalog.collection.stored_amount().files):
        raise ForeignStoreError(repr(backend), counted(listed, "file"), f"none of them and {counted(known, 'other')}")
    if orphans:
        named = catalog.audit.lost_files()
        orphans = [path for path in orphans if path.file_id not in named]
    size_of = {path: backend.size_bytes(path) or 0 for path in orphans}
    amount = Amount(len(size_of), sum(size_of.values()))
    total = Amount(listed, catalog.collection.total_amount().size_bytes + amount.size_bytes)
    check_share("files that the catalog does not know", amount, total, max_share)
    return size_of


def _unknown(catalog: Catalog, backend: IStorageBackend, paths: Sequence[StoragePath]) -> Sequence[StoragePath]:
    known = catalog.collection.known([path.file_id for path in paths])
    highest = catalog.files.highest_file_id()
    for path in paths:
        expected = known.get(path.file_id)
        if path.file_id > highest:
            raise CatalogOlderThanStoreError(str(path), repr(backend), highest)
        if expected is not None and expected != path.content_hash:
            raise ForeignStoreError(repr(backend), str(path), f"file {path.file_id} with content hash {expected}")
    return [path for path in paths if path.file_id not in known]


def check_share(kind: str, deleted: Amount, total: Amount, max_share: float = MAX_SHARE) -> None:
    """Refuse to delete more than a share of the store's files or bytes by a `TooMuchToDeleteError`.

    Args:
        kind: The things to delete, for people.
        deleted: Their amount.
        total: The amount that the store holds.
        max_share: From 0 to 1; anything else is an `InvalidArgumentError`.
    """
    if not 0 <= max_share <= 1:
        raise InvalidArgumentError("max_share", max_share, "a share from 0 to 1")
    is_much = deleted.files > max_share * total.files or deleted.size_bytes > max_share * total.size_bytes
    if deleted.files > FREE_FILES and is_much:
        raise TooMuchToDeleteError(
            kind, deleted.files, total.files, deleted.size_bytes, total.size_bytes, allowed=f"{100 * max_share:g}%"
        )
