"""The command that compares two stored tables: diff."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.names import NAME, NAME_HELP
from artifact_pipelines.cli.terminal import as_json_option, print_json, waiting
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import Materialization

if TYPE_CHECKING:
    from artifact_pipelines.store import Store
    from artifact_pipelines.tabular.table_diff import TableDiff


@click.command(epilog=NAME_HELP)
@click.argument("before", type=NAME)
@click.argument("after", type=NAME)
@click.option("--key", help="Columns that identify a row, separated by commas. Default: the dataset's `key`.")
@click.option("--partition", help="Partition of both, if they have partitions.")
@as_json_option
def diff(before: str, after: str, key: str | None, partition: str | None, as_json: bool) -> None:
    r"""Show the differences from the table BEFORE to the table AFTER.

    Columns and numbers of rows always; with a key, also the rows added, removed and changed, and in which columns.

    \b
    Examples:
      artifact-pipelines diff flights@v1 flights
      artifact-pipelines diff flights/table@v1 flights/table@golden --key carrier,number
    """
    with open_store() as store, waiting(f"Comparing {before} and {after}"):
        tables = [store.find(name, partition) for name in (before, after)]
        found = _compare(store, (before, after), tables, key.split(",") if key else tables[1].source.get("key", ()))
    if as_json:
        return print_json(found)
    for heading, text in found.lines().items():
        click.echo(f"{heading}: {text}")
    if not found.rows:
        click.echo(
            "To compare rows too, name the columns that identify one: --key, or `key` in the dataset's YAML file."
        )
    return None


def _compare(
    store: "Store", names: Sequence[str], tables: Sequence[Materialization], key: Sequence[str]
) -> "TableDiff":
    from artifact_pipelines.storage.local_paths import verified_path
    from artifact_pipelines.tabular.table_diff import TableDiff, diff_rows

    for name, table in zip(names, tables, strict=True):
        if table.schema is None:
            raise InvalidArgumentError("name", name, "a stored table")
        if missing := [column for column in key if column not in table.schema]:
            raise InvalidArgumentError("--key", ", ".join(missing), f"columns of {name}: {', '.join(table.schema)}")
    before, after = tables
    found = TableDiff.of_schemas(before.schema or {}, after.schema or {}, before.row_count, after.row_count)
    if not key:
        return found
    old_file, new_file = (store.artifact(table.file) for table in tables)
    with verified_path(old_file) as old, verified_path(new_file) as new:
        return dataclasses.replace(found, rows=diff_rows(old.path, new.path, key))
