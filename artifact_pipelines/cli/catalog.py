"""Commands on the whole catalog: catalog migrate, backup, restore, rebuild, and on its schema: db upgrade, current."""

import dataclasses

import click
from rich.filesize import decimal

from artifact_pipelines.cli.environment import open_catalog, open_engine
from artifact_pipelines.cli.terminal import as_json_option, print_json, row_progress, waiting
from artifact_pipelines.core.types import FileId
from artifact_pipelines.core.wording import counted

_VERIFY = "To check that every byte is there: `artifact-pipelines verify`."


@click.group()
def catalog() -> None:
    r"""Move, back up, restore or rebuild the catalog.

    \b
    Examples:
      artifact-pipelines catalog backup
    """


@catalog.command()
@click.argument("source_url")
@click.argument("target_url")
@as_json_option
def migrate(source_url: str, target_url: str, as_json: bool) -> None:
    r"""Copy the catalog at SOURCE_URL into an empty one at TARGET_URL.

    All IDs stay the same. Stop Dagster first: later writes to the source do not reach the target. The source is not
    changed.

    \b
    Examples:
      artifact-pipelines catalog migrate sqlite:///$PWD/state/catalog.db postgresql://me@db.example.org/catalog
    """
    from artifact_pipelines.catalog.transfer import migrate as migrate_catalog

    if source_url == target_url:
        raise click.UsageError("SOURCE_URL and TARGET_URL are the same.")
    with row_progress("Copying rows") as advance:
        census = migrate_catalog(source_url, target_url, advance)
    if as_json:
        return print_json({"rows": census})
    click.echo("\n".join(f"{table}\t{rows:,}" for table, rows in census.items()))
    return click.echo(
        "Both catalogs are the same. Set ARTIFACT_CATALOG_URL to the target wherever Dagster and commands run, then "
        "restart them."
    )


@catalog.command()
@as_json_option
def backup(as_json: bool) -> None:
    r"""Back up the catalog into its store.

    \b
    Examples:
      artifact-pipelines catalog backup
    """
    from artifact_pipelines.maintenance.backup import back_up
    from artifact_pipelines.storage.artifact_producer import ArtifactProducer

    with open_catalog() as (opened, backend), waiting("Backing up the catalog"):
        made = back_up(opened, ArtifactProducer(opened.files, backend))
    if as_json:
        facts = {"file_id": made.file.file_id, "size_bytes": made.file.size_bytes, **made.metadata}
        return print_json({**facts, "version": made.version, "created_at": made.created_at})
    return click.echo(
        f"{made.file.file_id}\t{decimal(made.file.size_bytes)}, {counted(made.row_count or 0, 'row')} of the catalog, "
        f"version {made.version}"
    )


@catalog.command()
@click.option("--file-id", type=click.IntRange(min=1), help="Backup to restore. Default: the newest in the store.")
@as_json_option
def restore(file_id: int | None, as_json: bool) -> None:
    r"""Restore a lost catalog from a backup in its store.

    The catalog that ARTIFACT_CATALOG_URL names must be empty or absent.

    \b
    Examples:
      artifact-pipelines catalog restore
      artifact-pipelines catalog restore --file-id 1234
    """
    from artifact_pipelines.maintenance.restore import restore as restore_catalog

    with open_catalog(may_be_new=True) as (opened, backend), row_progress("Restoring rows") as advance:
        report = restore_catalog(opened, backend, None if file_id is None else FileId(file_id), advance)
    if as_json:
        return print_json(dataclasses.asdict(report))
    click.echo(
        f"Restored {counted(report.materializations, 'materialization')} and {counted(report.files, 'file')} from the "
        f"backup of {report.taken_at:%Y-%m-%d %H:%M} UTC (file {report.backup_file_id})."
    )
    click.echo(
        f"Since then: {counted(report.adopted, 'file')} created; {report.missing:,} gone from the store; "
        f"{report.dropped:,} never completed."
    )
    if report.unreadable:
        click.echo(f"Unreadable files, among which a newer backup may be: {report.unreadable}.")
    click.echo(
        f"`gc` keeps the files created since, and {report.held:,} that nothing held before, until you release them: "
        "`artifact-pipelines release --rebuilt`."
    )
    return click.echo(_VERIFY)


@catalog.command()
@as_json_option
def rebuild(as_json: bool) -> None:
    r"""Create a catalog from the files of a store without a backup.

    It has the files with their IDs and hashes. Assets, versions and names are lost. If there is a backup, use restore.

    \b
    Examples:
      artifact-pipelines catalog rebuild
    """
    from artifact_pipelines.maintenance.rebuild import rebuild as rebuild_catalog

    with open_catalog(may_be_new=True) as (opened, backend), row_progress("Examining files") as advance:
        report = rebuild_catalog(opened, backend, advance)
    if as_json:
        return print_json(dataclasses.asdict(report))
    click.echo(
        f"{counted(report.files, 'file')}; {counted(report.duplicates, 'duplicate')} left aside. `gc` keeps every file "
        "until you release it: `artifact-pipelines release`."
    )
    return click.echo(_VERIFY)


@click.group()
def db() -> None:
    r"""Create or upgrade the catalog's tables.

    \b
    Examples:
      artifact-pipelines db upgrade
    """


@db.command()
@as_json_option
def upgrade(as_json: bool) -> None:
    r"""Bring the catalog's schema up to date.

    A new catalog gets its tables.

    \b
    Examples:
      artifact-pipelines db upgrade
    """
    from artifact_pipelines.catalog import schema

    with open_engine(may_be_new=True) as engine:
        before = schema.current_revision(engine)
        schema.upgrade(engine)
    if as_json:
        return print_json({"before": before, "current": schema.HEAD_REVISION})
    return click.echo(f"Schema: {before or 'none'} -> {schema.HEAD_REVISION}")


@db.command()
@as_json_option
def current(as_json: bool) -> None:
    r"""Print the present and the required revision of the schema.

    \b
    Examples:
      artifact-pipelines db current
    """
    from artifact_pipelines.catalog import schema

    with open_engine() as engine:
        found = schema.current_revision(engine)
    if as_json:
        return print_json({"current": found, "needed": schema.HEAD_REVISION})
    return click.echo(f"{found or 'none'} (needed: {schema.HEAD_REVISION})")
