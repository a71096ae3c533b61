"""Compares a new table with the version that it is about to follow, for assets that declare a key."""

import dataclasses
from collections.abc import Mapping

from artifact_pipelines.core.exceptions import ArtifactError, InvalidArgumentError
from artifact_pipelines.core.types import Materialization
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.local_paths import verified_path

KEY_METADATA_KEY = "artifact/key"
"""Asset metadata: a list of the columns that identify a row. Each new version then shows what changed."""


def check_key(key: object) -> tuple[str, ...]:
    """Return the key that an asset's metadata declare.

    Raises:
        InvalidArgumentError: It is no list of names.
    """
    if not isinstance(key, list) or not all(isinstance(column, str) for column in key):
        raise InvalidArgumentError(KEY_METADATA_KEY, key, "a list of columns")
    return tuple(key)


def describe_changes(
    before: Materialization,
    before_file: Artifact,
    new_file: Artifact,
    schema: Mapping[str, str],
    rows: int,
    key: tuple[str, ...],
) -> Mapping[str, str]:
    """Return what changed since a version, as texts by heading; why rows could not be compared, if that is so.

    Args:
        schema: Names and types of the new table.
        rows: Number of its rows.
        key: Columns by which rows match; none: only schemas and numbers of rows are compared.
    """
    from artifact_pipelines.tabular.table_diff import TableDiff, diff_rows

    old = before.schema or {}
    found = TableDiff.of_schemas(old, schema, before.row_count, rows)
    if not key or not all(column in old and column in schema for column in key):
        return found.lines()
    try:
        with verified_path(before_file) as old_path, verified_path(new_file) as new_path:
            found = dataclasses.replace(found, rows=diff_rows(old_path.path, new_path.path, key))
    except ArtifactError as error:  # the new table is good, whatever is wrong with the one before
        return {**found.lines(), "rows": f"not compared: {error}"}
    return found.lines()
