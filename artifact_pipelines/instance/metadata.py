"""Metadata of a materialization in the Dagster UI: Dagster's own keys where they exist, ours under `artifact/`."""

import os
from collections.abc import Mapping, Sequence
from shlex import quote
from types import MappingProxyType
from typing import Any

import dagster as dg

from artifact_pipelines.core.types import CHANGES, FileInfo, LoadedInput, Materialization, Publication
from artifact_pipelines.core.wording import counted
from artifact_pipelines.handlers.containers import Container
from artifact_pipelines.handlers.registry import FILE_NAME
from artifact_pipelines.instance.page import (
    MOST_COLUMNS,
    Metadata,
    digits_that_wrap,
    in_page_order,
    key_that_wraps,
    rows_shown,
    table_metadata,
)
from artifact_pipelines.instance.previews import preview
from artifact_pipelines.tabular.footer import ColumnSummary
from artifact_pipelines.tabular.type_names import type_name

API_URL = "ARTIFACT_API_URL"
"""Where people reach the files over HTTP; if it is set, pages of assets link there."""

PAGE = "page"
"""Key in what an output notes about its source: Markdown that the asset's page shows in place of a preview."""
_NAME_CHARACTERS = 200
_VALUE_CHARACTERS = 80
_CHANGE_CHARACTERS = 1000
_INPUTS_SHOWN = 20
_MEMBERS_SHOWN = 100
_MEMBERS_PREVIEWED = 5


def materialization_metadata(
    recorded: Materialization,
    uri: str,
    facts: Mapping[str, Any],
    is_duplicate: bool,
    meanings: Mapping[str, str] = MappingProxyType({}),
) -> Metadata:
    """Return the metadata of a materialization from its catalog record and its handler's facts, in a page's order.

    Args:
        recorded: The record.
        uri: Where its first file lies.
        facts: The facts of its file; of a container, those of each member by name, under `members`.
        is_duplicate: True if its content was stored before.
        meanings: Of a table, what its columns mean, where its file does not say.
    """
    sizes = {file.file_id: file.size_bytes for file in recorded.files}
    metadata: Metadata = {
        **identity_metadata(recorded),
        "artifact/version": numeral(recorded.version),
        "dagster/size_bytes": dg.MetadataValue.int(sum(sizes.values())),
        "artifact/bytes_added": dg.MetadataValue.int(recorded.bytes_added),
        "artifact/duplicate": dg.MetadataValue.bool(is_duplicate),
    }
    container = Container.of(recorded.metadata)
    if container is None:
        if file_name := recorded.metadata.get(FILE_NAME):
            metadata["artifact/file_name"] = dg.MetadataValue.text(file_name)
        digits = digits_that_wrap(recorded.file.content_hash)
        metadata["artifact/content_hash"] = dg.MetadataValue.text(digits)
        metadata["dagster/uri"] = dg.MetadataValue.text(uri)
        metadata["artifact/get"] = dg.MetadataValue.md(f"`{_get_command(recorded)}`")
        if api_url := os.environ.get(API_URL):
            link = f"{api_url.rstrip('/')}/files/{recorded.file.file_id}"
            metadata["artifact/link"] = dg.MetadataValue.url(link)
        is_partition, has_page = recorded.partition is not None, PAGE in recorded.source
        metadata |= _row_count(facts, is_partition)
        metadata |= _page_columns(facts) if has_page else _table_metadata(facts, meanings)
    elif "members" in facts:
        metadata |= _members_metadata(container, recorded.files, facts["members"])
    if changes := recorded.metadata.get(CHANGES):
        rows = [{"what": heading, "change": text} for heading, text in changes.items()]
        metadata["artifact/changes"] = table_metadata(rows, cell_characters=_CHANGE_CHARACTERS)
    if recorded.publication != Publication.PUBLISHED:
        metadata["artifact/publication"] = dg.MetadataValue.text(str(recorded.publication_text))
    return in_page_order(metadata)


def _get_command(recorded: Materialization) -> str:
    """Return the command that writes the stored file to disk."""
    partition = "" if recorded.partition is None else f"[{recorded.partition}]"
    asset = recorded.asset.rsplit("/", 1)[-1]
    file = recorded.metadata.get(FILE_NAME) or f"{asset}.{recorded.file.file_type}"
    return f"artifact-pipelines get {quote(f'{recorded.asset}{partition}@v{recorded.version}')} -o {quote(file)}"


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


def _row_count(facts: Mapping[str, Any], is_partition: bool) -> Metadata:
    key = "dagster/partition_row_count" if is_partition else "dagster/row_count"
    return {key: dg.MetadataValue.int(facts["row_count"])} if "row_count" in facts else {}


def _table_metadata(facts: Mapping[str, Any], meanings: Mapping[str, str]) -> Metadata:
    """Return columns and preview."""
    metadata: Metadata = {}
    if "columns" in facts:
        metadata["dagster/column_schema"] = _column_schema(facts["columns"][:MOST_COLUMNS], meanings)
        if len(facts["columns"]) > MOST_COLUMNS:
            shown = f"{len(facts['columns']):,} columns, first {MOST_COLUMNS} shown"
            metadata["artifact/columns_shown"] = dg.MetadataValue.text(shown)
    if "preview" in facts:
        metadata["artifact/preview"] = first_rows = preview(facts["preview"])
        if isinstance(first_rows, dg.TableMetadataValue) and "row_count" in facts:
            first = rows_shown(first_rows)
            metadata["artifact/preview_rows"] = dg.MetadataValue.text(
                f"{first:,} of {counted(facts['row_count'], 'row')}"
            )
    return metadata


def _page_columns(facts: Mapping[str, Any]) -> Metadata:
    """Return the meanings of the columns of a table that has a page of its own, to stand below that page.

    A schema would stand above it, and a preview would repeat it.
    """
    rows = [
        {
            "column": each.name,
            "meaning": _meaning(each),
        }
        for each in facts["columns"]
    ]
    return {"artifact/columns": table_metadata(rows[:MOST_COLUMNS], cell_characters=_CHANGE_CHARACTERS)}


def _meaning(column: ColumnSummary) -> str:
    """Return type and meaning of a column: in one cell, for a column of types makes the page too wide."""
    text = (column.description or "").replace("`", "")  # a table shows no Markdown
    return ": ".join(filter(None, (_short_type(column.type), text)))


def _short_type(arrow_name: str) -> str:
    """Return the name of a type; of a nested one only its first word, for the whole is wider than the page."""
    return type_name(arrow_name).split("<")[0].removeprefix("large_").upper()


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
            metadata[f"artifact/preview/{name[:_NAME_CHARACTERS]}"] = preview(facts[name]["preview"])
    return metadata


def inputs_metadata(inputs: Sequence[LoadedInput]) -> Metadata:
    """Return the inputs of a materialization: a table of the first ones, and the number of the others."""
    once = list(dict.fromkeys(inputs))
    if not once:
        return {}
    shown = once[:_INPUTS_SHOWN]
    rows: list[dict[str, Any]] = [
        {
            "asset": key_that_wraps(each.asset),
            "partition": each.partition,
            "version": each.version,
            "file ID": each.file_id,
            "files": each.file_count,
        }
        for each in shown
    ]
    for column, usual in (("partition", None), ("files", 1)):
        if all(row[column] == usual for row in rows):
            rows = [{name: value for name, value in row.items() if name != column} for row in rows]
    metadata: Metadata = {"artifact/inputs": table_metadata(rows, cell_characters=_NAME_CHARACTERS)}
    if len(once) > _INPUTS_SHOWN:
        metadata["artifact/more_inputs"] = numeral(len(once) - _INPUTS_SHOWN)
    return metadata


def _column_schema(columns: Sequence[Any], meanings: Mapping[str, str]) -> dg.MetadataValue[Any]:
    limits = [dg.TableColumnConstraints(nullable=column.nullable) for column in columns]
    described = zip(columns, limits, strict=True)
    shown = [
        dg.TableColumn(c.name, type_name(c.type), _description(c, meanings.get(c.name)), limit)
        for c, limit in described
    ]
    return dg.MetadataValue.table_schema(dg.TableSchema(shown))


def _description(column: Any, meaning: str | None) -> str | None:
    """Return what a column means, and which values it has, as far as the file's footer says."""
    meant = (column.description or meaning or "").rstrip(".")
    texts = [f"{meant[:1].upper()}{meant[1:]}", _range(column), _nulls(column)]
    said = ". ".join(filter(None, texts))
    return f"{said}." if said else None


def _range(column: Any) -> str | None:
    low, high = _text(column.minimum), _text(column.maximum)
    if low is None or high is None:
        return None
    return f"Always {low}" if low == high else f"{low} to {high}"


def _nulls(column: Any) -> str | None:
    return f"{column.null_count:,} null" if column.null_count else None


def _text(value: object) -> str | None:
    if isinstance(value, float):
        value = 0.0 if value == 0 else value  # Parquet's minimum of 0.0 is -0.0
        short = f"{value:.6g}"
        value = value if "e" in short else short
    return None if value is None else str(value).removesuffix(".0")[:_VALUE_CHARACTERS]
