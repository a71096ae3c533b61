"""Commands that list assets and files, and show one file: ls, show."""

import click

from artifact_pipelines.cli.environment import open_catalog, open_store
from artifact_pipelines.cli.names import NAME, NAME_HELP
from artifact_pipelines.cli.terminal import (
    as_json_option,
    asset_row,
    cell,
    console,
    file_row,
    print_json,
    print_rows,
)

_NO_FILES = (
    "No file is stored yet. Drop one into the landing zone while Dagster runs, or try `artifact-pipelines put FILE`."
)
_NO_ASSETS = (
    "No asset is stored yet. While Dagster runs, drop a file into the landing zone: `artifact-pipelines doctor` shows "
    "where it is. `artifact-pipelines ls --files` lists files that belong to no asset, `ls --ops` outputs of ops."
)


@click.command()
@click.argument("pattern", required=False, type=NAME)
@click.option("--files", is_flag=True, help="List stored files instead of assets.")
@click.option("--ops", is_flag=True, help="Also list outputs of ops that are not assets, as RUN/STEP/OUTPUT.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="Number of rows at most.")
@as_json_option
def ls(pattern: str | None, files: bool, ops: bool, limit: int, as_json: bool) -> None:
    r"""List the current version of every asset, or of those whose names match PATTERN; or the newest files.

    In PATTERN, * stands for any characters and ? for one. Without them, it is an asset or the beginning of several.

    \b
    Examples:
      artifact-pipelines ls
      artifact-pipelines ls flights
      artifact-pipelines ls '*/samples/*'
      artifact-pipelines ls --files --limit 20
    """
    if files and (ops or pattern):
        raise click.UsageError("PATTERN and --ops list assets, --files does not: leave one of them out.")
    with open_catalog() as (catalog, _):  # not the store: handlers of values take time to load
        if files:
            rows = [file_row(file) for file in catalog.files.list_files(limit + 1)]
        else:
            current = catalog.materializations.list_current(limit + 1, with_ops=ops, pattern=pattern)
            rows = [asset_row(materialization) for materialization in current]
    if len(rows) > limit:
        click.echo(
            f"Only the first {'row is' if limit == 1 else f'{limit:,} rows are'} shown. Show more: --limit N.", err=True
        )
    if as_json:
        return print_json(rows[:limit])
    if not rows and pattern:
        return click.echo(f"No asset has a name like {pattern}. All assets: `artifact-pipelines ls`.")
    if not rows:
        return click.echo(_NO_FILES if files else _NO_ASSETS)
    return print_rows(rows[:limit], only_json=("bytes_added", "mime_type"))


@click.command(epilog=NAME_HELP)
@click.argument("name", type=NAME)
@as_json_option
def show(name: str, as_json: bool) -> None:
    r"""Show everything known about a stored file, and who holds it.

    \b
    Examples:
      artifact-pipelines show flights/table@v3
      artifact-pipelines show 7
    """
    with open_store() as store:
        info = store.find_file(name)
        holders = store.catalog.audit.hit_by(info.file_id)
    facts = {**file_row(info), "metadata": dict(info.metadata), "holders": holders}
    if as_json:
        return print_json(facts)
    from rich.table import Table

    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        table.add_row(name, str(value) if name == "content_hash" else cell(name, value))
    return console().print(table)
