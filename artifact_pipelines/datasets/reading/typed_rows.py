"""The types of a table of texts, checked on all rows, and then its values.

Two passes: the first checks every text and finds the types, so that a fault is known before anything is stored; the
second reads the values. Where bad rows are left out, the first notes the columns that have some, and the second looks
for them.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa

from artifact_pipelines.datasets.exceptions import MalformedRowError, RefusedValueError
from artifact_pipelines.datasets.interfaces import OpenTable, Written
from artifact_pipelines.datasets.reading.bad_rows import BadRow, BadRows, values_as_json
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
        """Return some columns of a block's rows as texts.

        Raises:
            MalformedRowError: A row cannot be split into values.
        """

    def values(self, block: Block, types: Mapping[str, pa.DataType]) -> pa.Table:
        """Return a block's rows with values of some types, text elsewhere. Raises as `texts`."""

    def without_malformed(self, block: Block) -> tuple[Block, Sequence[BadRow]]:
        """Return a block without the rows for which `texts` raises, and these."""

    def written(self, block: Block, places: Sequence[int]) -> Sequence[Written]:
        """Return lines and texts of rows of a block, by their ascending places."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Misfit:
    """The first text of a column that its type does not accept."""

    line: int
    column: str
    value: str
    type: ColumnType


@dataclasses.dataclass(frozen=True, slots=True)
class _Fixed:
    """The type that a column must have, and who says so, for errors."""

    type: ColumnType
    whose: str
    is_declared: bool

    @property
    def expected(self) -> str:
        return f"{self.type.expected}, {self.whose}"


def open_rows(
    rows: "ITextRows[Block]", contract: Contract, spelling: Spelling, read_as: Mapping[str, Any] | None = None
) -> OpenTable:
    """Return texts as a table. All of them are checked against declared types and those of the version before.

    Raises:
        RefusedValueError: A text does not have the declared type, or that of the version before.
    """
    fixed = _fixed(contract, spelling)
    types, misfits = _pass_over(rows, fixed, spelling, contract.leaves_out)
    doubtful = {name: fixed[name] for name in misfits if fixed[name].is_declared}
    if kept := misfits.keys() - doubtful:
        sure = {name: _Fixed(kind, "", False) for name, kind in types.items() if name not in kept}
        found, _ = _pass_over(rows, sure, spelling, contract.leaves_out)
        for name in kept:
            wider = widened(fixed[name].type, found[name]) if contract.on_schema_change == "widen" else None
            if wider is None and not contract.leaves_out:
                raise _refused(rows.label, misfits[name], fixed[name])
            types[name] = wider or fixed[name].type
            doubtful |= {} if wider else {name: fixed[name]}
    bad = BadRows(rows.label) if contract.leaves_out else None
    reading = _Reading(rows, {name: types[name] for name in rows.names}, doubtful, bad)
    batches = pa.RecordBatchReader.from_batches(reading.schema, reading.batches())
    return OpenTable(batches, read_as or {}, reading.written, bad)


def _fixed(contract: Contract, spelling: Spelling) -> Mapping[str, _Fixed]:
    declared = contract.declared_types(spelling)
    version = contract.before.version if contract.before else 0
    kept = {
        name: _Fixed(found, f"as in version {version}", False)
        for name, kind in contract.kept.items()
        if (found := type_of_arrow(kind, spelling))
    }
    return {**kept, **{name: _Fixed(kind, "as `columns` declares", True) for name, kind in declared.items()}}


def _pass_over(
    rows: "ITextRows[Block]", fixed: Mapping[str, _Fixed], spelling: Spelling, leaves_out: bool
) -> tuple[dict[str, ColumnType], Mapping[str, _Misfit]]:
    """Return the types of all columns, and the first misfits of those that are fixed.

    Raises:
        RefusedValueError: One of them is declared, and bad rows are not left out.
    """
    found: dict[str, Found | None] = {}
    misfits: dict[str, _Misfit] = {}
    texts_only = {name for name, each in fixed.items() if each.type == TEXT}
    for each in rows.blocks():
        # Nothing more can be learned about a column of texts; its rows are still split.
        unsure = [name for name in rows.names if name not in texts_only and found.get(name) != FoundText()]
        block, table, _ = _read(rows, each, functools.partial(rows.texts, names=unsure), leaves_out)
        for name in unsure:
            texts = pl.Series(name, table.column(name))
            if name not in fixed:
                found[name] = find_type(found.get(name), texts, spelling)
            elif name not in misfits and (wrong := fixed[name].type.misfits(texts)).len():
                row = int(wrong[0])
                [(line, _)] = rows.written(block, [row])
                misfits[name] = _Misfit(line, name, str(texts[row]), fixed[name].type)
        first = [misfit for name, misfit in misfits.items() if fixed[name].is_declared]
        if first and not leaves_out:
            misfit = min(first, key=lambda misfit: misfit.line)
            raise _refused(rows.label, misfit, fixed[misfit.column])
    types = {name: state.type if state else TEXT for name, state in found.items()}
    return {name: fixed[name].type if name in fixed else types.get(name, TEXT) for name in rows.names}, misfits


def _read(
    rows: "ITextRows[Block]", block: Block, read: Callable[[Block], pa.Table], leaves_out: bool
) -> tuple[Block, pa.Table, Sequence[BadRow]]:
    """Return a block as a table; also the block without its malformed rows, and these, if they are left out."""
    try:
        return block, read(block), []
    except MalformedRowError:
        if not leaves_out:
            raise
    rest, malformed = rows.without_malformed(block)
    return rest, read(rest), malformed


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


def _refused(label: str, misfit: _Misfit, fixed: _Fixed) -> RefusedValueError:
    return RefusedValueError(label, misfit.line, misfit.column, misfit.value, fixed.expected)


class _Reading(Generic[Block]):
    """The second pass.

    Args:
        types: Of all columns, in order.
        doubtful: Columns with texts that do not fit; their rows are bad.
        bad: Takes the bad rows; None: there are none.
    """

    def __init__(
        self,
        rows: "ITextRows[Block]",
        types: Mapping[str, ColumnType],
        doubtful: Mapping[str, _Fixed],
        bad: BadRows | None,
    ) -> None:
        self._rows, self._types, self._doubtful, self._bad = rows, types, doubtful, bad
        self.schema = pa.schema([(name, kind.arrow) for name, kind in types.items()])
        # Arrow reads a value as it reads a checked text, but for spellings that the dataset declares.
        self._direct = {
            name: kind.arrow
            for name, kind in types.items()
            if kind.is_plain and not isinstance(kind, Float) and name not in doubtful
        }
        self._block: Block | None = None
        self._kept: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        for each in self._rows.blocks():
            read = functools.partial(self._rows.values, types=self._direct)
            block, table, malformed = _read(self._rows, each, read, self._bad is not None)
            self._block = block
            self._kept = None
            if self._bad is not None:
                table = self._without_bad(self._bad, table, malformed)
            columns = [
                column if column.type == kind.arrow else _converted(column, kind)
                for column, kind in zip(table.columns, self._types.values(), strict=True)
            ]
            yield from pa.Table.from_arrays(columns, schema=self.schema).to_batches()

    def written(self, places: Sequence[int]) -> Sequence[Written]:
        """See `OpenTable`."""
        assert self._block is not None  # a batch was taken
        return self._rows.written(self._block, places if self._kept is None else [int(self._kept[at]) for at in places])

    def _without_bad(self, bad: BadRows, table: pa.Table, malformed: Sequence[BadRow]) -> pa.Table:
        faults: dict[int, tuple[str, str, str]] = {}
        for name, fixed in self._doubtful.items():
            texts = pl.Series(table.column(name))
            for row in fixed.type.misfits(texts):
                faults.setdefault(row, (name, texts[row], f"is not {fixed.expected}"))
        written = zip(sorted(faults), self.written(sorted(faults)), strict=True)
        found = [BadRow(line, *faults[at], text or values_as_json(table, at)) for at, (line, text) in written]
        bad.add([*malformed, *found])
        if not faults:
            return table
        is_good = ~np.isin(np.arange(table.num_rows), list(faults))
        self._kept = np.flatnonzero(is_good)
        return table.filter(pa.array(is_good))


def _converted(column: pa.ChunkedArray, kind: ColumnType) -> pa.ChunkedArray:
    return pa.chunked_array([kind.convert(chunk) for chunk in column.chunks], kind.arrow)
