"""The command that makes an older version current: rollback."""

from typing import TYPE_CHECKING

import click

from artifact_pipelines.cli.output import as_json_option, print_json
from artifact_pipelines.cli.store import open_the_store
from artifact_pipelines.cli.telling import in_words, tell_dagster

if TYPE_CHECKING:
    from artifact_pipelines.core.types import Rollback

_OF_OP = "Dagster is not told: it knows no output of an op."  # it would take it for an asset


@click.command()
@click.argument("asset")
@click.option("--to", "version", required=True, type=click.IntRange(min=1), help="Number in `history`.")
@click.option("--partition", help="Of this partition.")
@as_json_option
def rollback(asset: str, version: int, partition: str | None, as_json: bool) -> None:
    """Make an older version of ASSET current again, and tell Dagster.

    No byte moves. What depends on ASSET is stale in Dagster where it was made from another version. If Dagster could
    not be told, the same command again tells it. Of an output of an op that is no asset it is told nothing.
    """
    with open_the_store() as store:
        done = store.rollback(asset, version, partition)
        if not as_json:
            verb = "is current again" if done.is_new else "is current already"
            click.echo(f"{asset}{f'[{partition}]' if partition else ''} version {version} {verb}.")
        uri, is_of_op = store.uri(done.now.file.file_id), done.now.is_of_op
        is_reported = not is_of_op and tell_dagster(
            lambda reports, dagster: reports.report_rollback(dagster, done, uri)
        )
    if as_json:
        return print_json({"asset": asset, "partition": partition, **_facts(done), "reported": is_reported})
    return click.echo(_OF_OP if is_of_op else in_words(is_reported))


def _facts(done: "Rollback") -> dict[str, object]:
    made = done.now
    return {
        "version": made.version,
        "file_id": made.file.file_id,
        "data_version": made.data_version,
        "changed": done.is_new,
    }
