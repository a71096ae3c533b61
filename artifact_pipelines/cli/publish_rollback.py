"""Commands that make another version current, and report that to Dagster: publish, rollback."""

import os
import pathlib
import shlex
from collections.abc import Callable
from types import ModuleType
from typing import Any

import click

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.terminal import as_json_option, partition_option, print_json, waiting
from artifact_pipelines.core.settings import state_folder

_REPORTED = {
    True: "Reported to Dagster.",
    False: "Dagster already knows.",
    None: "Not reported to Dagster: DAGSTER_HOME is not set. Set it and run the same command again.",
}
_IS_OP = "Not reported to Dagster: the output of an op is not an asset."  # Dagster would take the name for a new asset


@click.command()
@click.argument("asset")
@click.option("--version", required=True, type=click.IntRange(min=1), help="Number in `history`.")
@partition_option
@as_json_option
def publish(asset: str, version: int, partition: str | None, as_json: bool) -> None:
    r"""Make a version of ASSET current, whatever its checks found.

    The version is a candidate, or was rejected. To return to a version that was current before, use rollback. The
    command reports to Dagster; if the report fails, run the same command again.

    \b
    Examples:
      artifact-pipelines publish flights/table --version 3
    """
    with open_store() as store:
        files = store.catalog.materializations.version(asset, version, partition).files
        uri, *_ = [store.uri(file.file_id) for file in files]  # an error if bytes are missing, before any change
        made = store.catalog.candidates.publish_version(asset, version, partition)
        if not as_json:
            click.echo(f"{_name(asset, partition)} version {version} is current.")
        is_reported = _report_to_dagster(
            lambda reports, instance: reports.report_publication(instance, store.catalog, made, uri)
        )
    if as_json:
        facts = {"asset": asset, "partition": partition, "version": version, "file_id": made.file.file_id}
        return print_json({**facts, "reported": is_reported})
    return click.echo(_REPORTED[is_reported])


@click.command()
@click.argument("asset")
@click.option("--to", "version", required=True, type=click.IntRange(min=1), help="Number in `history`.")
@partition_option
@as_json_option
def rollback(asset: str, version: int, partition: str | None, as_json: bool) -> None:
    """Make an older version of ASSET current again.

    The later version is withdrawn: no schedule, sensor or run that makes the same content makes it current again. No
    bytes move. The command reports to Dagster, which then shows assets made from other versions as stale. If the
    report fails, run the same command again. Outputs of ops are not reported.
    """
    with open_store() as store:
        done = store.rollback(asset, version, partition)
        if not as_json:
            verb = "is current again" if done.is_new else "is already current"
            click.echo(f"{_name(asset, partition)} version {version} {verb}.")
            if done.withdrawn is not None:
                click.echo(_withdrawn(asset, partition, done.withdrawn))
        uri, is_op = store.uri(done.now.file.file_id), done.now.is_op_output
        is_reported = not is_op and _report_to_dagster(
            lambda reports, instance: reports.report_rollback(instance, store.catalog, done, uri)
        )
    if as_json:
        facts = {"version": done.now.version, "file_id": done.now.file.file_id, "data_version": done.now.data_version}
        return print_json(
            {
                "asset": asset,
                "partition": partition,
                **facts,
                "changed": done.is_new,
                "withdrawn": done.withdrawn,
                "reported": is_reported,
            }
        )
    return click.echo(_IS_OP if is_op else _REPORTED[is_reported])


def _withdrawn(asset: str, partition: str | None, version: int) -> str:
    of_partition = "" if partition is None else f" --partition {shlex.quote(partition)}"
    return (
        f"Version {version} is withdrawn: runs that make its content again do not make it current. "
        f"To undo: artifact-pipelines rollback {asset} --to {version}{of_partition}"
    )


def _name(asset: str, partition: str | None) -> str:
    return asset if partition is None else f"{asset}[{partition}]"


def _report_to_dagster(report: Callable[[ModuleType, Any], bool]) -> bool | None:
    """Report to Dagster, and return whether there was anything to report; None if no Dagster is set up here.

    Args:
        report: Takes the module `runless_reports`, which takes seconds to import, and Dagster's instance.

    Raises:
        DagsterNotToldError: The instance cannot be opened.
    """
    home = _dagster_home()
    if home is None:
        return None
    with waiting("Reporting to Dagster"):
        from artifact_pipelines.io_manager import runless_reports

        with runless_reports.open_instance(home) as instance:
            return report(runless_reports, instance)


def _dagster_home() -> pathlib.Path | None:
    """Return the folder of Dagster's instance: `DAGSTER_HOME`, else the one that `make dev` uses, if it exists."""
    if home := os.environ.get("DAGSTER_HOME"):
        return pathlib.Path(home).absolute()
    project = state_folder() / "dagster"
    return project if (project / "dagster.yaml").exists() else None
