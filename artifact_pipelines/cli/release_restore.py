"""Commands that release a file for deletion, and that take a release back: release, restore."""

import dataclasses

import click
from rich.filesize import decimal

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.terminal import as_json_option, count, partition_option, print_json, waiting
from artifact_pipelines.core.types import FileId


@click.command()
@click.argument("file_id", type=click.IntRange(min=1), required=False)
@click.option("--rebuilt", is_flag=True, help="Release all files that only the recovery of a lost catalog holds.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@as_json_option
def release(file_id: int | None, rebuilt: bool, yes: bool, as_json: bool) -> None:
    """Drop one reference on a file, so that `gc` may delete it.

    It drops a reference that `put` or `create_artifact` made. If there is none, it drops the one that `catalog restore`
    or `catalog rebuild` made for a file without a known holder. The files of assets are released by `gc`.
    """
    if rebuilt == (file_id is not None):
        raise click.UsageError("Name either one FILE_ID or --rebuilt.")
    if file_id is None:
        return _release_rebuilt(yes, as_json)
    with open_store() as store:
        store.release(file_id)
        holders = store.catalog.files.holders(FileId(file_id))
    if as_json:
        return print_json({"file_id": file_id, "holders": holders})
    if holders:
        return click.echo(f"File {file_id} is released; it is still held by: {', '.join(holders)}.")
    return click.echo(f"File {file_id} is released. Nothing else holds it: `gc` deletes it after the grace period.")


def _release_rebuilt(yes: bool, as_json: bool) -> None:
    with open_store() as store:
        amount = store.catalog.collection.rebuilt_amount()
        if amount.files and not yes:
            files = f"{count(amount.files, 'file')}, {decimal(amount.size_bytes)}"
            click.confirm(f"Release {files}? `gc` deletes them after the grace period.", abort=True, err=True)
        with waiting("Releasing files"):
            released = store.catalog.collection.release_rebuilt()
    if as_json:
        return print_json({**dataclasses.asdict(amount), "files": released})
    return click.echo(
        f"{count(released, 'file')} released. Until `gc` deletes a file, creating its content again keeps it."
    )


@click.command()
@click.argument("asset")
@click.option("--version", type=click.IntRange(min=1), help="Restore only this version; `gc` may have released it.")
@partition_option
@as_json_option
def restore(asset: str, version: int | None, partition: str | None, as_json: bool) -> None:
    """Undo the last wipe of ASSET, or the release of one version.

    This is possible until `gc` has deleted the files.
    """
    with open_store() as store:
        names = store.catalog.retention.restore(asset, partition, version)
    if as_json:
        return print_json(names)
    for name in names:
        click.echo(f"{name} is restored.")
    return click.echo(
        "The next `gc` releases again what the retention policy does not keep. To keep it: pin or tag it."
    )
