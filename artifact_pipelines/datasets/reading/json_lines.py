"""Lines of JSON that all have the same keys in the same order, column by column: polars reads them, and each is proved.

The one idea: a line is printed again from the values that polars has read. If the text is that of the line, byte for
byte, then nothing was rounded, dropped or changed; every other line is odd, and is read by Python.
"""

import dataclasses
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from artifact_pipelines.datasets.reading.json_types import Number, spelled_texts
from artifact_pipelines.datasets.reading.spelling import Spelling

_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"
_CONTROLS = bytes(byte for byte in range(32) if byte != 10)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SPACE = re.compile(r"\s*")
_LINE = "\0line"
_FIRST_LINES = 20
_MOST_KEYS = 200


@dataclasses.dataclass(frozen=True, slots=True)
class LineBlock:
    """Rows whose values are at hand as columns.

    Attributes:
        lines: Their texts.
        kinds: The type of the values of each column: `str`, `Number` or `bool`.
        texts: Their values as texts, by name; null also for odd rows.
        odd: Places of the rows that are not like this.
    """

    lines: pl.Series
    kinds: Mapping[str, type]
    texts: Mapping[str, pl.Series]
    odd: Sequence[int]

    def with_odd(self, name: str, odd: pl.Series, spelling: Spelling) -> pl.Series:
        """Return the texts of a column together with those of the odd rows; numbers as a spelling writes them."""
        texts = self.texts.get(name)
        if texts is None:
            texts = pl.repeat(None, self.lines.len(), dtype=pl.String, eager=True)
        elif not spelling.is_plain:
            texts = spelled_texts(texts, self.kinds[name], spelling)
        if not self.odd:
            return texts
        places = np.arange(texts.len())
        places[self.odd] = texts.len() + np.arange(len(self.odd))
        return pl.concat([texts, odd.rename(texts.name)]).gather(places)

    def values_with_odd(self, odd: Sequence[Any]) -> Sequence[Any]:
        """Return the values of a column that only odd rows have."""
        values: list[Any] = [None] * self.lines.len()
        for place, value in zip(self.odd, odd, strict=True):
            values[place] = value
        return values


@dataclasses.dataclass(frozen=True, slots=True)
class _Key:
    """A key as the first line has it.

    Attributes:
        before: Text between the value before and this one.
        kind: Type of the value.
        has_point: True if whole numbers are written as `1.0`.
    """

    name: str
    before: str
    kind: type
    has_point: bool = False


def read_lines(data: bytes) -> LineBlock | None:
    """Return whole lines of JSON as columns; None if they are of another kind, or too many of them are odd."""
    if len(data.translate(None, _CONTROLS)) < len(data) or not (keys := _layout(data)):
        return None
    try:
        lines = pl.read_csv(
            io.BytesIO(data), has_header=False, separator="\x01", quote_char=None, schema={_LINE: pl.String}
        ).to_series()
        read = pl.read_ndjson(io.BytesIO(data), schema=dict.fromkeys([key.name for key in keys[0]], pl.String))
    except pl.exceptions.PolarsError:
        return None
    if lines.len() != read.height or lines.len() != data.count(b"\n") + (not data.endswith(b"\n")):
        return None
    shown = read.select(_shown(key) for key in keys[0])
    is_same = _printed(shown, *keys, has_escapes=b"\\" in data) == lines
    for key in keys[0]:
        if key.kind is not str:
            is_same &= _are_values(shown[key.name], key.kind)
    odd = (~is_same.fill_null(False)).arg_true()
    if odd.len() * 2 > lines.len():
        return None
    columns = {key.name: shown[key.name] for key in keys[0]}
    if odd.len():
        columns = {name: column.zip_with(is_same, _NOTHING) for name, column in columns.items()}
    return LineBlock(lines, {key.name: key.kind for key in keys[0]}, columns, odd.to_list())


_NOTHING = pl.Series([None], dtype=pl.String)


def _layout(data: bytes) -> tuple[Sequence[_Key], str] | None:
    """Return the keys as the first line has them, and its end; None if a value is nested, or the line is no object."""
    rows = [line.decode(errors="replace") for line in data.split(b"\n", _FIRST_LINES)[:_FIRST_LINES]]
    found = _keys(rows[0])
    if found is None or not 0 < len(found[0]) <= _MOST_KEYS:
        return None
    keys, end = found
    if len({key.name for key in keys}) < len(keys) or any(
        "\ud800" <= letter <= "\udfff" for key in keys for letter in key.name
    ):
        return None
    alike = [other[0] for row in rows if (other := _keys(row)) and len(other[0]) == len(keys)]
    kinds = [
        next((row[place].kind for row in alike if row[place].kind is not type(None)), str) for place in range(len(keys))
    ]
    keys = [dataclasses.replace(key, kind=kind) for key, kind in zip(keys, kinds, strict=True)]
    pointed = {key.name for key in keys if key.kind is Number and any(_is_pointed(row, key) for row in rows)}
    return [dataclasses.replace(key, has_point=key.name in pointed) for key in keys], end


def _is_pointed(row: str, key: _Key) -> bool:
    return re.search(re.escape(key.before) + r"-?[0-9]+\.0\b", row) is not None


def _keys(line: str) -> tuple[Sequence[_Key], str] | None:
    decoder = json.JSONDecoder(parse_float=Number, parse_int=Number)
    keys: list[_Key] = []
    place = before = 0
    try:
        while line[place : place + 1] == ("," if keys else "{"):
            name, place = decoder.raw_decode(line, _SPACE.match(line, place + 1).end())  # type: ignore[union-attr]
            place = _SPACE.match(line, place).end()  # type: ignore[union-attr]
            start = _SPACE.match(line, place + 1).end()  # type: ignore[union-attr]
            value, end = decoder.raw_decode(line, start)
            if line[place] != ":" or type(name) is not str or type(value) in (dict, list):
                return None
            keys.append(_Key(name, line[before:start], type(value)))
            place = before = _SPACE.match(line, end).end()  # type: ignore[union-attr]
            before = end
    except (ValueError, IndexError, RecursionError):
        return None
    return (keys, line[before:]) if line[place:].rstrip() == "}" else None


def _shown(key: _Key) -> pl.Expr:
    column = pl.col(key.name)
    if not key.has_point:
        return column
    return pl.when(column.str.contains(r"[.eE]")).then(column).otherwise(column + ".0").alias(key.name)


def _printed(shown: pl.DataFrame, keys: Sequence[_Key], end: str, has_escapes: bool) -> pl.Series:
    """Return the lines that hold these values."""
    parts: list[pl.Expr] = []
    for key in keys:
        value = pl.col(key.name)
        if key.kind is str:
            value = value.str.replace_many(list(_ESCAPES), list(_ESCAPES.values())) if has_escapes else value
            value = pl.concat_str(pl.lit('"'), value, pl.lit('"'))
        parts += [pl.lit(key.before), value.fill_null("null")]
    return shown.select(pl.concat_str([*parts, pl.lit(end)]).alias(_LINE)).to_series()


def _are_values(texts: pl.Series, kind: type) -> pl.Series:
    """Return for each text whether it is a value of its kind, or null."""
    are_values = texts.str.contains(_NUMBER) if kind is Number else texts.is_in(["true", "false"])
    return are_values | texts.is_null()
