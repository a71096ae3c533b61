"""Commands that release a file for deletion, and that take a release back: release, restore."""

import dataclasses

import click
from rich.filesize import decimal

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.names import NAME, NAME_HELP
from artifact_pipelines.cli.terminal import as_json_option, partition_option, print_json, waiting
from artifact_pipelines.core.wording import counted


@click.command(epilog=NAME_HELP)
@click.argument("name", type=NAME, required=False)
@click.option("--rebuilt", is_flag=True, help="Release all files that only the recovery of a lost catalog holds.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@as_json_option
def release(name: str | None, rebuilt: bool, yes: bool, as_json: bool) -> None:
    r"""Drop one reference on a file, so that `gc` may delete it.

    It drops a reference that `put` or `create_artifact` made. If there is none, it drops the one that `catalog restore`
    or `catalog rebuild` made for a file without a known holder. The files of assets are released by `gc` and `rm`.

    \b
    Examples:
      artifact-pipelines release 7
      artifact-pipelines release --rebuilt
    """
    if rebuilt == (name is not None):
        raise click.UsageError("Name either one file or --rebuilt.")
    if name is None:
        return _release_rebuilt(yes, as_json)
    with open_store() as store:
        file_id = store.find_file(name).file_id
        store.release(file_id)
        holders = store.catalog.audit.hit_by(file_id)
    if as_json:
        return print_json({"file_id": file_id, "holders": holders})
    if holders:
        return click.echo(f"File {file_id} is released; it is still held by: {', '.join(holders)}.")
    return click.echo(f"File {file_id} is released. Nothing else holds it: `gc` deletes it after the grace period.")


def _release_rebuilt(yes: bool, as_json: bool) -> None:
    with open_store() as store:
        amount = store.catalog.collection.rebuilt_amount()
        if amount.files and not yes:
            files = f"{counted(amount.files, 'file')}, {decimal(amount.size_bytes)}"
            click.confirm(f"Release {files}? `gc` deletes them after the grace period.", abort=True, err=True)
        with waiting("Releasing files"):
            released = store.catalog.collection.release_rebuilt()
    if as_json:
        return print_json({**dataclasses.asdict(amount), "files": released})
    return click.echo(
        f"{counted(released, 'file')} released. Until `gc` deletes a file, creating its content again keeps it."
    )


@click.command(epilog=NAME_HELP)
@click.argument("name", type=NAME)
@click.option("--version", type=click.IntRange(min=1), help="Restore only this version; `gc` may have released it.")
@partition_option
@as_json_option
def restore(name: str, version: int | None, partition: str | None, as_json: bool) -> None:
    r"""Undo the last wipe of an asset, or the release of one version.

    This is possible until `gc` has deleted the files. What can be restored: `history ASSET --all`.

    \b
    Examples:
      artifact-pipelines restore flights/table
      artifact-pipelines restore flights/table@v3
    """
    from artifact_pipelines.catalog.stored_names import resolve_name

    with open_store() as store:
        found = resolve_name(store.catalog, name, partition, version)
        restored = store.catalog.retention.restore(found.asset, found.partition, found.version)
    if as_json:
        return print_json(restored)
    for each in restored:
        click.echo(f"{each} is restored.")
    return click.echo(
        "The next `gc` releases again what the retention policy does not keep. To keep it: pin or tag it."
    )
