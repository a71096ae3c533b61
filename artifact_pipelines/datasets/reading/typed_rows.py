"""The types of a table of texts, checked on all rows, and then its values.

The first pass finds types that are not declared, on all rows. The second reads the values, and checks declared types on
its way; a table whose types are all declared needs no other.
"""

import dataclasses
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa

from artifact_pipelines.datasets.exceptions import MalformedRowError, RefusedValueError, SchemaMismatchError, UnitsError
from artifact_pipelines.datasets.interfaces import OpenTable, Written
from artifact_pipelines.datasets.reading.bad_rows import BadRow, BadRows, values_as_json
from artifact_pipelines.datasets.reading.column_types import TEXT, ColumnType, Decimal, Integer, Timestamp
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

    def texts(self, block: Block, names: Sequence[str], whole: Collection[str] = ()) -> pl.DataFrame:
        """Return some columns of a block's rows as texts.

        Args:
            whole: Columns whose texts are all known to be whole numbers of 64 bits; they may be returned as such.

        Raises:
            MalformedRowError: A row cannot be split into values.
        """

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
    place: str


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
        SchemaMismatchError: The version before has a type that no text has.
        RefusedValueError: A text does not have the declared type, or that of the version before.
    """
    _check_kept(rows, contract)
    fixed = {name: each for name, each in _fixed(contract, spelling).items() if name in rows.names}
    types, misfits = _pass_over(rows, fixed, spelling, contract.leaves_out)
    doubtful = {name: each for name, each in fixed.items() if each.is_declared and each.type != TEXT}
    if misfits:
        sure = {name: _Fixed(kind, "", True) for name, kind in types.items() if name not in misfits}
        found, _ = _pass_over(rows, sure, spelling, contract.leaves_out)
        for name in misfits:
            wider = widened(fixed[name].type, found[name]) if contract.on_schema_change == "widen" else None
            if wider is None and not contract.leaves_out:
                raise _refused(rows.label, misfits[name], fixed[name])
            types[name] = wider or fixed[name].type
            doubtful |= {} if wider else {name: fixed[name]}
    bad = BadRows(rows.label) if contract.leaves_out else None
    reading = _Reading(rows, {name: types[name] for name in rows.names}, doubtful, bad)
    batches = pa.RecordBatchReader.from_batches(reading.schema, reading.batches())
    return OpenTable(batches, read_as or {}, reading.written, reading.texts, bad)


def _check_kept(rows: "ITextRows[Block]", contract: Contract) -> None:
    """Refuse columns whose type in the version before cannot be read from texts, such as lists."""
    for name, kind in contract.kept.items():
        if name in rows.names and name not in contract.columns and kind != _NOTHING and type_of_arrow(kind) is None:
            problem = f"column {name!r} is text here, and {kind} in {contract.before}"
            remedy = f"Fix the file, declare `columns: {{{name}: VARCHAR}}`, or set `on_schema_change: accept`"
            raise SchemaMismatchError(rows.label, problem, remedy)


_NOTHING = "null"  # the type of a column without values says nothing about others


def _fixed(contract: Contract, spelling: Spelling) -> Mapping[str, _Fixed]:
    declared = contract.declared_types(spelling)
    kept = {
        name: _Fixed(found, f"as in {contract.before}", False)
        for name, kind in contract.kept.items()
        if (found := type_of_arrow(kind, spelling))
    }
    return {**kept, **{name: _Fixed(kind, "as `columns` declares", True) for name, kind in declared.items()}}


def _pass_over(
    rows: "ITextRows[Block]", fixed: Mapping[str, _Fixed], spelling: Spelling, leaves_out: bool
) -> tuple[dict[str, ColumnType], Mapping[str, _Misfit]]:
    """Return the types of all columns, and the first misfits of those that are fixed but not declared."""
    found: dict[str, Found | None] = {}
    misfits: dict[str, _Misfit] = {}
    known = {name for name, each in fixed.items() if each.type == TEXT or each.is_declared}
    for each in rows.blocks() if {*rows.names} - known else ():
        # Nothing more can be learned about a column of texts; its rows are still split.
        unsure = [name for name in rows.names if name not in known and found.get(name) != FoundText()]
        block, table, _ = _read(rows, each, unsure, leaves_out)
        for name in unsure:
            texts = table[name]
            if name not in fixed:
                found[name] = find_type(found.get(name), texts, spelling)
            elif name not in misfits and (wrong := fixed[name].type.misfits(texts)).len():
                row = int(wrong[0])
                [written] = rows.written(block, [row])
                misfits[name] = _misfit(written, name, str(texts[row]))
    types = {name: state.type if state else TEXT for name, state in found.items()}
    return {name: fixed[name].type if name in fixed else types.get(name, TEXT) for name in rows.names}, misfits


def _read(
    rows: "ITextRows[Block]", block: Block, names: Sequence[str], leaves_out: bool, whole: Collection[str] = ()
) -> tuple[Block, pl.DataFrame, Sequence[BadRow]]:
    """Return a block as a table; also the block without its malformed rows, and these, if they are left out."""
    try:
        return block, rows.texts(block, names, whole), []
    except MalformedRowError:
        if not leaves_out:
            raise
    rest, malformed = rows.without_malformed(block)
    return rest, rows.texts(rest, names, whole), malformed


def check_first_row(rows: "ITextRows[Block]", contract: Contract, spelling: Spelling) -> None:
    """Refuse a first row that seems to be a line of units below the header.

    Raises:
        UnitsError: It stands above numbers or dates in several columns, as far as the first block of rows shows.
    """
    for each in itertools.islice(rows.blocks(), 1):
        block, table, _ = _read(rows, each, rows.names, contract.leaves_out)
        if table.height <= _FEW_ROWS:
            return
        above = [name for name in rows.names if find_type(None, table[name][:1], spelling) == FoundText()]
        below = {name: find_type(None, table[name][1:], spelling) for name in above}
        odd = [name for name, found in below.items() if found and found.type != TEXT]
        if len(odd) > 1:  # one may be chance
            [(line, text)] = rows.written(block, [0])
            values = [table[name][0] for name in odd]
            raise UnitsError(rows.label, line, values, "row" if text is None else "line")


_FEW_ROWS = 3
_UNITS = ("s", "ms", "us", "ns")


def widened(before: ColumnType, found: ColumnType) -> ColumnType | None:
    """Return the narrowest type that takes the values of both, with the same meaning; None: there is none.

    A timestamp of a finer unit takes fewer years: a value outside of them is refused.
    """
    if isinstance(before, Integer) and isinstance(found, Integer):
        return _wider_integer(before, found)
    if isinstance(before, Integer | Decimal) and isinstance(found, Integer | Decimal):
        (whole, scale), (found_whole, found_scale) = _digits(before), _digits(found)
        if max(whole, found_whole) + max(scale, found_scale) > 38:
            return None
        return decimal_type(max(whole, found_whole), max(scale, found_scale), found.spelling)
    if isinstance(before, Timestamp) and isinstance(found, Timestamp) and before.zone == found.zone:
        return found if _UNITS.index(found.unit) >= _UNITS.index(before.unit) else None
    return None


def _wider_integer(before: Integer, found: Integer) -> Integer | None:
    if before.is_signed == found.is_signed:
        return dataclasses.replace(found, bits=max(before.bits, found.bits))
    signed, unsigned = (before, found) if before.is_signed else (found, before)
    bits = max(signed.bits, 2 * unsigned.bits)
    return dataclasses.replace(found, bits=bits, is_signed=True) if bits <= 64 else None


def _digits(kind: Integer | Decimal) -> tuple[int, int]:
    return (kind.precision - kind.scale, kind.scale) if isinstance(kind, Decimal) else (18, 0)


def _misfit(written: Written, column: str, value: str) -> _Misfit:
    line, text = written
    return _Misfit(line, column, value, "row" if text is None else "line")


def _refused(label: str, misfit: _Misfit, fixed: _Fixed) -> RefusedValueError:
    return RefusedValueError(label, misfit.line, misfit.column, misfit.value, fixed.expected, misfit.place)


class _Reading(Generic[Block]):
    """The second pass.

    Args:
        types: Of all columns, in order.
        doubtful: Columns with texts that may not fit.
        bad: Takes the rows that do not; None: they are refused.
    """

    def __init__(
        self,
        rows: "ITextRows[Block]",
        types: Mapping[str, ColumnType],
        doubtful: Mapping[str, _Fixed],
        bad: BadRows | None,
    ) -> None:
        self._rows, self._types, self._doubtful, self._bad = rows, types, doubtful, bad
        self._whole = [name for name, kind in types.items() if kind == Integer() and name not in doubtful]
        self.schema = pa.schema([(name, kind.arrow) for name, kind in types.items()])
        self._block: Block | None = None
        self._kept: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        for each in self._rows.blocks():
            block, table, malformed = _read(self._rows, each, [*self._types], self._bad is not None, self._whole)
            self._block = block
            self._kept = None
            table = self._without_bad(table, malformed)
            columns = [kind.convert(table[name]) for name, kind in self._types.items()]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def written(self, places: Sequence[int]) -> Sequence[Written]:
        """See `OpenTable`."""
        assert self._block is not None  # a batch was taken
        return self._rows.written(self._block, places if self._kept is None else [int(self._kept[at]) for at in places])

    def texts(self, name: str) -> Sequence[str | None]:
        """See `OpenTable`."""
        assert self._block is not None  # a batch was taken
        texts = self._rows.texts(self._block, [name]).to_series()
        return (texts if self._kept is None else texts.gather(self._kept)).to_list()

    def _without_bad(self, table: pl.DataFrame, malformed: Sequence[BadRow]) -> pl.DataFrame:
        faults: dict[int, tuple[str, str, _Fixed]] = {}
        for name, fixed in self._doubtful.items():
            texts = table[name]
            for row in fixed.type.misfits(texts):
                faults.setdefault(row, (name, texts[row], fixed))
        if self._bad is None:
            self._refuse_first(faults)
            return table
        written = zip(sorted(faults), self.written(sorted(faults)), strict=True)
        found = [
            _bad_row(line, *faults[at], text or values_as_json(table.to_arrow(), at)) for at, (line, text) in written
        ]
        self._bad.add([*malformed, *found])
        if not faults:
            return table
        is_good = ~np.isin(np.arange(table.height), list(faults))
        self._kept = np.flatnonzero(is_good)
        return table.filter(pl.Series(is_good))

    def _refuse_first(self, faults: Mapping[int, tuple[str, str, _Fixed]]) -> None:
        if faults:
            row = min(faults)
            name, text, fixed = faults[row]
            [written] = self.written([row])
            raise _refused(self._rows.label, _misfit(written, name, text), fixed)


def _bad_row(line: int, column: str, text: str, fixed: _Fixed, row: str) -> BadRow:
    return BadRow(line, column, text, f"is not {fixed.expected}", row)
