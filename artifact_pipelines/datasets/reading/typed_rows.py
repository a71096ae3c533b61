"""The types of a table of texts, checked on all rows, and then its values.

Two passes: the first checks every text and finds the types, so that a fault is known before anything is stored; the
second reads the values.
"""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

import polars as pl
import pyarrow as pa

from artifact_pipelines.datasets.exceptions import RefusedValueError, SchemaMismatchError
from artifact_pipelines.datasets.reading.column_types import TEXT, ColumnType, Decimal, Float, Integer, Timestamp
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.found_types import Found, FoundText, decimal_type, find_type
from artifact_pipelines.datasets.reading.named_types import type_of_arrow
from artifact_pipelines.datasets.reading.spelling import Spelling

Block = TypeVar("Block")


class ITextRows(Protocol[Block]):
    """A file of texts that can be read several times.

    Attributes:
        label: The file's name in errors.
        names: Its columns.
    """

    label: str
    names: Sequence[str]

    def blocks(self) -> Iterator[Block]:
        """Yield its rows in blocks."""

    def texts(self, block: Block, names: Sequence[str]) -> pa.Table:
        """Return some columns of a block's rows as texts."""

    def values(self, block: Block, types: Mapping[str, pa.DataType]) -> pa.Table:
        """Return a block's rows with values of some types, text elsewhere."""

    def line_of(self, block: Block, row: int) -> int:
        """Return the line where a row of a block begins."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Misfit:
    """The first text of a column that its type does not accept."""

    line: int
    column: str
    value: str
    type: ColumnType


def check_rows(rows: "ITextRows[Block]", contract: Contract, spelling: Spelling) -> Mapping[str, ColumnType]:
    """Check all texts against declared types and those of the version before, and find the others.

    Raises:
        SchemaMismatchError: There are no rows, and the version before has some.
        RefusedValueError: A text does not have the declared type, or that of the version before.
    """
    if contract.kept and contract.before and next(rows.blocks(), None) is None:
        problem = f"it has a header and no rows, and version {contract.before.version} is a whole table"
        raise SchemaMismatchError(rows.label, problem, "Drop the whole file, or set `on_schema_change: accept`")
    declared = contract.declared_types(spelling)
    kept = {
        name: found
        for name, kind in contract.kept.items()
        if name not in declared and (found := type_of_arrow(kind, spelling))
    }
    fixed = {**kept, **declared}
    types, misfits = _pass_over(rows, fixed, spelling, declared.keys())
    if misfits:
        again, _ = _pass_over(rows, {n: t for n, t in types.items() if n not in misfits}, spelling, ())
        wider = {name: _widened(rows.label, misfit, again[name], contract) for name, misfit in misfits.items()}
        types = {**types, **wider}
    return {name: types[name] for name in rows.names}


def _pass_over(
    rows: "ITextRows[Block]", fixed: Mapping[str, ColumnType], spelling: Spelling, declared: Collection[str]
) -> tuple[Mapping[str, ColumnType], Mapping[str, _Misfit]]:
    """Return the types of all columns, and the first misfits of those that are fixed but not declared."""
    found: dict[str, Found | None] = {}
    misfits: dict[str, _Misfit] = {}
    for block in rows.blocks():
        # Nothing more can be learned about a column of texts; its rows are still split.
        unsure = [name for name in rows.names if fixed.get(name) != TEXT and found.get(name) != FoundText()]
        table = rows.texts(block, unsure)
        for name in unsure:
            texts = pl.Series(name, table.column(name))
            if name not in fixed:
                found[name] = find_type(found.get(name), texts, spelling)
            elif name not in misfits and (wrong := fixed[name].misfits(texts)).len():
                row = int(wrong[0])
                misfits[name] = _Misfit(rows.line_of(block, row), name, str(texts[row]), fixed[name])
        if first := [misfit for name, misfit in misfits.items() if name in declared]:
            raise _refused(rows.label, min(first, key=lambda misfit: misfit.line), "as `columns` declares")
    types = {name: state.type if state else TEXT for name, state in found.items()}
    return {name: fixed.get(name) or types.get(name, TEXT) for name in rows.names}, misfits


def _widened(label: str, misfit: _Misfit, found: ColumnType, contract: Contract) -> ColumnType:
    """Return the wider type of a column, if nothing is lost and the contract allows it."""
    assert contract.before is not None  # or there would be no misfit
    wider = widened(misfit.type, found) if contract.on_schema_change == "widen" else None
    if wider is None:
        raise _refused(label, misfit, f"as in version {contract.before.version}")
    return wider


def widened(before: ColumnType, found: ColumnType) -> ColumnType | None:
    """Return the narrowest type that holds all values of both, with the same meaning; None: there is none."""
    if isinstance(before, Integer) and isinstance(found, Integer):
        return found
    if isinstance(before, Integer | Decimal) and isinstance(found, Integer | Decimal):
        (whole, scale), (found_whole, found_scale) = _digits(before), _digits(found)
        if max(whole, found_whole) + max(scale, found_scale) > 38:
            return found if isinstance(found, Decimal) and found_scale >= scale else None
        return decimal_type(max(whole, found_whole), max(scale, found_scale), found.spelling)
    if isinstance(before, Timestamp) and isinstance(found, Timestamp) and before.zone == found.zone:
        return found
    return None


def _digits(kind: Integer | Decimal) -> tuple[int, int]:
    return (kind.precision - kind.scale, kind.scale) if isinstance(kind, Decimal) else (18, 0)


def _refused(label: str, misfit: _Misfit, whose: str) -> RefusedValueError:
    return RefusedValueError(label, misfit.line, misfit.column, misfit.value, f"{misfit.type.expected}, {whose}")


def read_values(rows: "ITextRows[Block]", types: Mapping[str, ColumnType]) -> pa.RecordBatchReader:
    """Return the values of texts that `check_rows` has checked."""
    schema = pa.schema([(name, kind.arrow) for name, kind in types.items()])
    # Arrow reads a value as it reads a checked text, but for spellings that the dataset declares.
    direct = {name: kind.arrow for name, kind in types.items() if kind.is_plain and not isinstance(kind, Float)}

    def batches() -> Iterator[pa.RecordBatch]:
        for block in rows.blocks():
            table = rows.values(block, direct)
            columns = [
                column if column.type == kind.arrow else _converted(column, kind)
                for column, kind in zip(table.columns, types.values(), strict=True)
            ]
            yield from pa.Table.from_arrays(columns, schema=schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _converted(column: pa.ChunkedArray, kind: ColumnType) -> pa.ChunkedArray:
    return pa.chunked_array([kind.convert(chunk) for chunk in column.chunks], kind.arrow)


def line_of_row(rows: "ITextRows[Block]", row: int) -> int:
    """Return the line where the row at a place, from 0, begins. Slow: for errors."""
    for block in rows.blocks():
        count = rows.texts(block, rows.names[:1]).num_rows
        if row < count:
            return rows.line_of(block, row)
        row -= count
    raise AssertionError(f"{rows.label} has no row {row}")
