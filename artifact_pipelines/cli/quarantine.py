"""Commands on files that could not be ingested: quarantine ls, show, replay, discard."""

import datetime
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from artifact_pipelines.cli.environment import open_catalog
from artifact_pipelines.cli.terminal import as_json_option, cell, print_json, print_rows
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import LandingFile, LandingState
from artifact_pipelines.core.wording import counted

if TYPE_CHECKING:
    from artifact_pipelines.datasets.quarantine import Quarantine, Waiting

_MOST_SHOWN = 100
_files_argument = click.argument("files", nargs=-1)
_all_option = click.option("--all", "is_all", is_flag=True, help="All files of DATASET that wait.")


@click.group()
def quarantine() -> None:
    r"""List files that could not be ingested, replay them, or discard them.

    \b
    Examples:
      artifact-pipelines quarantine ls
    """


@quarantine.command()
@click.argument("dataset", required=False)
@as_json_option
def ls(dataset: str | None, as_json: bool) -> None:
    r"""List the files that wait, of DATASET or of all datasets, each with its reason.

    \b
    Examples:
      artifact-pipelines quarantine ls cities
    """
    from artifact_pipelines.datasets.quarantine import Quarantine

    with open_catalog() as (catalog, _):
        waiting = catalog.landing.datasets_with(LandingState.QUARANTINED)
        names = [dataset] if dataset is not None else waiting
        rows = [_row(each) for name in names for each in Quarantine(catalog, name).waiting()]
    if as_json:
        return print_json(rows)
    if not rows:
        return click.echo("No file waits in quarantine.")
    print_rows([{**row, "reason": _short(row["reason"])} for row in rows], only_json=("version", "file_id"))
    return click.echo("The whole reason: artifact-pipelines quarantine show DATASET FILE")


def _short(reason: str | None) -> str | None:
    """Return the beginning of a reason, which `show` has whole."""
    return reason if reason is None or len(reason) <= _MOST_SHOWN else f"{reason[:_MOST_SHOWN].rstrip()}…"


@quarantine.command()
@click.argument("dataset")
@click.argument("file")
@as_json_option
def show(dataset: str, file: str, as_json: bool) -> None:
    r"""Show FILE of DATASET, a path as `ls` lists it, and what can be done.

    \b
    Examples:
      artifact-pipelines quarantine show cities cities-2024.csv
    """
    with _opened(dataset) as waits:
        found = waits.find(file)
    row = _row(found)
    if as_json:
        return print_json(row)
    for name, value in row.items():
        if value is not None:
            click.echo(f"{name.removesuffix('_bytes'):12}{cell(name, value)}")
    if found.raw:
        click.echo(f"\nIts bytes: artifact-pipelines get {found.raw.file.file_id} -o COPY")
    command = f"artifact-pipelines quarantine replay {shlex.quote(dataset)} {shlex.quote(file)}"
    return click.echo(f"Fix it and drop it again; or change the dataset's YAML file, then: {command}")


@quarantine.command()
@click.argument("dataset")
@_files_argument
@_all_option
@as_json_option
def replay(dataset: str, files: Sequence[str], is_all: bool, as_json: bool) -> None:
    r"""Ingest FILES of DATASET once more, after its contract or its parser has changed.

    The sensor of DATASET requests the runs. A file that is gone from the landing zone is put back from the store.

    \b
    Examples:
      artifact-pipelines quarantine replay cities cities-2024.csv
      artifact-pipelines quarantine replay cities --all
    """
    from artifact_pipelines.datasets.landing.places import open_landing_zone

    def replay_them(waits: "Quarantine", backend: Any, paths: Sequence[str] | None) -> Sequence[LandingFile]:
        return waits.replay(open_landing_zone(Settings.from_environment().landing_url), backend.read_stream, paths)

    _apply(replay_them, dataset, files, is_all, as_json, "will be ingested again: sensor artifact_landing")


@quarantine.command()
@click.argument("dataset")
@_files_argument
@_all_option
@as_json_option
def discard(dataset: str, files: Sequence[str], is_all: bool, as_json: bool) -> None:
    r"""Take FILES of DATASET out of the quarantine for good. They stay where they are.

    \b
    Examples:
      artifact-pipelines quarantine discard cities cities-2024.csv
    """
    _apply(lambda waits, _, paths: waits.discard(paths), dataset, files, is_all, as_json, "discarded")


def _apply(
    act: Callable[["Quarantine", Any, Sequence[str] | None], Sequence[LandingFile]],
    dataset: str,
    files: Sequence[str],
    is_all: bool,
    as_json: bool,
    outcome: str,
) -> None:
    if is_all == bool(files):
        raise click.UsageError("Name either FILES or --all.")
    from artifact_pipelines.datasets.quarantine import Quarantine

    with open_catalog() as (catalog, backend):
        done = act(Quarantine(catalog, dataset), backend, None if is_all else files)
    if as_json:
        return print_json([file.path for file in done])
    return click.echo(f"{counted(len(done), 'file')} of {dataset} {outcome}.")


@contextmanager
def _opened(dataset: str) -> "Iterator[Quarantine]":
    from artifact_pipelines.datasets.quarantine import Quarantine

    with open_catalog() as (catalog, _):
        yield Quarantine(catalog, dataset)


def _row(waiting: "Waiting") -> dict[str, Any]:
    file, raw = waiting.file, waiting.raw
    return {
        "dataset": file.dataset,
        "file": file.path,
        "size_bytes": file.size_bytes,
        "dropped_at": datetime.datetime.fromtimestamp(file.changed_ns / 10**9, datetime.UTC),
        "attempts": waiting.attempts,
        "version": raw and raw.version,
        "file_id": raw and raw.file.file_id,
        "reason": file.reason,
    }
