"""The command that makes an older version current: rollback."""

from typing import TYPE_CHECKING

import click

from artifact_pipelines.cli.output import as_json_option, print_json
from artifact_pipelines.cli.store import open_the_store, waiting
from artifact_pipelines.core.settings import dagster_home

if TYPE_CHECKING:
    from artifact_pipelines.core.types import Rollback


@click.command()
@click.argument("asset")
@click.option("--to", "version", required=True, type=click.IntRange(min=1), help="Number in `history`.")
@click.option("--partition", help="Of this partition.")
@as_json_option
def rollback(asset: str, version: int, partition: str | None, as_json: bool) -> None:
    """Make an older version of ASSET current again, and tell Dagster.

    No byte moves. What depends on ASSET is stale in Dagster where it was made from another version. If Dagster could
    not be told, the same command again tells it.
    """
    with open_the_store() as store:
        done = store.rollback(asset, version, partition)
        if not as_json:
            verb = "is current again" if done.is_new else "is current already"
            click.echo(f"{asset}{f'[{partition}]' if partition else ''} version {version} {verb}.")
        is_reported = _tell_dagster(done, store.uri(done.now.file.file_id))
    if as_json:
        return print_json({"asset": asset, "partition": partition, **_facts(done), "reported": is_reported})
    told = "Dagster is told." if is_reported else "Dagster knows already."
    return click.echo(told if is_reported is not None else _NO_DAGSTER)


_NO_DAGSTER = (
    "Dagster was not told: DAGSTER_HOME is not set. Where its runs are to know, set it and run the same command again."
)


def _tell_dagster(done: "Rollback", uri: str) -> bool | None:
    """Report a rollback, and return whether that was needed; None: there is no Dagster here."""
    home = dagster_home()
    if home is None:
        return None
    with waiting("Telling Dagster"):
        from artifact_pipelines.io_manager.dagster_reports import open_instance, report_rollback

        with open_instance(home) as instance:
            return report_rollback(instance, done, uri)


def _facts(done: "Rollback") -> dict[str, object]:
    made = done.now
    return {
        "version": made.version,
        "file_id": made.file.file_id,
        "data_version": made.data_version,
        "changed": done.is_new,
    }
