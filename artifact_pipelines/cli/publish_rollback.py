"""Commands that make another version current, and report that to Dagster: publish, rollback."""

import os
import pathlib
import shlex
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import click

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.names import NAME, NAME_HELP
from artifact_pipelines.cli.terminal import as_json_option, partition_option, print_json, waiting
from artifact_pipelines.core.settings import state_folder

if TYPE_CHECKING:
    from artifact_pipelines.store import Store

_REPORTED = {
    True: "Reported to Dagster.",
    False: "Dagster already knows.",
    None: "Not reported to Dagster: DAGSTER_HOME is not set. Set it and run the same command again.",
}
_IS_OP = "Not reported to Dagster: the output of an op is not an asset."  # Dagster would take the name for a new asset


@click.command(epilog=NAME_HELP)
@click.argument("name", type=NAME)
@click.option(
    "--version",
    type=click.IntRange(min=1),
    help="Number in `history` of an asset, in `datasets log` of a dataset.",
)
@partition_option
@as_json_option
def publish(name: str, version: int | None, partition: str | None, as_json: bool) -> None:
    r"""Make a version of an asset current, whatever its checks found; of a dataset, its newest table.

    The version is a candidate, or was rejected. To return to a version that was current before, use rollback. The
    command reports to Dagster; if the report fails, run the same command again.

    \b
    Examples:
      artifact-pipelines publish flights/table@v3
      artifact-pipelines publish flights/table --version 3   # the same
      artifact-pipelines publish flights@v3                  # the table of flights@v3, as `datasets log flights` counts
    """
    with open_store() as store:
        asset, partition, version = _named_version(store, name, partition, version, "--version", with_candidates=True)
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


@click.command(epilog=NAME_HELP)
@click.argument("name", type=NAME)
@click.option(
    "--to",
    "version",
    type=click.IntRange(min=1),
    help="Number in `history` of an asset, in `datasets log` of a dataset.",
)
@partition_option
@as_json_option
def rollback(name: str, version: int | None, partition: str | None, as_json: bool) -> None:
    r"""Make an older version of an asset current again, or the table of an older version of a dataset.

    The later version is withdrawn: no schedule, sensor or run that makes the same content makes it current again. No
    bytes move. The command reports to Dagster, which then makes anew what was made from other versions. If the report
    fails, run the same command again. Outputs of ops are not reported.

    \b
    Examples:
      artifact-pipelines rollback flights/table --to 3   # version 3 of the table, as `history flights/table` counts
      artifact-pipelines rollback flights --to 3         # the table of flights@v3, as `datasets log flights` counts
      artifact-pipelines rollback flights@v3             # the same
    """
    with open_store() as store:
        asset, partition, version = _named_version(store, name, partition, version, "--to")
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


def _named_version(
    store: "Store", name: str, partition: str | None, version: int | None, option: str, with_candidates: bool = False
) -> tuple[str, str | None, int]:
    """Return the asset, partition and version that a name and an option stand for."""
    from artifact_pipelines.catalog.stored_names import resolve_name  # `--help` shall not wait for it

    found = resolve_name(store.catalog, name, partition, version, with_candidates)
    if found.version is None:
        asset, bracket, of_partition = name.partition("[")
        raise click.UsageError(f"Name the version: {option} N, or {asset}@v3{bracket}{of_partition}.")
    return found.asset, found.partition, found.version


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
        from artifact_pipelines.instance import runless_reports

        with runless_reports.open_instance(home) as instance:
            return report(runless_reports, instance)


def _dagster_home() -> pathlib.Path | None:
    """Return the folder of Dagster's instance: `DAGSTER_HOME`, else the one that `make dev` uses, if it exists."""
    if home := os.environ.get("DAGSTER_HOME"):
        return pathlib.Path(home).absolute()
    project = state_folder() / "dagster"
    return project if (project / "dagster.yaml").exists() else None
