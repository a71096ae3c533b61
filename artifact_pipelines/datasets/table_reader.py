"""Reads raw files as tables, and holds their columns and values to the dataset's contract."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pyarrow as pa

from artifact_pipelines.datasets.archive_table import members_of, open_archive
from artifact_pipelines.datasets.checked_rows import CheckedRows
from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable, RawFile
from artifact_pipelines.datasets.other_rows import OtherRows
from artifact_pipelines.datasets.reading.bad_rows import BadRows
from artifact_pipelines.datasets.reading.columns import check_columns
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.limits import limited
from artifact_pipelines.datasets.reading.raw_stream import watched_reads
from artifact_pipelines.datasets.registry import check_content
from artifact_pipelines.datasets.sandbox import open_in_child
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.local_paths import verified_path
from artifact_pipelines.tabular.arrow_memory import use_system_memory


@contextmanager
def open_stored(
    stored: Artifact,
    file_type: str,
    label: str,
    file_format: IFileFormat,
    contract: Contract,
    watch: Callable[[int, int | None], object] | None = None,
    file_column: str | None = None,
    others: OtherRows | None = None,
) -> Iterator[OpenTable]:
    """Open a stored raw file as `open_table` does, and check its bytes while they are read.

    Args:
        file_column: See `open_table`, as for the others.
        watch: Takes how many bytes of a text file are read, and of how many; see `watched_reads`.

    Raises:
        IntegrityError: They are damaged.
    """
    with (
        verified_path(stored) as file,
        watched_reads(file.path, watch),
        open_table(
            RawFile(file.path, file_type, label), file_format, contract, file_column=file_column, others=others
        ) as opened,
    ):
        yield dataclasses.replace(opened, batches=file.batches(opened.batches))


@contextmanager
def open_table(
    file: RawFile,
    file_format: IFileFormat,
    contract: Contract,
    trusted: bool = False,
    file_column: str | None = None,
    level: int = 0,
    others: OtherRows | None = None,
) -> Iterator[OpenTable]:
    """Open a raw file as `IFileFormat.open` does, and check that its columns and values are those of the contract.

    An archive of several files is the union of their rows.

    Args:
        trusted: False: a file that a library parses is opened in a process of its own.
        file_column: Column that takes the names of the files in an archive of several.
        level: Number of archives that the file lies in.
        others: Rows of other files of the table.

    Raises:
        UnparsableSourceError: The file's content is of another format.
        SchemaMismatchError: See `check_columns`.
        ReaderDiedError: The process of its own died, or went beyond a limit; also when the table is read.
        BrokenRuleError: When the table is read: a value breaks a rule of its column.
        RepeatedValuesError: When the table is read: a key or a unique value stands twice.
        TooManyBadRowsError: When the table is read to its end, if the contract leaves bad rows out.
    """
    use_system_memory()
    with limited(file.path, contract.limits):
        yield from _opened_table(file, file_format, contract, trusted, file_column, level, others)


def _opened_table(
    file: RawFile,
    file_format: IFileFormat,
    contract: Contract,
    trusted: bool,
    file_column: str | None,
    level: int,
    others: OtherRows | None,
) -> Iterator[OpenTable]:
    if names := members_of(file):

        def open_member(member: RawFile, expected: Contract, before: OtherRows) -> AbstractContextManager[OpenTable]:
            return open_table(member, file_format, expected, trusted, None, level + 1, before)

        with open_archive(file, names, contract, file_column, level, open_member, others) as union:
            yield union
        return
    chosen = file_format.chosen_for(file)
    check_content(file, chosen)
    is_isolated = chosen.ISOLATED and not trusted

    @contextmanager
    def opened() -> Iterator[OpenTable]:
        opening = open_in_child(chosen, file, contract) if is_isolated else chosen.open(file, contract)
        with opening as table:
            yield _in_order(table, contract, file.label)

    rows = CheckedRows(file.label, contract, opened, others or OtherRows())
    if not contract.leaves_out:
        with opened() as table:
            yield dataclasses.replace(table, batches=rows.all_good(table))
        return
    repeated = rows.find_repeated()
    with opened() as table:
        bad = table.bad if table.bad is not None else BadRows(file.label)
        yield dataclasses.replace(table, batches=rows.only_good(table, bad, repeated), bad=bad)


def _in_order(table: OpenTable, contract: Contract, label: str) -> OpenTable:
    """Return a table with its columns in the order of the version before."""
    schema = table.batches.schema
    check_columns(schema.names, contract, label)
    names = list(contract.ordered(schema.names))
    if names == schema.names:
        return table
    ordered = pa.schema([schema.field(name) for name in names])
    batches = pa.RecordBatchReader.from_batches(ordered, (batch.select(names) for batch in table.batches))
    return dataclasses.replace(table, batches=batches, reordered=contract.reordered(schema.names))
