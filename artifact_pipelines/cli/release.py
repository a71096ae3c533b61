"""The command that drops references which no asset has: release."""

import dataclasses

import click
from rich.filesize import decimal

from artifact_pipelines.cli.output import as_json_option, print_json
from artifact_pipelines.cli.store import open_the_store, waiting
from artifact_pipelines.core.types import FileId


@click.command()
@click.argument("file_id", type=click.IntRange(min=1), required=False)
@click.option("--rebuilt", is_flag=True, help="All files that nothing holds but the recovery of a lost catalog.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json_option
def release(file_id: int | None, rebuilt: bool, yes: bool, as_json: bool) -> None:
    """Drop one reference on the file FILE_ID, so that `gc` deletes it when nothing else holds it.

    It is one that a `put` or `create_artifact` gave, or else the one that `catalog restore` and `catalog rebuild` give
    to files of which nobody knows who needs them. What assets hold, `gc` releases by their retention.
    """
    if rebuilt == (file_id is not None):
        raise click.UsageError("Name a FILE_ID, or all of them: --rebuilt.")
    if file_id is None:
        return _release_rebuilt(yes, as_json)
    with open_the_store() as store:
        store.release(file_id)
        holders = store.catalog.files.holders(FileId(file_id))
    if as_json:
        return print_json({"file_id": file_id, "holders": holders})
    if holders:
        return click.echo(f"File {file_id} is released; it is still held by: {', '.join(holders)}.")
    return click.echo(f"File {file_id} is released. Nothing else holds it: `gc` deletes it after its grace.")


def _release_rebuilt(yes: bool, as_json: bool) -> None:
    with open_the_store() as store:
        amount = store.catalog.collection.rebuilt_amount()
        if amount.files and not yes:
            text = f"Release {amount.files:,} files, {decimal(amount.size_bytes)}? After its grace, `gc` deletes them."
            click.confirm(text, abort=True, err=True)
        with waiting("Releasing files"):
            count = store.catalog.collection.release_rebuilt()
    if as_json:
        return print_json({**dataclasses.asdict(amount), "files": count})
    return click.echo(f"{count:,} files released. Until `gc` deletes them, creating or materializing one keeps it.")
