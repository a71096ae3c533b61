"""Holds the rows of an open table to the rules of its contract, while they stream by.

A bad row refuses the file, or is left out and kept beside the table, as the contract says.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np
import pyarrow as pa

from artifact_pipelines.datasets.exceptions import (
    BrokenRuleError,
    RepeatedValuesError,
    SchemaMismatchError,
    TooManyBadRowsError,
)
from artifact_pipelines.datasets.interfaces import OpenTable, Written
from artifact_pipelines.datasets.other_rows import OtherRows
from artifact_pipelines.datasets.reading.bad_rows import BadRow, BadRows, values_as_json
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.repetitions import MOST_REPEATED, Hashes, Repetitions
from artifact_pipelines.datasets.reading.row_checks import Breach, Rule, find_breaches, rules_of

Opened = Callable[[], AbstractContextManager[OpenTable]]
_Values = tuple[object, ...]
_Shared = Callable[[Repetitions, pa.RecordBatch], Mapping[int, tuple[_Values, str]]]


@dataclasses.dataclass(frozen=True, slots=True)
class CheckedRows:
    """The checks of one file.

    Attributes:
        label: Name of the dropped file.
        opened: Opens the table anew.
        others: Rows of other files, whose unique values may not stand in this one.
    """

    label: str
    contract: Contract
    opened: Opened
    others: OtherRows = dataclasses.field(default_factory=OtherRows)

    def find_repeated(self) -> Mapping[str, Hashes]:
        """Return which values may stand twice, by the field that forbids it: so that later rows can be left out.

        Raises:
            RepeatedValuesError: There are too many to leave them out.
        """
        if not self.contract.has_unique:
            return {}
        with self.opened() as table:
            unique = self._unique(table)
            for batch in table.batches:
                for each in unique:
                    each.add(batch)
        hashes = {each.field: each.repeated() for each in unique}
        for each in unique:
            if len(hashes[each.field]) > MOST_REPEATED:
                self._refuse_repeated(each, hashes[each.field])
        return hashes

    def all_good(self, table: OpenTable) -> pa.RecordBatchReader:
        """Return the rows of a table. Taking them raises if one is bad."""
        rules, unique = rules_of(self.contract, table.batches.schema), self._unique(table)

        def batches() -> Iterator[pa.RecordBatch]:
            rows = 0
            for start, batch in _counted(table):
                if breaches := find_breaches(batch, rules):
                    raise self._broken(table, start, breaches[0])
                for each in unique:
                    self._refuse_shared(table, start, each, batch)
                    each.add(batch)
                rows += batch.num_rows
                yield batch
            _check_any(rows, self.contract, self.label)
            for each in unique:
                if len(hashes := each.repeated()):
                    self._refuse_repeated(each, hashes)

        return pa.RecordBatchReader.from_batches(table.batches.schema, batches())

    def only_good(self, table: OpenTable, bad: BadRows, repeated: Mapping[str, Hashes]) -> pa.RecordBatchReader:
        """Return the good rows of a table. The others are added to the bad ones; too many raise at the end."""
        rules = rules_of(self.contract, table.batches.schema)
        later = _Later(self._unique(table), repeated, self._shared)

        def batches() -> Iterator[pa.RecordBatch]:
            good = 0
            for start, batch in _counted(table):
                kept = self._without_bad(table, batch, start, rules, later, bad)
                good += kept.num_rows
                yield kept
            _check_any(good + bad.count, self.contract, self.label)
            if bad.count > self.contract.max_bad_rows * (good + bad.count):
                first = bad.first[0].shown("row" if table.written is None else "line")
                raise TooManyBadRowsError(
                    self.label, bad.count, good + bad.count, f"{self.contract.max_bad_rows:g}", first
                )

        return pa.RecordBatchReader.from_batches(table.batches.schema, batches())

    def _shared(self, unique: Repetitions, batch: pa.RecordBatch) -> Mapping[int, tuple[_Values, str]]:
        """Return the rows whose values stand in another file; see `OtherRows`."""
        is_of_file = unique.field == "key" and self.contract.key_of_file
        return {} if is_of_file else self.others.shared(unique, batch)

    def _unique(self, table: OpenTable) -> Sequence[Repetitions]:
        schema = table.batches.schema
        return [
            Repetitions(names, field, schema) for field, names in self.contract.unique_columns(schema.names).items()
        ]

    def _without_bad(
        self, table: OpenTable, batch: pa.RecordBatch, start: int, rules: Sequence[Rule], later: "_Later", bad: BadRows
    ) -> pa.RecordBatch:
        faults = {each.row: (each.rule.column, each.value, each.rule.fault) for each in find_breaches(batch, rules)}
        said = _Said(table)
        faults = {at: (name, said.value(at, name, value), fault) for at, (name, value, fault) in faults.items()}
        later.find(batch, said, faults, lambda places: _written(table, start, places))
        if not faults:
            return batch
        places = sorted(faults)
        written = zip(places, _written(table, start, places), strict=True)
        bad.add(BadRow(line, *faults[at], text or values_as_json(batch, at)) for at, (line, text) in written)
        return batch.filter(pa.array(~np.isin(np.arange(batch.num_rows), places)))

    def _broken(self, table: OpenTable, start: int, breach: Breach) -> BrokenRuleError:
        [(line, text)] = _written(table, start, [breach.row])
        rule = breach.rule
        value = _Said(table).value(breach.row, rule.column, breach.value)
        return BrokenRuleError(self.label, line, rule.column, value, rule.fault, rule.field, _place(text))

    def _refuse_shared(self, table: OpenTable, start: int, unique: Repetitions, batch: pa.RecordBatch) -> None:
        """Raise the error about the first row whose values stand in another file, if there is one."""
        if shared := self._shared(unique, batch):
            values, name = shared[row := min(shared)]
            [(line, text)] = _written(table, start, [row])
            shown = _Said(table).values(row, unique.columns, values)
            raise RepeatedValuesError(self.label, line, 0, unique.columns, shown, unique.field, _place(text), name)

    def _refuse_repeated(self, repetitions: Repetitions, hashes: Hashes) -> None:
        """Raise the error about two rows with the same values, if not only their hashes are the same."""
        seen: dict[_Values, int] = {}
        with self.opened() as table:  # once more, to see the values themselves
            for start, batch in _counted(table):
                found = list(repetitions.candidates(batch, hashes[:MOST_REPEATED]))
                places = _written(table, start, [place for place, _ in found])
                for (place, values), (line, text) in zip(found, places, strict=True):
                    if (earlier := seen.setdefault(values, line)) != line:
                        names = repetitions.columns
                        shown = _Said(table).values(place, names, values)
                        raise RepeatedValuesError(
                            self.label, line, earlier, names, shown, repetitions.field, _place(text)
                        )


def check_any_rows(reader: pa.RecordBatchReader, contract: Contract, label: str) -> pa.RecordBatchReader:
    """Return the same batches. Taking them refuses a file without rows that would take the place of a table."""

    def batches() -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in reader:
            rows += batch.num_rows
            yield batch
        _check_any(rows, contract, label)

    return pa.RecordBatchReader.from_batches(reader.schema, batches())


def _check_any(rows: int, contract: Contract, label: str) -> None:
    before = contract.before
    if not rows and before and not contract.allows_empty and contract.on_schema_change != "accept":
        problem = f"it has columns and no rows, and {before} is a whole table"
        remedy = "Drop the whole file, or set `allow_empty: true` in the dataset's YAML file"
        raise SchemaMismatchError(label, problem, remedy)


class _Later:
    """Finds rows whose values stand in an earlier good row, or in another file.

    Args:
        unique: Sets of columns.
        hashes: Of the values that may stand twice in the file.
        shared: Returns the rows of a batch whose values stand in another file.
    """

    def __init__(self, unique: Sequence[Repetitions], hashes: Mapping[str, Hashes], shared: _Shared) -> None:
        self._unique = [(each, hashes[each.field]) for each in unique]
        self._shared = shared
        self._seen: list[dict[_Values, str]] = [{} for _ in unique]

    def find(
        self,
        batch: pa.RecordBatch,
        said: "_Said",
        faults: dict[int, tuple[str, str | None, str]],
        written: Callable[[Sequence[int]], Sequence[Written]],
    ) -> None:
        """Add the rows of a batch that repeat values, and are not bad already, to the faults."""
        for each, _ in self._unique:
            for place, (shared, name) in self._shared(each, batch).items():
                faults.setdefault(place, _fault(each, said.values(place, each.columns, shared), name))
        found = [dict(each.candidates(batch, hashes)) if len(hashes) else {} for each, hashes in self._unique]
        places = sorted(set().union(*found) - faults.keys())
        for place, (line, text) in zip(places, written(places), strict=True):
            values = [each.get(place) for each in found]
            for (each, _), seen, mine in zip(self._unique, self._seen, values, strict=True):
                if mine is not None and mine in seen:
                    faults[place] = _fault(each, said.values(place, each.columns, mine), seen[mine])
                    break
            else:
                for seen, mine in zip(self._seen, values, strict=True):
                    if mine is not None:
                        seen[mine] = f"{_place(text)} {line}"


def _fault(unique: Repetitions, values: Sequence[str], where: str) -> tuple[str, str, str]:
    return ", ".join(unique.columns), ", ".join(values), f"stands in {where} already (`{unique.field}`)"


class _Said:
    """The values of a batch as its file writes them, for errors: `-5`, where the column has `-5.00`."""

    def __init__(self, table: OpenTable) -> None:
        self._table = table
        self._texts: dict[str, Sequence[str | None]] = {}

    def value(self, place: int, name: str, value: str | None) -> str | None:
        """Return the text of a value; the value itself, if the file has none."""
        if self._table.texts is None or value is None:
            return value
        if name not in self._texts:
            self._texts[name] = self._table.texts(name)
        return self._texts[name][place]

    def values(self, place: int, names: Sequence[str], values: _Values) -> Sequence[str]:
        """Do the same for values of several columns, none of which is null."""
        return [str(self.value(place, name, str(value))) for name, value in zip(names, values, strict=True)]


def _counted(table: OpenTable) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the batches, each with the number of rows before it."""
    start = 0
    for batch in table.batches:
        yield start, batch
        start += batch.num_rows


def _written(table: OpenTable, start: int, places: Sequence[int]) -> Sequence[Written]:
    if table.written is None:
        return [(start + place + 1, None) for place in places]
    return table.written(places)


def _place(text: str | None) -> str:
    return "row" if text is None else "line"
