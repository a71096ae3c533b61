"""The rows of a JSON text, value by value: they stand in an array, one after another, or in a list inside an object."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NoReturn

from artifact_pipelines.datasets.exceptions import MalformedRowError, WrappedRowsError
from artifact_pipelines.datasets.reading.json_array import TextBuffer

_WHOLE = "Export the file again"

Value = tuple[int, Any, str]
"""Number of the line where a value begins, the value, and its text."""


class JsonValues:
    """The values of a text.

    Args:
        most_characters: The longest value.
        known: Names of columns; an object with one of them is a row.
    """

    def __init__(
        self, text: TextBuffer, decoder: json.JSONDecoder, label: str, most_characters: int, known: Collection[str] = ()
    ) -> None:
        self._text, self._decoder, self._label, self._most = text, decoder, label, most_characters
        self._known = known

    def rows(self, rows_at: str | None, is_inside: bool = False) -> Iterator[Value]:
        """Yield the rows to the end of the text.

        Args:
            rows_at: Keys that lead to their list, joined by points; empty: they are in no object.
            is_inside: True if the start of their array has been read already.

        Raises:
            MalformedRowError: The text is no JSON, or there is no such list.
            WrappedRowsError: The text is one object that seems to hold the rows, and `rows_at` is None.
        """
        if is_inside or (not rows_at and self._text.peek() == "["):
            yield from self._items(is_inside)
        elif rows_at:
            yield from self._below(rows_at, rows_at)
        else:
            yield from self._one_after_another(may_wrap=rows_at is None)
        if self._text.peek():
            self._refuse(f"there is more after the end of the {'object' if rows_at else 'array'}", _WHOLE)

    def _one_after_another(self, may_wrap: bool) -> Iterator[Value]:
        if self._text.peek():
            first = self._next()
            if may_wrap and not self._text.peek() and isinstance(first[1], dict):
                self._check_no_wrapper(first[1])
            yield first
        while self._text.peek():
            yield self._next()

    def _check_no_wrapper(self, value: Mapping[str, Any]) -> None:
        try:
            lists = sorted(_lists(value), key=lambda found: -found[1])
            may_wrap = bool(lists) or _is_by_column(value)
        except RecursionError:
            return  # a row of so many levels is refused anyway
        if may_wrap and not set(self._known) & value.keys():
            raise WrappedRowsError(self._label, [place for place, _ in lists])

    def _items(self, is_inside: bool = False) -> Iterator[Value]:
        if not is_inside:
            self._text.skip(1)
        while self._text.peek() not in ("]", ""):
            yield self._next()
            self._after_item("]", "value", "array")
        self._take("]", "the end of the array is missing")

    def _below(self, keys: str, rows_at: str) -> Iterator[Value]:
        """Yield the rows of an object, whose remaining keys lead to them."""
        self._take("{", f"format.rows_at leads to {rows_at!r}, and this is no object", _ROWS_AT)
        names: list[str] = []
        found = 0
        while self._text.peek() not in ("}", ""):
            names.append(name := self._key())
            opening = self._text.peek()
            if name == keys:
                found += 1
                if opening != "[":
                    self._refuse(f"{rows_at!r} is no list, as format.rows_at declares", _ROWS_AT)
                yield from self._items()
            elif keys.startswith(f"{name}.") and opening == "{":
                found += 1
                yield from self._below(keys.removeprefix(f"{name}."), rows_at)
            else:
                self._next()
            self._after_item("}", "key", "object")
        self._take("}", "the end of the object is missing")
        if found != 1:
            count = "several keys lead" if found else "no key leads"
            self._refuse(f"{count} to {rows_at!r}, as format.rows_at declares; found {', '.join(names):.200}", _ROWS_AT)

    def _key(self) -> str:
        name = self._next()[1]
        if type(name) is not str or self._text.peek() != ":":  # a number is another class
            self._refuse("a key of an object, or the colon after it, is missing", _WHOLE)
        self._text.skip(1)
        return name

    def _after_item(self, closing: str, item: str, kind: str) -> None:
        if self._text.peek() == ",":
            self._text.skip(1)
            if self._text.peek() in (closing, ""):
                self._refuse(f"no {item} follows the last comma", _WHOLE)
        elif self._text.peek() != closing:
            self._refuse(f"a comma or the end of the {kind} is missing", _WHOLE)

    def _take(self, character: str, problem: str, remedy: str = _WHOLE) -> None:
        if self._text.peek() != character:
            self._refuse(problem, remedy)
        self._text.skip(1)

    def _next(self) -> Value:
        text = self._text
        text.peek()
        line = text.line
        while True:
            try:
                value, end = self._decoder.raw_decode(text.text, text.place)
                size = end - text.place
                if end + _LOOKAHEAD <= len(text.text) or not text.fill():
                    return line, value, text.skip(size)
            except json.JSONDecodeError as error:
                if len(text.text) - text.place > self._most:
                    problem = f"no value ends within {self._most / 2**20:g} MiB (`limits.row_bytes`)"
                    raise MalformedRowError(self._label, line, problem, _LONG) from error
                rest = text.text[error.pos :][:40]
                if not text.fill():
                    self._refuse(f"no JSON: {rest!r}", "Fix the row", error)
            except (ValueError, RecursionError) as error:
                self._refuse(str(error), "Fix the row", error)

    def _refuse(self, problem: str, remedy: str, cause: Exception | None = None) -> NoReturn:
        raise MalformedRowError(self._label, self._text.line, problem, remedy) from cause


def _lists(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, int]]:
    """Yield the keys that lead to lists with objects, and how long these are."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _lists(inner, f"{above}{name}.")
        elif isinstance(inner, list) and any(isinstance(item, dict) for item in inner):
            yield f"{above}{name}", len(inner)


def _is_by_column(value: Mapping[str, Any]) -> bool:
    """True if an object seems to hold columns as lists, itself or inside, or an object for each column or row."""
    values = list(value.values())
    keys = values[0].keys() if values and isinstance(values[0], dict) else ()
    if len(keys) > 1 and all(isinstance(each, dict) and each.keys() == keys for each in values):
        return len(values) > 1 or [*keys] == [str(row) for row in range(len(keys))]
    return _has_lists_alike(value)


def _has_lists_alike(value: Mapping[str, Any]) -> bool:
    """True if all values of an object, or of one inside, are lists of as many items."""
    values = value.values()
    lengths = {len(each) if isinstance(each, list) else 0 for each in values}
    is_alike = len(value) > 1 and len(lengths) == 1 and max(lengths) > 1
    return is_alike or any(_has_lists_alike(each) for each in values if isinstance(each, dict))


_LOOKAHEAD = 3  # characters that show whether a number goes on: `e+5`
_ROWS_AT = "Fix the file, or correct format.rows_at in the dataset's YAML file"
_LONG = "Export the file again; or if the rows are in a list inside of it: `format: {type: json, rows_at: KEY}`"
