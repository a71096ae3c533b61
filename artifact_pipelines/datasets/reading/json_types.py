"""Types of JSON values, found on all rows: the rules of texts for numbers and strings; structs and lists of them.

A column with values of several kinds is text: strings as they are, everything else as JSON. So is one that is nested
too deeply, has too many fields, or has an object without any.
"""

import dataclasses
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from artifact_pipelines.datasets.reading.column_types import TEXT, Boolean, ColumnType, Date
from artifact_pipelines.datasets.reading.contract import Contract, arrow_name
from artifact_pipelines.datasets.reading.found_types import (
    Found,
    FoundNumbers,
    FoundSimple,
    FoundText,
    FoundTimestamps,
)
from artifact_pipelines.datasets.reading.named_types import type_of_arrow
from artifact_pipelines.datasets.reading.nested_types import fields_of, items_of, joined_fields, other_type
from artifact_pipelines.datasets.reading.spelling import Spelling
from artifact_pipelines.datasets.reading.typed_rows import widened

MOST_LEVELS = 8
MOST_FIELDS = 500


class Number(str):
    """A number as it is written."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True, slots=True)
class StructType:
    """Objects with these fields."""

    fields: Mapping[str, "JsonType"]

    @property
    def arrow(self) -> pa.DataType:
        """The type of the values."""
        return pa.struct([(name, kind.arrow) for name, kind in self.fields.items()])


@dataclasses.dataclass(frozen=True, slots=True)
class ListType:
    """Arrays of such items."""

    items: "JsonType"

    @property
    def arrow(self) -> pa.DataType:
        """The type of the values."""
        return pa.list_(self.items.arrow)


JsonType = ColumnType | StructType | ListType


class FoundJson:
    """What the values of a column have been so far, by their kind.

    Args:
        before: Name of Arrow's type in the version before; None: there is none.
    """

    def __init__(self, spelling: Spelling, before: str | None = None, level: int = 1) -> None:
        self._spelling, self._level, self._before = spelling, level, before
        self._kept = _leaf_type(before, spelling) if before else None  # until a value does not fit
        self._scalars: dict[type, Found] = {}
        self._fields: dict[str, FoundJson] | None = None
        self._items: FoundJson | None = None

    def add(self, values: Sequence[Any]) -> None:
        """Take further values into account."""
        for kind in set(map(type, values)) - {type(None)}:
            same: list[Any] = [value for value in values if type(value) is kind]
            if kind is dict:
                self._add_objects(same)
            elif kind is list and self._level > MOST_LEVELS:
                self._items = self._items or self._child(None)
            elif kind is list:
                self._items = self._items or self._child(items_of(self._before or ""))
                self._items.add(list(itertools.chain.from_iterable(same)))
            else:
                self.add_texts(kind, pl.Series([as_text(value) for value in same], dtype=pl.String))

    def _add_objects(self, objects: Sequence[Mapping[str, Any]]) -> None:
        self._fields = self._fields if self._fields is not None else {}
        if self._level > MOST_LEVELS or len(self._fields) > MOST_FIELDS:
            return
        before = fields_of(self._before or "") or {}
        for name in dict.fromkeys(itertools.chain.from_iterable(objects)):
            found = self._fields.setdefault(name, self._child(before.get(name)))
            found.add([each.get(name) for each in objects])

    def _child(self, before: str | None) -> "FoundJson":
        return FoundJson(self._spelling, before, self._level + 1)

    def add_texts(self, kind: type, texts: pl.Series) -> None:
        """Take further numbers, strings or truth values into account, as texts without nulls."""
        if not texts.len():
            return
        if self._kept and self._kept.misfits(texts).len():
            self._kept = None
        known = self._scalars.get(kind)
        starts = [known] if known else _starts(kind, texts, self._spelling)
        self._scalars[kind] = next((joined for start in starts if (joined := start.joined(texts))), FoundText())

    @property
    def type(self) -> JsonType:
        """The narrowest type that holds all of them."""
        kinds: list[JsonType] = [found.type for found in self._scalars.values()]
        if self._fields is not None:
            kinds.append(self._struct(self._fields))
        if self._items is not None:
            kinds.append(TEXT if self._level > MOST_LEVELS else ListType(self._items.type))
        return kinds[0] if len(kinds) == 1 else TEXT

    def _struct(self, fields: Mapping[str, "FoundJson"]) -> JsonType:
        has_limits = 0 < len(fields) <= MOST_FIELDS and self._level <= MOST_LEVELS
        if not has_limits or any("\0" in name for name in fields) or len({*map(str.casefold, fields)}) < len(fields):
            return TEXT
        return StructType({name: found.type for name, found in fields.items()})

    def followed(self, contract: Contract, label: str, path: str) -> JsonType:
        """Return the type of the version before, as wide as the contract allows and these values need.

        Args:
            path: Column, or place in it.

        Raises:
            SchemaMismatchError: The contract does not allow the values.
        """
        now, before = self.type, self._before
        if before in (None, arrow_name(now.arrow)):  # names of types cannot be taken apart if those of fields hold ", "
            return now
        if isinstance(now, ListType) and self._items and items_of(before):
            return ListType(self._items.followed(contract, label, f"{path}[]"))
        if isinstance(now, StructType) and (fields := fields_of(before)):
            return self._followed_struct(fields, contract, label, path)
        is_nested = self._fields is not None or self._items is not None
        kept = self._kept if self._scalars or is_nested else _json_type(before, self._spelling)
        if kept and (kept == TEXT or not is_nested):
            return kept
        known = type_of_arrow(before)
        wider = widened(known, now) if known and isinstance(now, ColumnType) and not is_nested else None
        if wider is None or contract.on_schema_change != "widen":
            raise other_type(path, now.arrow, before, contract, label)
        return wider

    def _followed_struct(self, before: Mapping[str, str], contract: Contract, label: str, path: str) -> JsonType:
        found = self._fields or {}
        names = joined_fields(before, found, contract, label, path)
        return StructType(
            {
                name: (found.get(name) or self._child(before.get(name))).followed(contract, label, f"{path}.{name}")
                for name in names
            }
        )


def _leaf_type(name: str, spelling: Spelling) -> ColumnType | None:
    """Return the type of values in lists and structs, whose numbers and truth values are as JSON writes them."""
    return type_of_arrow(name, Spelling(spelling.date_format, spelling.timestamp_format))


def _json_type(name: str, spelling: Spelling) -> JsonType | None:
    if items := items_of(name):
        kind = _json_type(items, spelling)
        return None if kind is None else ListType(kind)
    kinds = {field: _json_type(each, spelling) for field, each in (fields_of(name) or {}).items()}
    fields = {field: kind for field, kind in kinds.items() if kind is not None}
    if fields and len(fields) == len(kinds):
        return StructType(fields)
    return _leaf_type(name, spelling)


def _starts(kind: type, texts: pl.Series, spelling: Spelling) -> Sequence[Found]:
    if kind is Number:
        return [FoundNumbers(Spelling())]
    if kind is bool:
        return [FoundSimple(Boolean())]
    return [FoundSimple(Date(spelling)), FoundTimestamps.starting(texts, spelling)]


def as_text(value: Any) -> str | None:
    """Return a value as text: a string as it is, everything else as JSON."""
    return None if value is None else str(value) if isinstance(value, str) else json_text(value)


def spelled_text(value: Any, spelling: Spelling) -> str | None:
    """Return a value as text: JSON's own numbers and truth values as a spelling writes them, so that it reads them."""
    text = as_text(value)
    if text is None or not isinstance(value, Number | bool):
        return text
    return spelled_texts(pl.Series([text]), type(value), spelling).item()  # type: ignore[no-any-return]


def spelled_texts(texts: pl.Series, kind: type, spelling: Spelling) -> pl.Series:
    """Do the same for texts of values of one kind."""
    if kind is Number and spelling.decimal_mark != ".":
        return texts.str.replace(".", spelling.decimal_mark, literal=True)
    if kind is bool:
        return texts.replace(["true", "false"], [spelling.true_values[0], spelling.false_values[0]])
    return texts


def json_text(value: Any) -> str:
    """Return a value as JSON, with its numbers as they were written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json_text(name)}: {json_text(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(json_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def to_array(values: Sequence[Any], kind: JsonType) -> pa.Array:
    """Return values as an Arrow array of a type that holds them."""
    if isinstance(kind, StructType):
        is_null = pa.array([value is None for value in values], pa.bool_())
        children = [
            to_array([None if v is None else v.get(name) for v in values], inner) for name, inner in kind.fields.items()
        ]
        return pa.StructArray.from_arrays(children, fields=list(kind.arrow), mask=is_null)
    if isinstance(kind, ListType):
        ends = itertools.accumulate((len(value or ()) for value in values), initial=0)
        items = to_array([item for value in values for item in value or ()], kind.items)
        mask = pa.array([value is None for value in values], pa.bool_())
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), items, type=kind.arrow, mask=mask)
    return kind.convert(pl.Series([as_text(value) for value in values], dtype=pl.String))
