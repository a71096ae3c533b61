"""A JSON file as a table: types are found on all rows; declared ones, and those of the version before, are checked."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from artifact_pipelines.datasets.exceptions import RefusedValueError
from artifact_pipelines.datasets.interfaces import OpenTable, Written
from artifact_pipelines.datasets.reading.bad_rows import BadRow, BadRows
from artifact_pipelines.datasets.reading.column_types import ColumnType
from artifact_pipelines.datasets.reading.columns import check_columns
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.json_rows import JsonBlock, JsonRows
from artifact_pipelines.datasets.reading.json_types import FoundJson, JsonType
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
    check_columns(rows.names, contract, rows.label, rows.examples)
    types = {name: _type(name, found, misfits, contract, rows.label, spelling) for name in rows.names}
    doubtful = {name: error for name, error in misfits.items() if types[name] == error.type}
    reading = _Reading(rows, types, doubtful, BadRows(rows.label) if contract.leaves_out else None)
    batches = pa.RecordBatchReader.from_batches(reading.schema, reading.batches())
    return OpenTable(batches, written=reading.written, texts=reading.texts, bad=reading.bad)


class _Reading:
    """The second pass: the values.

    Args:
        doubtful: Columns with values that do not fit; their rows are bad.
        bad: Takes the bad rows; None: there are none.
    """

    def __init__(
        self, rows: JsonRows, types: Mapping[str, JsonType], doubtful: Mapping[str, "_Misfit"], bad: BadRows | None
    ) -> None:
        self._rows, self._types, self._doubtful, self.bad = rows, types, doubtful, bad
        self.schema = pa.schema([(name, kind.arrow) for name, kind in types.items()])
        self._block = JsonBlock()

    def batches(self) -> Iterator[pa.RecordBatch]:
        for block in self._rows.blocks():
            self._block = self._without_bad(self.bad, block) if self.bad is not None else block
            columns = [self._block.array_of(name, kind) for name, kind in self._types.items()]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def written(self, places: Sequence[int]) -> Sequence[Written]:
        """See `OpenTable`."""
        return [self._block.written(place) for place in places]

    def texts(self, name: str) -> Sequence[str | None]:
        """See `OpenTable`."""
        return self._block.texts_of(name).to_list()

    def _without_bad(self, bad: BadRows, block: JsonBlock) -> JsonBlock:
        faults: dict[int, BadRow] = {}
        for name, misfit in self._doubtful.items():
            texts = block.texts_of(name)
            for at in misfit.type.misfits(block.texts_of(name, misfit.type.written_as)):
                reason = f"is not {misfit.expected}"
                faults.setdefault(at, BadRow(block.lines[at], name, texts[at], reason, block.texts[at]))
        bad.add([*block.malformed, *faults.values()])
        good = [at for at in range(len(block.rows)) if at not in faults]
        rows, lines = [block.rows[at] for at in good], [block.lines[at] for at in good]
        return JsonBlock(rows, lines, [block.texts[at] for at in good])


@dataclasses.dataclass(frozen=True, slots=True)
class _Misfit:
    """The first value of a column that its type does not accept.

    Attributes:
        whose: Who says that the column has this type.
    """

    line: int
    column: str
    value: str
    type: ColumnType
    whose: str

    @property
    def expected(self) -> str:
        return f"{self.type.expected}, {self.whose}"

    def error(self, label: str) -> RefusedValueError:
        return RefusedValueError(label, self.line, self.column, self.value, self.expected)


def _find(
    rows: JsonRows, contract: Contract, spelling: Spelling
) -> tuple[Mapping[str, FoundJson], Mapping[str, _Misfit]]:
    """Return what all columns are, and the first values that do not fit declared types and those of the version before.

    Raises:
        RefusedValueError: The type is declared, and bad rows are not left out.
    """
    found: dict[str, FoundJson] = {}
    misfits: dict[str, _Misfit] = {}
    declared = contract.declared_types(spelling)
    kept = {name: kind for name in contract.kept if (kind := _kept_type(name, contract, spelling))}
    nested = {name: kind for name, kind in contract.kept.items() if name not in kept}
    for block in rows.blocks():
        for name in rows.names:
            if name not in declared:
                block.find(name, found.setdefault(name, FoundJson(spelling, nested.get(name))))
            kind = declared.get(name) or kept.get(name)
            if kind is None or name in misfits:
                continue
            whose = "as `columns` declares" if name in declared else f"as in {contract.before}"
            if misfit := _misfit(block, name, kind, whose):
                misfits[name] = misfit
                if name in declared and not contract.leaves_out:
                    raise misfit.error(rows.label)
    return found, misfits


def _kept_type(name: str, contract: Contract, spelling: Spelling) -> ColumnType | None:
    return None if name in contract.columns else type_of_arrow(contract.kept[name], spelling)


def _misfit(block: JsonBlock, name: str, kind: ColumnType, whose: str) -> _Misfit | None:
    wrong = kind.misfits(block.texts_of(name, kind.written_as))
    if not wrong.len():
        return None
    row = int(wrong[0])
    return _Misfit(block.lines[row], name, str(block.texts_of(name)[row]), kind, whose)


def _type(
    name: str,
    found: Mapping[str, FoundJson],
    misfits: Mapping[str, _Misfit],
    contract: Contract,
    label: str,
    spelling: Spelling,
) -> JsonType:
    if name in contract.columns:
        return contract.declared_types(spelling)[name]
    if name not in contract.kept or (before := _kept_type(name, contract, spelling)) is None:
        return found[name].followed(contract, label, name)
    if name not in misfits:
        return before
    now = found[name].type
    wider = widened(before, now) if isinstance(now, ColumnType) else None
    if wider and contract.on_schema_change == "widen":
        return wider
    if contract.leaves_out:
        return before
    raise misfits[name].error(label)
