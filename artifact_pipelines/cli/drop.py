"""The command that drops files into the landing zone and follows them: drop."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from artifact_pipelines.cli.environment import open_catalog
from artifact_pipelines.cli.terminal import as_json_option, print_json, stream_progress, waiting
from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.core.settings import Settings

if TYPE_CHECKING:
    from artifact_pipelines.catalog.catalog import Catalog
    from artifact_pipelines.datasets.landing.dropping import Dropped

_File = click.Path(exists=True, dir_okay=False, path_type=pathlib.Path)


@click.command()
@click.argument("files", nargs=-1, required=True, type=_File)
@click.option("--dataset", required=True, help="The dataset that ingests them; its `source` must match their names.")
@click.option("--as", "as_path", help="Path below the landing zone, such as sub/a.csv. Default: the file's own name.")
@click.option("--wait", "is_followed", is_flag=True, help="Follow them to their versions; exit with 5 if one has none.")
@click.option("--notice", "notice_s", default=90, show_default=True, help="Seconds for the sensor to notice them.")
@as_json_option
def drop(
    files: Sequence[pathlib.Path], dataset: str, as_path: str | None, is_followed: bool, notice_s: int, as_json: bool
) -> None:
    r"""Put FILES into the landing zone, each in one step, so that nobody sees half a file.

    ARTIFACT_LANDING_URL names the landing zone: a folder, or s3://bucket/prefix.

    \b
    Examples:
      artifact-pipelines drop cities.csv --dataset cities --wait
    """
    if as_path and len(files) > 1:
        raise click.UsageError("--as names one file: drop each by a command of its own.")
    errors: list[SourceError] = []
    with open_catalog(may_be_new=True) as (catalog, _):
        dropped = [_put(catalog, dataset, file, as_path) for file in files]
        rows = [{"file": each.path, "state": "dropped"} for each in dropped]
        if is_followed:
            rows = [_follow(catalog, dataset, each, notice_s, errors) for each in dropped]
    if as_json:
        print_json(rows)
    else:
        told = str(errors[0]) if errors else None  # on standard error
        click.echo("".join(f"{_line(row)}\n" for row in rows if row.get("reason") != told or told is None), nl=False)
    if errors:
        raise errors[0]


def _put(catalog: "Catalog", dataset: str, file: pathlib.Path, as_path: str | None) -> "Dropped":
    from artifact_pipelines.datasets.landing.dropping import drop as drop_stream
    from artifact_pipelines.datasets.landing.entry_names import to_text
    from artifact_pipelines.datasets.landing.places import open_landing_zone
    from artifact_pipelines.storage.source_file import SourceFile

    zone = open_landing_zone(Settings.from_environment().landing_url)
    with SourceFile(file) as stream, stream_progress(f"Dropping {file.name}") as counted:
        return drop_stream(zone, catalog, dataset, as_path or to_text(file.name), counted(stream), "--as")


def _follow(
    catalog: "Catalog", dataset: str, dropped: "Dropped", notice_s: int, errors: list[SourceError]
) -> dict[str, Any]:
    """Return a file's final state and versions. Adds the reason to `errors` if it has none."""
    from artifact_pipelines.datasets.landing.dropping import follow, outcome_of

    try:
        with waiting(f"{dropped.path}: dropped") as show:
            file = follow(catalog, dataset, dropped, notice_s, lambda state: show(f"{dropped.path}: {state}"))
    except SourceError as error:
        errors.append(error)
        return {"file": dropped.path, "state": "not ingested", "reason": str(error)}
    outcome = outcome_of(catalog, dataset, file)
    versions = ", ".join(f"{asset} version {n}" for asset, n in outcome.versions.items())
    return {
        "file": file.path,
        "state": file.state.value,
        "reason": file.reason,
        "versions": versions,
        "bad_rows": outcome.bad_rows,
    }


def _line(row: Mapping[str, Any]) -> str:
    """Return what became of a file, for people."""
    bad_rows = row.get("bad_rows")
    shown = ": ".join(str(value) for name, value in row.items() if value and name != "bad_rows")
    return f"{shown}; bad rows left out: {bad_rows:,}" if bad_rows else shown
