"""Metadata of a materialization in the Dagster UI: Dagster's own keys where they exist, ours under `artifact/`."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from artifact_pipelines.core.types import LoadedInput, Materialization, Publication

_CELL_CHARACTERS = 80
MOST_COLUMNS = 100
"""Columns shown of a table; thousands would choke the UI and Dagster's event log."""
_NAME_CHARACTERS = 200
_INPUTS_SHOWN = 20
_LEVELS_SHOWN = 10  # Dagster walks metadata with several calls a level


def materialization_metadata(
    recorded: Materialization, uri: str, facts: Mapping[str, Any], is_duplicate: bool
) -> dict[str, dg.MetadataValue[Any]]:
    """Return the metadata of a materialization from its catalog record and its handler's facts."""
    file = recorded.file
    metadata: dict[str, dg.MetadataValue[Any]] = {
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
    return metadata


def inputs_metadata(inputs: Sequence[LoadedInput]) -> dict[str, dg.MetadataValue[Any]]:
    """Return the inputs of a materialization: a table of the first ones, and the number of the others."""
    once = list(dict.fromkeys(inputs))
    if not once:
        return {}
    rows = [
        {"asset": i.asset, "partition": i.partition, "version": i.version, "file ID": i.file_id}
        for i in once[:_INPUTS_SHOWN]
    ]
    metadata = {"artifact/inputs": table_metadata(rows, cell_characters=_NAME_CHARACTERS)}
    if len(once) > _INPUTS_SHOWN:
        metadata["artifact/more_inputs"] = dg.MetadataValue.int(len(once) - _INPUTS_SHOWN)
    return metadata


def publication_metadata(recorded: Materialization) -> Mapping[str, dg.MetadataValue[Any]]:
    """Return why a materialization is not current yet; nothing where it is."""
    if recorded.publication == Publication.PUBLISHED:
        return {}
    return {"artifact/publication": dg.MetadataValue.text(str(recorded.publication_text))}


def table_metadata(rows: Sequence[Mapping[str, Any]], cell_characters: int = _CELL_CHARACTERS) -> dg.MetadataValue[Any]:
    """Return rows as a table in the UI; values that it cannot show become text, cut after `cell_characters`."""
    records = [dg.TableRecord({name: _cell(value, cell_characters) for name, value in row.items()}) for row in rows]
    if not records:
        return dg.MetadataValue.text("none")
    columns = [dg.TableColumn(name, _kind([row.data[name] for row in records])) for name in records[0].data]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))


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
    return dg.MetadataValue.table_schema(
        dg.TableSchema(
            [
                dg.TableColumn(c.name, str(c.type), constraints=dg.TableColumnConstraints(nullable=c.nullable))
                for c in columns
            ]
        )
    )


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
    if isinstance(value, float) and value != value:  # NaN is no JSON
        return "NaN"
    if value is None or isinstance(value, bool | int | float):
        return value if not isinstance(value, float) or abs(value) != float("inf") else str(value)
    return str(value)[:characters]


def _kind(cells: Sequence[object]) -> str:
    kinds = {type(cell) for cell in cells if cell is not None}
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float")):
        if kinds == {kind}:
            return name
    return "string"
