"""Metadata of a materialization in the Dagster UI: Dagster's own keys where they exist, ours under `artifact/`."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from artifact_pipelines.core.types import CHANGES, FileInfo, LoadedInput, Materialization, Publication
from artifact_pipelines.handlers.containers import Container
from artifact_pipelines.handlers.registry import FILE_NAME

Metadata = dict[str, dg.MetadataValue[Any]]

_CELL_CHARACTERS = 80
_LINE_CHARACTERS = 100
PAGE = "page"
"""Key in what an output notes about its source: Markdown that the asset's page shows in place of a preview."""
MOST_COLUMNS = 100
"""Columns shown of a table; thousands would choke the UI and Dagster's event log."""
_NAME_CHARACTERS = 200
_CHANGE_CHARACTERS = 1000
_INPUTS_SHOWN = 20
_MEMBERS_SHOWN = 100
_MEMBERS_PREVIEWED = 5
_WORD = 1 << 63  # the event log has no larger numbers
_LEVELS_SHOWN = 10  # Dagster walks metadata with several calls a level


def materialization_metadata(
    recorded: Materialization, uri: str, facts: Mapping[str, Any], is_duplicate: bool
) -> Metadata:
    """Return the metadata of a materialization from its catalog record and its handler's facts.

    Args:
        recorded: The record.
        uri: Where its first file lies.
        facts: The facts of its file; of a container, those of each member by name, under `members`.
        is_duplicate: True if its content was stored before.
    """
    sizes = {file.file_id: file.size_bytes for file in recorded.files}
    metadata: Metadata = {
        **identity_metadata(recorded),
        "artifact/version": numeral(recorded.version),
        "artifact/size_bytes": dg.MetadataValue.int(sum(sizes.values())),
        "artifact/bytes_added": dg.MetadataValue.int(recorded.bytes_added),
        "artifact/duplicate": dg.MetadataValue.bool(is_duplicate),
    }
    container = Container.of(recorded.metadata)
    if container is None:
        if file_name := recorded.metadata.get(FILE_NAME):
            metadata["artifact/file_name"] = dg.MetadataValue.text(file_name)
        metadata["artifact/content_hash"] = dg.MetadataValue.text(recorded.file.content_hash)
        metadata["dagster/uri"] = dg.MetadataValue.text(uri)
        shown = _file_metadata(facts, is_partition=recorded.partition is not None)
        metadata |= _with_meanings(shown, facts) if PAGE in recorded.source else shown
    elif "members" in facts:
        metadata |= _members_metadata(container, recorded.files, facts["members"])
    if changes := recorded.metadata.get(CHANGES):
        rows = [{"what": heading, "change": text} for heading, text in changes.items()]
        metadata["artifact/changes"] = table_metadata(rows, cell_characters=_CHANGE_CHARACTERS)
    if recorded.publication != Publication.PUBLISHED:
        metadata["artifact/publication"] = dg.MetadataValue.text(str(recorded.publication_text))
    return metadata


def numeral(number: int) -> dg.MetadataValue[Any]:
    """Return a number that names or numbers something, as text: Dagster plots each number over time."""
    return dg.MetadataValue.text(str(number))


def identity_metadata(made: Materialization) -> Metadata:
    """Return the metadata by which a report of a materialization is recognized: its files and their type."""
    container = Container.of(made.metadata)
    if container is None:
        key, file_ids = "artifact/file_id", numeral(made.file.file_id)
        return {key: file_ids, "artifact/file_type": dg.MetadataValue.text(made.file.file_type)}
    listed = dg.MetadataValue.text(", ".join(str(file.file_id) for file in made.files))
    return {"artifact/file_ids": listed, "artifact/file_type": dg.MetadataValue.text(container.kind)}


def _file_metadata(facts: Mapping[str, Any], is_partition: bool) -> Metadata:
    metadata: Metadata = {}
    if "row_count" in facts:
        key = "dagster/partition_row_count" if is_partition else "dagster/row_count"
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


def _with_meanings(metadata: Metadata, facts: Mapping[str, Any]) -> Metadata:
    """Return the metadata of a table that has a page of its own: with the meaning of each column below the page.

    A schema would stand above it, and a preview would repeat it.
    """
    rows = [
        {"column": each.name, "type": str(each.type), "meaning": each.description} for each in facts.get("columns", ())
    ]
    left_out = ("dagster/column_schema", "artifact/columns", "artifact/preview")
    kept = {name: value for name, value in metadata.items() if name not in left_out}
    return {**kept, "artifact/columns": table_metadata(rows[:MOST_COLUMNS], cell_characters=_CHANGE_CHARACTERS)}


def _members_metadata(container: Container, files: Sequence[FileInfo], facts: Mapping[str, Any]) -> Metadata:
    """Return a table of the members of a container, and previews of the first ones."""
    rows = [
        {
            "member": name,
            "file ID": file.file_id,
            "type": file.file_type,
            "rows": facts[name].get("row_count"),
            "bytes": file.size_bytes,
        }
        for name, file in zip(container.names, files, strict=True)
    ]
    metadata: Metadata = {"artifact/members": table_metadata(rows[:_MEMBERS_SHOWN], _NAME_CHARACTERS)}
    if len(rows) > _MEMBERS_SHOWN:
        metadata["artifact/more_members"] = numeral(len(rows) - _MEMBERS_SHOWN)
    for name in container.names[:_MEMBERS_PREVIEWED]:
        if "preview" in facts[name]:
            metadata[f"artifact/preview/{name[:_NAME_CHARACTERS]}"] = _preview(facts[name]["preview"])
    return metadata


def inputs_metadata(inputs: Sequence[LoadedInput]) -> Metadata:
    """Return the inputs of a materialization: a table of the first ones, and the number of the others."""
    once = list(dict.fromkeys(inputs))
    if not once:
        return {}
    rows = [
        {"asset": i.asset, "partition": i.partition, "version": i.version, "file ID": i.file_id, "files": i.file_count}
        for i in once[:_INPUTS_SHOWN]
    ]
    metadata: Metadata = {"artifact/inputs": table_metadata(rows, cell_characters=_NAME_CHARACTERS)}
    if len(once) > _INPUTS_SHOWN:
        metadata["artifact/more_inputs"] = numeral(len(once) - _INPUTS_SHOWN)
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
        return dg.MetadataValue.md(_code_block(preview))
    if isinstance(preview, list) and all(isinstance(row, Mapping) for row in preview):
        keys = {tuple(row) for row in preview}
        if len(keys) == 1 and next(iter(keys)):
            return table_metadata([dict(itertools.islice(row.items(), MOST_COLUMNS)) for row in preview])
    if isinstance(preview, dict | list):
        lines = _json_lines(preview)
        is_one = "\n" not in lines
        return dg.MetadataValue.text(lines) if is_one else dg.MetadataValue.md(_code_block(lines))
    if isinstance(preview, bool):
        return dg.MetadataValue.bool(preview)
    if isinstance(preview, float):
        return dg.MetadataValue.float(preview)
    if isinstance(preview, int) and -_WORD <= preview < _WORD:
        return dg.MetadataValue.int(preview)  # Dagster plots numbers
    return dg.MetadataValue.text(str(preview))


def _code_block(text: str) -> str:
    return f"```\n{text.replace('```', '~~~')}\n```"


def _json_lines(value: Any, indent: str = "") -> str:
    """Return JSON in which a line holds a whole dict or list, or as many short elements of one as fit."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= _LINE_CHARACTERS or not isinstance(value, dict | list) or not value:
        return line
    inner = f"{indent}  "
    lines: list[str] = []
    for name, item in value.items() if isinstance(value, dict) else ((None, item) for item in value):
        label = "" if name is None else f"{json.dumps(name, ensure_ascii=False)}: "
        element = label + _json_lines(item, inner)
        if lines and len(lines[-1]) + len(element) + 2 <= _LINE_CHARACTERS and "\n" not in lines[-1] + element:
            lines[-1] += f", {element}"
        else:
            lines.append(inner + element)
    first, last = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([first, ",\n".join(lines), indent + last])


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
    described = zip(columns, limits, strict=True)
    shown = [dg.TableColumn(c.name, str(c.type), c.description, limit) for c, limit in described]
    return dg.MetadataValue.table_schema(dg.TableSchema(shown))


def _column_row(column: Any) -> dict[str, Any]:
    return {
        "column": column.name,
        "type": str(column.type),
        "nulls": column.null_count,
        "different values, at most": column.distinct_at_most,
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
