"""Commands on the catalog as a whole: catalog migrate, backup, restore, rebuild."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.filesize import decimal
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from artifact_pipelines.cli.output import as_json_option, print_json
from artifact_pipelines.cli.store import catalog_url, waiting

if TYPE_CHECKING:
    from artifact_pipelines.catalog.catalog import Catalog
    from artifact_pipelines.storage.interfaces import IStorageBackend


@click.group()
def catalog() -> None:
    """Move, back up and bring back the catalog."""


@catalog.command()
@click.argument("source_url")
@click.argument("target_url")
@as_json_option
def migrate(source_url: str, target_url: str, as_json: bool) -> None:
    """Copy the catalog at SOURCE_URL, with all IDs, into an empty one at TARGET_URL.

    Stop Dagster first: what is written to the source afterwards is not in the target. The source stays as it is.
    """
    from artifact_pipelines.catalog.transfer import migrate as migrate_catalog

    if source_url == target_url:
        raise click.UsageError("SOURCE_URL and TARGET_URL are the same.")
    with _progress("Copying rows") as advance:
        census = migrate_catalog(source_url, target_url, advance)
    if as_json:
        return print_json({"rows": census})
    for table, count in census.items():
        click.echo(f"{table}\t{count:,}")
    return click.echo(
        "Both catalogs are the same. Set ARTIFACT_CATALOG_URL to the target wherever Dagster and commands run, and "
        "start them again."
    )


@catalog.command()
@as_json_option
def backup(as_json: bool) -> None:
    """Back up the catalog into its store."""
    from artifact_pipelines.maintenance.backup import back_up
    from artifact_pipelines.storage.artifact_producer import ArtifactProducer

    with _places(may_be_new=False) as (the_catalog, backend), waiting("Backing up the catalog"):
        made = back_up(the_catalog, ArtifactProducer(the_catalog.files, backend))
    if as_json:
        facts = {"file_id": made.file.file_id, "size_bytes": made.file.size_bytes, **made.metadata}
        return print_json({**facts, "version": made.version, "created_at": made.created_at})
    return click.echo(f"{made.file.file_id}\t{decimal(made.file.size_bytes)}, {made.row_count:,} rows of the catalog")


@catalog.command()
@click.option("--file-id", type=click.IntRange(min=1), help="The backup; else the newest in the store.")
@as_json_option
def restore(file_id: int | None, as_json: bool) -> None:
    """Bring back a lost catalog from a backup in its store.

    The catalog that ARTIFACT_CATALOG_URL names must be empty, or not there yet.
    """
    from artifact_pipelines.core.types import FileId
    from artifact_pipelines.maintenance.restore import restore as restore_catalog

    with _places(may_be_new=True) as (the_catalog, backend), _progress("Restoring rows") as advance:
        report = restore_catalog(the_catalog, backend, None if file_id is None else FileId(file_id), advance)
    if as_json:
        return print_json(dataclasses.asdict(report))
    click.echo(
        f"Restored {report.materializations:,} materializations and {report.files:,} files from the backup of "
        f"{report.taken_at:%Y-%m-%d %H:%M} UTC (file {report.backup_file_id})."
    )
    click.echo(
        f"Since then: {report.adopted:,} files created; {report.missing:,} gone from the store; "
        f"{report.dropped:,} never completed."
    )
    if report.unreadable:
        click.echo(f"A newer backup may be among these files, which cannot be read: {report.unreadable}.")
    click.echo(
        f"Those created since, and {report.held:,} that nothing held before, are not collected until you release them: "
        "`artifact-pipelines release --rebuilt`."
    )
    return click.echo("Run `artifact-pipelines verify` to see whether every byte is there.")


@catalog.command()
@as_json_option
def rebuild(as_json: bool) -> None:
    """Make a catalog of the files in a store whose catalog is lost and has no backup.

    It knows files, their IDs and hashes; assets, versions and names are lost. Where there is a backup, `restore` it.
    """
    from artifact_pipelines.maintenance.rebuild import rebuild as rebuild_catalog

    with _places(may_be_new=True) as (the_catalog, backend), _progress("Looking at files") as advance:
        report = rebuild_catalog(the_catalog, backend, advance)
    if as_json:
        return print_json(dataclasses.asdict(report))
    return click.echo(
        f"{report.files:,} files, none of which is collected before you release it (`artifact-pipelines release`); "
        f"{report.duplicates:,} duplicates left aside. No content was read: run `artifact-pipelines verify` to see "
        "whether every byte is there."
    )


@contextmanager
def _places(may_be_new: bool) -> Iterator[tuple["Catalog", "IStorageBackend"]]:
    from artifact_pipelines.catalog.catalog import Catalog
    from artifact_pipelines.core.settings import Settings
    from artifact_pipelines.storage.factory import open_backend

    backend = open_backend(Settings.from_environment().storage_url)
    with Catalog(catalog_url(may_be_new), make_tables=may_be_new) as opened:
        yield opened, backend


@contextmanager
def _progress(text: str) -> Iterator[Callable[[int], Any]]:
    """Count while a person watches; print nothing into a pipe."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(text, total=None)
        yield lambda count: progress.advance(task, count)
