"""Reads an archive of several files as one table: the rows of all of them, in the order of their names."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from artifact_pipelines.core.scratch import scratch_folder
from artifact_pipelines.datasets.checked_rows import check_any_rows
from artifact_pipelines.datasets.exceptions import UnparsableSourceError
from artifact_pipelines.datasets.interfaces import OpenTable, RawFile
from artifact_pipelines.datasets.other_rows import OtherRows
from artifact_pipelines.datasets.reading.archives import member_names
from artifact_pipelines.datasets.reading.bad_rows import BadRows
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.raw_stream import COMPRESSED_MAGIC, compression_of, open_plain
from artifact_pipelines.datasets.union_table import CountedFile, UnionTable
from artifact_pipelines.storage.file_types import describe_by_name

FOLDER = "folder"
"""File type of an archive that stands for a dropped folder."""
_PIECE_BYTES = 1 << 20
_MOST_LEVELS = 2
Open = Callable[[RawFile, Contract, OtherRows], AbstractContextManager[OpenTable]]


def members_of(file: RawFile) -> Sequence[str]:
    """Return the names of the files in an archive; none if it is read as the one file that it holds, or is none.

    Raises:
        UnparsableSourceError: It holds no files; or as `member_names`.
    """
    if compression_of(file.path) != "zip":
        return ()
    names = member_names(file.path, file.label)
    if not names:
        raise UnparsableSourceError(file.label, "zip", "it holds no files, apart from hidden ones")
    return names if len(names) > 1 or file.file_type == FOLDER or _is_compressed(file, names[0]) else ()


def _is_compressed(file: RawFile, name: str) -> bool:
    with open_plain(file.path, file.label, name) as stream:
        return stream.read(8).startswith(COMPRESSED_MAGIC)


@contextmanager
def open_archive(
    file: RawFile,
    names: Sequence[str],
    contract: Contract,
    file_column: str | None,
    level: int,
    open_file: Open,
    others: OtherRows | None = None,
) -> Iterator[OpenTable]:
    """Open the files of an archive as one table.

    Args:
        file_column: Column that takes the name of each row's file.
        level: Number of archives that the archive lies in.
        open_file: Opens one of the files.
        others: Rows of other files of the table.

    Raises:
        UnparsableSourceError: The archive lies too deep in others.
        SourceError: As `open_table`.
    """
    if level >= _MOST_LEVELS:
        raise UnparsableSourceError(file.label, "zip", f"it lies in {level} other archives")
    files = {f"{file.label}/{name}": CountedFile(name, place, 0, 0, "") for place, name in enumerate(names)}
    each = dataclasses.replace(contract, allows_empty=True)

    @contextmanager
    def open_member(label: str, expected: Contract, before: OtherRows) -> Iterator[OpenTable]:
        with _extracted(file, files[label].name, label) as member, open_file(member, expected, before) as table:
            yield table

    bad = BadRows(file.label) if contract.leaves_out else None
    union = UnionTable(files, list(files), open_member, file_column, bad, others or OtherRows())
    with union.opened(each, None, {}) as (table, _):
        batches = check_any_rows(table.batches, contract, file.label)
        yield dataclasses.replace(table, batches=batches, file_column=file_column)


@contextmanager
def _extracted(file: RawFile, name: str, label: str) -> Iterator[RawFile]:
    with tempfile.NamedTemporaryFile(dir=scratch_folder()) as copy:
        with open_plain(file.path, label, name) as stream:
            while piece := stream.read(_PIECE_BYTES):
                copy.write(piece)
        copy.flush()
        yield RawFile(pathlib.Path(copy.name), describe_by_name(name).file_type, label)
