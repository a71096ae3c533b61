"""A JSON file as a table: types are found on all rows; declared ones, and those of the version before, are checked."""

import itertools
from collections.abc import Iterator, Mapping

import polars as pl
import pyarrow as pa

from artifact_pipelines.datasets.exceptions import RefusedValueError, SchemaMismatchError
from artifact_pipelines.datasets.interfaces import OpenTable
from artifact_pipelines.datasets.reading.column_types import ColumnType
from artifact_pipelines.datasets.reading.columns import check_columns
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.json_rows import JsonBlock, JsonRows
from artifact_pipelines.datasets.reading.json_types import FoundJson, JsonType, as_text, to_array
from artifact_pipelines.datasets.reading.named_types import type_of_arrow
from artifact_pipelines.datasets.reading.spelling import Spelling
from artifact_pipelines.datasets.reading.typed_rows import widened


def open_json(rows: JsonRows, contract: Contract, spelling: Spelling) -> OpenTable:
    """Return the rows as a table.

    Raises:
        SchemaMismatchError: The columns are not those of the contract, or a nested one has changed.
        RefusedValueError: A value does not have the declared type, or that of the version before.
    """
    found, misfits = _find(rows, contract, spelling)
    check_columns(rows.names, contract, rows.label)
    types = {name: _type(name, found, misfits, contract, rows.label, spelling) for name in rows.names}
    schema = pa.schema([(name, kind.arrow) for name, kind in types.items()])

    def batches() -> Iterator[pa.RecordBatch]:
        for block in rows.blocks():
            columns = [to_array([row.get(name) for row in block.rows], kind) for name, kind in types.items()]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def line_of(row: int) -> int:
        return next(itertools.islice((line for block in rows.blocks() for line in block.lines), row, None))

    return OpenTable(pa.RecordBatchReader.from_batches(schema, batches()), line_of=line_of)


def _find(
    rows: JsonRows, contract: Contract, spelling: Spelling
) -> tuple[Mapping[str, FoundJson], Mapping[str, RefusedValueError]]:
    """Return what all columns are, and the first refused values of those of the version before."""
    found: dict[str, FoundJson] = {}
    misfits: dict[str, RefusedValueError] = {}
    declared = contract.declared_types(spelling)
    kept = {name: kind for name in contract.kept if (kind := _kept_type(name, contract, spelling))}
    for block in rows.blocks():
        for name in rows.names:
            values = [row.get(name) for row in block.rows]
            if name in declared:
                if error := _misfit(rows.label, block, name, declared[name], "as `columns` declares"):
                    raise error
                continue
            found.setdefault(name, FoundJson(spelling)).add(values)
            if name in kept and name not in misfits and contract.before:
                whose = f"as in version {contract.before.version}"
                if error := _misfit(rows.label, block, name, kept[name], whose):
                    misfits[name] = error
    return found, misfits


def _kept_type(name: str, contract: Contract, spelling: Spelling) -> ColumnType | None:
    return None if name in contract.columns else type_of_arrow(contract.kept[name], spelling)


def _misfit(label: str, block: JsonBlock, name: str, kind: ColumnType, whose: str) -> RefusedValueError | None:
    texts = pl.Series([as_text(row.get(name)) for row in block.rows], dtype=pl.String)
    wrong = kind.misfits(texts)
    if not wrong.len():
        return None
    row = int(wrong[0])
    return RefusedValueError(label, block.lines[row], name, str(texts[row]), f"{kind.expected}, {whose}")


def _type(
    name: str,
    found: Mapping[str, FoundJson],
    misfits: Mapping[str, RefusedValueError],
    contract: Contract,
    label: str,
    spelling: Spelling,
) -> JsonType:
    if name in contract.columns:
        return contract.declared_types(spelling)[name]
    now = found[name].type
    if name not in contract.kept or contract.kept[name] == str(now.arrow):
        return now
    before = _kept_type(name, contract, spelling)
    if before is not None and name not in misfits:
        return before
    wider = widened(before, now) if before and isinstance(now, ColumnType) else None
    if wider and contract.on_schema_change == "widen":
        return wider
    if name in misfits:
        raise misfits[name]
    assert contract.before is not None  # or nothing would be kept
    problem = f"column {name!r} is {now.arrow}, and {contract.kept[name]} in version {contract.before.version}"
    remedy = f"Fix the file, declare `columns: {{{name}: VARCHAR}}`, or set `on_schema_change: accept`"
    raise SchemaMismatchError(label, problem, remedy)
