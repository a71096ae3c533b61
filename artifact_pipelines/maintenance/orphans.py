"""Bytes that no row knows: what a crash leaves when it comes after a row went and before its bytes did.

One idea: a file's row is there before its bytes and its ID is never used again. So a key that was listed, and whose ID
the catalog does not have when it is asked afterwards, can neither be in use nor come into use. That holds for the
catalog of this very store in its newest state, and of nothing else: what shows that it is another one is an error.
"""

import itertools
from collections.abc import Mapping, Sequence

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import Amount, StoragePath
from artifact_pipelines.maintenance.exceptions import ForeignStoreError, NoCommonFileError, TooMuchToDeleteError
from artifact_pipelines.storage.exceptions import CatalogOlderThanStoreError
from artifact_pipelines.storage.interfaces import IStorageBackend

MAX_SHARE = 0.1
"""The share of the store that may be deleted at once by default: a clean-up of the wrong store loses little."""

FREE_FILES = 100
"""So many files may always go: in a small store a few are a large share."""

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
    paths = iter(backend.list_files())
    while batch := list(itertools.islice(paths, _BATCH)):
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


def check_share(what: str, going: Amount, of: Amount, max_share: float = MAX_SHARE) -> None:
    """Refuse what nobody expects.

    Args:
        what: What would go, for people.
        going: How much would go.
        of: How much there is.
        max_share: The share of files, and of bytes, that may go; from 0 to 1.

    Raises:
        TooMuchToDeleteError: More would go.
        InvalidArgumentError: No share.
    """
    if not 0 <= max_share <= 1:
        raise InvalidArgumentError("max_share", max_share, "a share from 0 to 1")
    is_much = going.files > max_share * of.files or going.size_bytes > max_share * of.size_bytes
    if going.files > FREE_FILES and is_much:
        raise TooMuchToDeleteError(
            what, going.files, of.files, going.size_bytes, of.size_bytes, allowed=f"{100 * max_share:g}%"
        )
