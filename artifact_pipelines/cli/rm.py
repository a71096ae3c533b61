"""The command that releases everything of assets: rm."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.filesize import decimal

from artifact_pipelines.cli.environment import open_catalog
from artifact_pipelines.cli.names import NAME
from artifact_pipelines.cli.terminal import as_json_option, print_json, print_rows
from artifact_pipelines.core.wording import counted

if TYPE_CHECKING:
    from artifact_pipelines.maintenance.removal import Removal


@click.command()
@click.argument("patterns", metavar="ASSET...", nargs=-1, required=True, type=NAME)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@as_json_option
def rm(patterns: Sequence[str], yes: bool, as_json: bool) -> None:
    r"""Release every version of assets that are no longer needed, so that `gc` deletes their files.

    This is for assets that are gone from the definitions. If Dagster still has an asset, wipe it in the UI instead: the
    store follows. ASSET may be a pattern, as of `ls`. Pinned and tagged versions are refused. Until `gc` has deleted
    the files, `restore` takes it back.

    \b
    Examples:
      artifact-pipelines rm old/table
      artifact-pipelines rm 'trial_*' --yes
    """
    from artifact_pipelines.maintenance.removal import plan_removal, remove

    with open_catalog() as (catalog, _):
        plan = plan_removal(catalog, patterns)
        rows = [
            {"asset": asset, "versions": len(versions), "size_bytes": sum(version.size_bytes for version in versions)}
            for asset, versions in plan.items()
        ]
        if not yes:
            print_rows(rows, to_standard_error=as_json)
            versions = counted(sum(map(len, plan.values())), "version")
            click.confirm(f"Release {versions} of {counted(len(rows), 'asset')}?", abort=True, err=True)
        done = remove(catalog, plan)
    if as_json:
        kept = [{"version": str(verdict.version.name), "reason": verdict.reason} for verdict in done.kept]
        return print_json({"released": rows, "kept": kept, "gc_frees": done.freed})
    return _print(rows, done)


def _print(rows: Sequence[dict[str, Any]], done: "Removal") -> None:
    for row in rows:
        click.echo(f"{row['asset']}: {counted(row['versions'], 'version')} released, {decimal(row['size_bytes'])}")
    for verdict in done.kept:
        click.echo(f"Not released: {verdict.version.name}, {verdict.reason}")
    click.echo(
        f"`gc` frees {counted(done.freed.files, 'file')}, {decimal(done.freed.size_bytes)}, after the grace period. "
        "Until then, `artifact-pipelines restore ASSET` takes it back."
    )
