"""Commands that list assets and files, and show one file: ls, show."""

import click
from rich.table import Table

from artifact_pipelines.cli.environment import file_id_of, open_store
from artifact_pipelines.cli.terminal import (
    as_json_option,
    asset_row,
    cell,
    console,
    file_row,
    print_json,
    print_rows,
)
from artifact_pipelines.core.types import FileId

_NO_FILES = "No file is stored yet. Try `make demo`, or `artifact-pipelines put FILE`."
_NO_ASSETS = (
    "No asset is stored yet. Try `make demo`. `artifact-pipelines ls --files` lists files that belong to no asset, "
    "`ls --ops` outputs of ops."
)


@click.command()
@click.option("--files", is_flag=True, help="List stored files instead of assets.")
@click.option("--ops", is_flag=True, help="Also list outputs of ops that are not assets, as RUN/STEP/OUTPUT.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="Number of rows at most.")
@as_json_option
def ls(files: bool, ops: bool, limit: int, as_json: bool) -> None:
    """List the current version of every asset, or the newest files."""
    if files and ops:
        raise click.UsageError("--ops lists assets, --files does not: leave one of them out.")
    with open_store() as store:
        if files:
            rows = [file_row(file) for file in store.catalog.files.list_files(limit + 1)]
        else:
            current = store.catalog.materializations.list_current(limit + 1, with_ops=ops)
            rows = [asset_row(materialization) for materialization in current]
    if len(rows) > limit:
        click.echo(f"Only the first {limit:,} rows are shown. Show more: --limit N.", err=True)
    if as_json:
        return print_json(rows[:limit])
    if not rows:
        return click.echo(_NO_FILES if files else _NO_ASSETS)
    return print_rows(rows[:limit], only_json=("bytes_added", "mime_type"))


@click.command()
@click.argument("name")
@as_json_option
def show(name: str, as_json: bool) -> None:
    """Show everything known about a file, and who holds it.

    NAME is a file ID, an asset such as flights/table@v3, or a dataset such as flights@v3.
    """
    with open_store() as store:
        file_id = FileId(file_id_of(store, name))
        info = store.info(file_id)
        facts = {**file_row(info), "metadata": dict(info.metadata), "holders": store.catalog.files.holders(file_id)}
    if as_json:
        return print_json(facts)
    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        table.add_row(name, str(value) if name == "content_hash" else cell(name, value))
    return console().print(table)
