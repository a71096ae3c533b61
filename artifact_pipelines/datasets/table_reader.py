"""Reads raw files as tables, and holds their columns and values to the dataset's contract."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pyarrow as pa

from artifact_pipelines.datasets.exceptions import BrokenRuleError, RepeatedValuesError
from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable, RawFile
from artifact_pipelines.datasets.reading.columns import check_columns
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.row_checks import Breach, Repetitions, find_breaches, rules_of
from artifact_pipelines.datasets.registry import check_content
from artifact_pipelines.datasets.sandbox import open_in_child
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.local_paths import verified_path


@contextmanager
def open_stored(
    stored: Artifact, file_type: str, label: str, file_format: IFileFormat, contract: Contract
) -> Iterator[OpenTable]:
    """Open a stored raw file as `open_table` does, and check its bytes while they are read.

    Raises:
        IntegrityError: They are damaged.
    """
    with (
        verified_path(stored) as file,
        open_table(RawFile(file.path, file_type, label), file_format, contract) as opened,
    ):
        yield dataclasses.replace(opened, batches=file.batches(opened.batches))


@contextmanager
def open_table(
    file: RawFile, file_format: IFileFormat, contract: Contract, trusted: bool = False
) -> Iterator[OpenTable]:
    """Open a raw file as `IFileFormat.open` does, and check that its columns and values are those of the contract.

    Args:
        trusted: False: a file that a library parses is opened in a process of its own.

    Raises:
        UnparsableSourceError: The file's content is of another format.
        SchemaMismatchError: See `check_columns`.
        ReaderDiedError: The process of its own died, or went beyond a limit; also when the table is read.
        BrokenRuleError: When the table is read: a value breaks a rule of its column.
        RepeatedValuesError: When the table is read: a key or a unique value stands twice.
    """
    chosen = file_format.chosen_for(file)
    check_content(file, chosen)
    is_isolated = chosen.ISOLATED and not trusted

    def opened() -> AbstractContextManager[OpenTable]:
        return open_in_child(chosen, file, contract) if is_isolated else chosen.open(file, contract)

    with opened() as table:
        schema = table.batches.schema
        check_columns(schema.names, contract, file.label)
        rules = rules_of(contract, schema)
        unique = [Repetitions(columns, field) for field, columns in contract.unique_columns(schema.names).items()]
        if not rules and not unique:
            yield table
            return

        def checked() -> Iterator[pa.RecordBatch]:
            row = 0
            for batch in table.batches:
                if breaches := find_breaches(batch, rules, row):
                    raise _broken(file.label, table, breaches[0])
                for repetitions in unique:
                    repetitions.add(batch)
                yield batch
                row += batch.num_rows
            for repetitions in unique:
                _check_unique(repetitions, file.label, opened)

        yield dataclasses.replace(table, batches=pa.RecordBatchReader.from_batches(schema, checked()))


def _broken(label: str, table: OpenTable, breach: Breach) -> BrokenRuleError:
    line, place = _place(table, breach.row)
    rule = breach.rule
    return BrokenRuleError(label, line, rule.column, breach.value, rule.fault, rule.field, place)


def _place(table: OpenTable, row: int) -> tuple[int, str]:
    return (table.line_of(row), "line") if table.line_of else (row + 1, "row")


def _check_unique(
    repetitions: Repetitions, label: str, opened: Callable[[], AbstractContextManager[OpenTable]]
) -> None:
    hashes = repetitions.repeated()
    if not hashes.size:
        return
    with opened() as table:  # once more, to see the values themselves
        if found := repetitions.first(table.batches, hashes):
            row, earlier, values = found
            (line, place), (earlier_line, _) = _place(table, row), _place(table, earlier)
            raise RepeatedValuesError(label, line, earlier_line, repetitions.columns, values, repetitions.field, place)
