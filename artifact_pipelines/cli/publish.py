"""The command that publishes a version whatever its checks say: publish."""

import click

from artifact_pipelines.cli.output import as_json_option, print_json
from artifact_pipelines.cli.store import open_the_store
from artifact_pipelines.cli.telling import in_words, tell_dagster


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
        is_reported = tell_dagster(lambda reports, instance: reports.report_publication(instance, made, uri))
    if as_json:
        facts = {"asset": asset, "partition": partition, "version": version, "file_id": made.file.file_id}
        return print_json({**facts, "reported": is_reported})
    return click.echo(in_words(is_reported))
