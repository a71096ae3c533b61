"""Rebuilds a lost catalog from the store alone: every key carries the hash and the ID of its file.

Everything else is lost: assets, versions, names. Every file is held, so that clean-up keeps it.
"""

import concurrent.futures
import dataclasses
import itertools
from collections.abc import Callable, Iterable

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.lost_catalog import CatalogRefill
from artifact_pipelines.core.types import FoundFile, StoragePath
from artifact_pipelines.storage.exceptions import StorageUnavailableError
from artifact_pipelines.storage.file_types import describe
from artifact_pipelines.storage.hashing import HASH_ALGORITHM
from artifact_pipelines.storage.interfaces import IStorageBackend

BATCH_FILES = 1000
_THREADS = 16


@dataclasses.dataclass(frozen=True)
class RebuildReport:
    """The result of a rebuild.

    Attributes:
        files: Number of files in the catalog.
        duplicates: Keys left aside because a newer one has the same content; clean-up deletes them.
        highest_file_id: No new file gets an ID up to this one. It lies `ID_MARGIN` above the highest ID found, so that
            IDs of deleted files are not given again either.
    """

    files: int
    duplicates: int
    highest_file_id: int


def rebuild(catalog: Catalog, backend: IStorageBackend, advance: Callable[[int], object]) -> RebuildReport:
    """Fill an empty catalog with all files of a store, in one transaction.

    Reads only the first bytes of each file. `verify` checks the rest.

    Args:
        catalog: An empty catalog.
        backend: The store.
        advance: Called with the number of files adopted since the last call.

    Raises:
        CatalogNotEmptyError: The catalog holds rows.
        RefusedRowsError: The store holds files of several catalogs.
        BackendError: Catalog or store did not answer.
    """
    with catalog.transfer.loading(CatalogRefill) as refill:
        found, highest = adopt(refill, backend, backend.list_files(), advance)
        held = refill.hold_unheld()
        highest = refill.raise_file_ids(highest)
    return RebuildReport(held, found - held, highest)


def adopt(
    refill: CatalogRefill, backend: IStorageBackend, paths: Iterable[StoragePath], advance: Callable[[int], object]
) -> tuple[int, int]:
    """Adopt files of a store into a catalog. Returns their number and their highest ID."""
    count, highest = 0, 0
    with concurrent.futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="examine") as pool:
        waiting = iter(paths)
        while batch := list(itertools.islice(waiting, BATCH_FILES)):
            found = [file for file in pool.map(lambda path: _examine(backend, path), batch) if file is not None]
            refill.adopt(found, HASH_ALGORITHM)
            count += len(found)
            highest = max(highest, *(path.file_id for path in batch))
            advance(len(batch))
    return count, highest


def _examine(backend: IStorageBackend, path: StoragePath) -> FoundFile | None:
    size_bytes = backend.size_bytes(path)
    if size_bytes is None:
        return None  # gone since it was listed
    try:
        with backend.read_stream(path) as stream:
            start = stream.read(4)
    except FileNotFoundError:
        return None
    except StorageUnavailableError:  # a bad block: adopt the file all the same, `verify` reports it
        start = b""
    # A guess where the first bytes leave no doubt. Creating the content again corrects it.
    compression_type = "gzip" if start[:2] == b"\x1f\x8b" else None
    return FoundFile(path, size_bytes, describe("parquet" if start == b"PAR1" else "bin", None, compression_type))
