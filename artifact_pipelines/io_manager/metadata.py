"""Metadata of a materialization in the Dagster UI: Dagster's own keys where they exist, ours under `artifact/`."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from artifact_pipelines.core.types import LoadedInput, Materialization, Publication

Metadata = dict[str, dg.MetadataValue[Any]]

_CELL_CHARACTERS = 80
MOST_COLUMNS = 100
"""Columns shown of a table; thousands would choke the UI and Dagster's event log."""
_NAME_CHARACTERS = 200
_INPUTS_SHOWN = 20
_LEVELS_SHOWN = 10  # Dagster walks metadata with several calls a level


def materialization_metadata(
    recorded: Materialization, uri: str, facts: Mapping[str, Any], is_duplicate: bool
) -> Metadata:
    """Return the metadata of a materialization from its catalog record and its handler's facts."""
    file = recorded.file
    metadata: Metadata = {
        "artifact/file_id": dg.MetadataValue.int(file.file_id),
        "artifact/version": dg.MetadataValue.int(recorded.version),
        "artifact/content_hash": dg.MetadataValue.text(file.content_hash),
        "artifact/size_bytes": dg.MetadataValue.int(file.size_bytes),
        "artifact/bytes_added": dg.MetadataValue.int(recorded.bytes_added),
        "artifact/duplicate": dg.MetadataValue.bool(is_duplicate),
        "artifact/file_type": dg.MetadataValue.text(file.file_type),
        "dagster/uri": dg.MetadataValue.text(uri),
    }
    if "row_count" in facts:
        key = "dagster/row_count" if recorded.partition is None else "dagster/partition_row_count"
        metadata[key] = dg.MetadataValue.int(facts["row_count"])
    if "columns" in facts:
        columns = facts["columns"][:MOST_COLUMNS]
        metadata["dagster/column_schema"] = _column_schema(columns)
        metadata["artifact/columns"] = table_metadata([_column_row(column) for column in columns])
        if len(facts["columns"]) > MOST_COLUMNS:
            shown = f"{len(facts['columns']):,} columns, first {MOST_COLUMNS} shown"
            metadata["artifact/columns_shown"] = dg.MetadataValue.text(shown)
    if "preview" in facts:
        metadata["artifact/preview"] = _preview(facts["preview"])
    if recorded.publication != Publication.PUBLISHED:
        metadata["artifact/publication"] = dg.MetadataValue.text(str(recorded.publication_text))
    return metadata


def inputs_metadata(inputs: Sequence[LoadedInput]) -> Metadata:
    """Return the inputs of a materialization: a table of the first ones, and the number of the others."""
    once = list(dict.fromkeys(inputs))
    if not once:
        return {}
    rows = [
        {"asset": i.asset, "partition": i.partition, "version": i.version, "file ID": i.file_id}
        for i in once[:_INPUTS_SHOWN]
    ]
    metadata: Metadata = {"artifact/inputs": table_metadata(rows, cell_characters=_NAME_CHARACTERS)}
    if len(once) > _INPUTS_SHOWN:
        metadata["artifact/more_inputs"] = dg.MetadataValue.int(len(once) - _INPUTS_SHOWN)
    return metadata


def table_metadata(rows: Sequence[Mapping[str, Any]], cell_characters: int = _CELL_CHARACTERS) -> dg.MetadataValue[Any]:
    """Return rows as a table in the UI; values that it cannot show become text, cut after `cell_characters`."""
    if not rows:
        return dg.MetadataValue.text("none")
    cells = [{name: _cell(value, cell_characters) for name, value in row.items()} for row in rows]
    columns = [dg.TableColumn(name, _kind([row[name] for row in cells])) for name in cells[0]]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in cells], schema=dg.TableSchema(columns))


def _preview(found: Any) -> dg.MetadataValue[Any]:
    preview = _first_levels(found, _LEVELS_SHOWN)
    if isinstance(preview, str):
        return dg.MetadataValue.md(f"```\n{preview.replace('```', '~~~')}\n```")
    if isinstance(preview, list) and all(isinstance(row, Mapping) for row in preview):
        keys = {tuple(row) for row in preview}
        if len(keys) == 1 and next(iter(keys)):
            return table_metadata([dict(itertools.islice(row.items(), MOST_COLUMNS)) for row in preview])
    if isinstance(preview, dict | list):
        return dg.MetadataValue.json(preview)
    return dg.MetadataValue.text(str(preview))


def _first_levels(value: Any, levels: int) -> Any:
    """Return a value with everything below a number of levels cut off."""
    if not isinstance(value, dict | list):
        return value
    if not levels:
        return "…"
    if isinstance(value, dict):
        return {key: _first_levels(item, levels - 1) for key, item in value.items()}
    return [_first_levels(item, levels - 1) for item in value]


def _column_schema(columns: Sequence[Any]) -> dg.MetadataValue[Any]:
    limits = [dg.TableColumnConstraints(nullable=column.nullable) for column in columns]
    shown = [dg.TableColumn(c.name, str(c.type), constraints=limit) for c, limit in zip(columns, limits, strict=True)]
    return dg.MetadataValue.table_schema(dg.TableSchema(shown))


def _column_row(column: Any) -> dict[str, Any]:
    return {
        "column": column.name,
        "type": str(column.type),
        "nulls": column.null_count,
        "distinct at most": column.distinct_at_most,
        "minimum": _text(column.minimum),
        "maximum": _text(column.maximum),
    }


def _text(value: object) -> str | None:
    value = 0.0 if value == 0 and isinstance(value, float) else value  # Parquet's minimum of 0.0 is -0.0
    return None if value is None else str(value)[:_CELL_CHARACTERS]


def _cell(value: object, characters: int) -> str | int | float | bool | None:
    if isinstance(value, float) and not math.isfinite(value):  # no JSON
        return "NaN" if math.isnan(value) else str(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)[:characters]


def _kind(cells: Sequence[object]) -> str:
    kinds = {type(cell) for cell in cells if cell is not None}
    return kinds.pop().__name__ if kinds in ({bool}, {int}, {float}) else "string"
