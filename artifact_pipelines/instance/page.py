"""How metadata stand on an asset's page in the Dagster UI: in which order, and as tables that fit.

The UI shows metadata in the order in which they are reported. A column of a table is as wide as its longest word, and a
word that is too long makes the whole page wider than the screen, so that everything on it is cut on the right.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

Metadata = dict[str, dg.MetadataValue[Any]]

WITHDRAWN = "artifact/withdrawn"
"""Key in the metadata of a write whose content a rollback has withdrawn: what became of it."""

FIRST = (
    WITHDRAWN,
    "artifact/publication",
    "artifact/rolled_back_to",
    "dagster/row_count",
    "dagster/partition_row_count",
    "artifact/dropped_file",
    "artifact/dropped_at",
    "artifact/changes",
    "artifact/summary",
    "artifact/rows",
    "artifact/bad_rows",
    "artifact/preview_rows",
    "artifact/preview",
)
"""Keys that a page begins with, in this order: what people look for."""
LAST = (
    "artifact/design",
    "artifact/columns",
    "artifact/columns_shown",
    "artifact/members",
    "artifact/more_members",
    "artifact/inputs",
    "artifact/more_inputs",
    "artifact/answered_from",
    "artifact/continued_from",
    "artifact/version",
    "artifact/file_name",
    "artifact/get",
    "artifact/link",
    "dagster/size_bytes",
    "artifact/bytes_added",
    "artifact/duplicate",
    "artifact/file_type",
    "artifact/file_id",
    "artifact/file_ids",
    "artifact/content_hash",
    "dagster/uri",
    "dagster/column_schema",
    "artifact/first_bad_rows",  # known once the table is stored, and then added behind all others
)
"""Keys that a page ends with, in this order: files, numbers and hashes. All others stand between."""

HISTORY = "history/"
"""Keys that begin so are charts over versions, and follow the first ones."""

INLINE_CHARACTERS = 999
"""The UI shows so much Markdown at once; more only after a click."""
WIDTH_CHARACTERS = 46
"""Characters of a row that fit beside the keys, on a screen of 1,500 pixels."""
MOST_COLUMNS = 100
"""Columns shown of a table; thousands would choke the UI and Dagster's event log."""
_CELL_CHARACTERS = 80
_WORD_CHARACTERS = 12
_KEY_CHARACTERS = 26
_BORDER_CHARACTERS = 2
_ROWS_ACROSS = 4
_ROW = "row "


def in_page_order(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata in the order in which a page shows them."""
    others = [key for key in metadata if key not in FIRST and key not in LAST]
    between = sorted(others, key=lambda key: not key.startswith(HISTORY))
    return {key: metadata[key] for key in (*FIRST, *between, *LAST) if key in metadata}


def fits_inline(markdown: str) -> bool:
    """True if the UI shows a text without a click, and its tables fit the page."""
    rows = [line.split("|")[1:-1] for line in markdown.split("\n") if line.startswith("|")]
    width = sum(map(_width, zip(*rows, strict=False)))  # a value may have a | of its own
    return len(markdown) <= INLINE_CHARACTERS and width <= WIDTH_CHARACTERS


def inline_markdown(text: str) -> dg.MetadataValue[Any]:
    """Return the first lines of a text in Markdown that the UI shows without a click."""
    lines = text.split("\n")
    while len(lines) > 1 and len("\n".join(lines)) > INLINE_CHARACTERS:
        lines = [*lines[:-2], "…"]
    return dg.MetadataValue.md("\n".join(lines)[:INLINE_CHARACTERS])


def table_metadata(rows: Sequence[Mapping[str, Any]], cell_characters: int = _CELL_CHARACTERS) -> dg.MetadataValue[Any]:
    """Return rows as a table in the UI; values that it cannot show become text, cut after `cell_characters`."""
    if not rows:
        return dg.MetadataValue.text("none")
    cells = [{name: _cell(value, cell_characters) for name, value in row.items()} for row in rows]
    columns = [dg.TableColumn(name, _kind([row[name] for row in cells])) for name in cells[0]]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in cells], schema=dg.TableSchema(columns))


def fitting_table(rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue[Any]:
    """Return the first rows of a table as they fit the page: if they are too wide, each column of theirs as a row."""
    kept = [dict(itertools.islice(row.items(), MOST_COLUMNS)) for row in rows]
    if not kept or sum(map(_width, _columns(kept))) <= WIDTH_CHARACTERS:
        return table_metadata(kept)
    across = [_turned(kept[:count]) for count in range(1, _ROWS_ACROSS + 1)]
    fitting = [turned for turned in across if sum(map(_width, _columns(turned))) <= WIDTH_CHARACTERS]
    return table_metadata((fitting or across)[-1 if fitting else 0])


def rows_shown(table: dg.TableMetadataValue) -> int:
    """Return how many rows a `fitting_table` shows."""
    across = sum(each.name.startswith(_ROW) for each in table.schema.columns)
    return across if table.schema.columns[0].name == "column" and across else len(table.records)


def digits_that_wrap(digest: str) -> str:
    """Return a digest in two halves, for a word of 64 digits is wider than the page."""
    return f"{digest[:32]} {digest[32:]}"


def key_that_wraps(asset: str) -> str:
    """Return an asset key; a long one has a space before its last part, where a line of the page can break."""
    return asset if len(asset) <= _KEY_CHARACTERS else "/ ".join(asset.rsplit("/", 1))


def _turned(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"column": name, **{f"{_ROW}{number + 1}": _short(row[name]) for number, row in enumerate(rows)}}
        for name in rows[0]
    ]


def _short(value: Any) -> Any:
    """Return a text with its long words cut, where a line of the page cannot break."""
    if not isinstance(value, str):
        return value
    value = value.removesuffix("+00:00")  # all moments are shown in UTC
    words = [each if len(each) <= _WORD_CHARACTERS else f"{each[: _WORD_CHARACTERS - 1]}…" for each in value.split(" ")]
    return " ".join(words)


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    return [[name, *(str(row[name]) for row in rows)] for name in rows[0]]


def _width(cells: Sequence[str]) -> int:
    return max(len(word) for cell in cells for word in cell[:_CELL_CHARACTERS].split(" ")) + _BORDER_CHARACTERS


def _cell(value: object, characters: int) -> str | int | float | bool | None:
    if isinstance(value, float) and not math.isfinite(value):  # no JSON
        return "NaN" if math.isnan(value) else str(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)[:characters]


def _kind(cells: Sequence[object]) -> str:
    kinds = {type(cell) for cell in cells if cell is not None}
    return kinds.pop().__name__ if kinds in ({bool}, {int}, {float}) else "string"
