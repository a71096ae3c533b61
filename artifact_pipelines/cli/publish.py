"""The command that publishes a version whatever its checks say: publish."""

from typing import TYPE_CHECKING

import click

from artifact_pipelines.cli.output import as_json_option, print_json
from artifact_pipelines.cli.store import open_the_store, waiting
from artifact_pipelines.core.settings import dagster_home

if TYPE_CHECKING:
    from artifact_pipelines.core.types import Materialization


@click.command()
@click.argument("asset")
@click.option("--version", required=True, type=click.IntRange(min=1), help="Number in `history`.")
@click.option("--partition", help="Of this partition.")
@as_json_option
def publish(asset: str, version: int, partition: str | None, as_json: bool) -> None:
    """Make a candidate or a rejected version of ASSET current, whatever its checks say, and tell Dagster.

    If Dagster could not be told, the same command again tells it. To go back to a version that was current before, use
    rollback.
    """
    with open_the_store() as store:
        uri = store.uri(store.catalog.materializations.version(asset, version, partition).file.file_id)  # is it there?
        made = store.catalog.candidates.publish_version(asset, version, partition)
        if not as_json:
            click.echo(f"{asset}{f'[{partition}]' if partition else ''} version {version} is current.")
        is_reported = _tell_dagster(made, uri)
    if as_json:
        facts = {"asset": asset, "partition": partition, "version": version, "file_id": made.file.file_id}
        return print_json({**facts, "reported": is_reported})
    if is_reported is None:
        return click.echo("Dagster was not told: DAGSTER_HOME is not set. Set it and run the same command again.")
    return click.echo("Dagster is told." if is_reported else "Dagster knows already.")


def _tell_dagster(made: "Materialization", uri: str) -> bool | None:
    """Report what was published, and return whether that was needed; None: there is no Dagster here."""
    home = dagster_home()
    if home is None:
        return None
    with waiting("Telling Dagster"):
        from artifact_pipelines.io_manager.dagster_reports import open_instance, report_publication

        with open_instance(home) as instance:
            return report_publication(instance, made, uri)
