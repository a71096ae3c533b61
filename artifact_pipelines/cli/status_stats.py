"""Commands that sum the store up: status, stats."""

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.filesize import decimal

from artifact_pipelines.cli.environment import open_catalog
from artifact_pipelines.cli.terminal import as_json_option, print_json, print_rows
from artifact_pipelines.core.types import LandingState
from artifact_pipelines.core.wording import counted

if TYPE_CHECKING:
    from artifact_pipelines.catalog.catalog import Catalog
    from artifact_pipelines.core.lineage import Outdated

_MOST_SHOWN = 80


@click.command()
@as_json_option
def status(as_json: bool) -> None:
    r"""List what needs someone: files in quarantine, versions that wait for checks, what is stale, damaged files.

    Stale is what was made from another version of an input than the current one.

    \b
    Examples:
      artifact-pipelines status
    """
    with open_catalog() as (catalog, _):
        rows = [*_quarantined(catalog), *_waiting(catalog), *_stale(catalog), *_damaged(catalog)]
    if as_json:
        return print_json(rows)
    if rows:
        return print_rows(rows)
    return click.echo(
        "Nothing needs you: no file in quarantine, no version waits for checks, nothing is stale, no file is damaged."
    )


@click.command()
@click.option("-n", "--limit", default=10, show_default=True, type=click.IntRange(min=1), help="Assets to list.")
@as_json_option
def stats(limit: int, as_json: bool) -> None:
    r"""Show how much the store holds, what deduplication saves, what `gc` could free, and the largest assets.

    \b
    Examples:
      artifact-pipelines stats --limit 20
    """
    from artifact_pipelines.maintenance.store_size import measure

    with open_catalog() as (catalog, _):
        size = measure(catalog)
    stored, garbage, rows = size.stored, size.reclaimable, size.largest(limit)
    if as_json:
        return print_json({**size.facts(), "largest_assets": rows})
    click.echo(f"Stored       {decimal(stored.size_bytes)} in {counted(stored.files, 'file')}")
    times = f", {size.logical_to_stored} times what is stored" if stored.size_bytes else ""
    click.echo(f"Logical      {decimal(size.logical_bytes)}{times}: every kept version counted whole")
    click.echo(
        f"Reclaimable  {decimal(garbage.size_bytes)} in {counted(garbage.files, 'file')} that nothing holds: `gc`"
    )
    if rows:
        click.echo()
        print_rows(rows)
    return None


def _quarantined(catalog: "Catalog") -> Sequence[Mapping[str, Any]]:
    from artifact_pipelines.datasets.quarantine import Quarantine

    return [
        _row(
            "quarantined",
            dataset,
            each.file.path,
            each.file.reason,
            f"artifact-pipelines quarantine show {dataset} {shlex.quote(each.file.path)}",
        )
        for dataset in catalog.landing.datasets_with(LandingState.QUARANTINED)
        for each in Quarantine(catalog, dataset).waiting()
    ]


def _waiting(catalog: "Catalog") -> Sequence[Mapping[str, Any]]:
    return [
        _row(
            "waiting",
            made.asset,
            f"version {made.version}",
            made.publication_reason,
            f"artifact-pipelines history {made.asset}",
        )
        for made in catalog.candidates.waiting()
    ]


def _stale(catalog: "Catalog") -> Sequence[Mapping[str, Any]]:
    """Return a row for each asset and each of its inputs; of several partitions, the first stands for all."""
    found: dict[tuple[str, str], list[Outdated]] = {}
    for each in catalog.lineage.outdated():
        if not _is_kept_so(each):
            found.setdefault((each.asset, each.input), []).append(each)
    return [_stale_row(first, len(others)) for first, *others in found.values()]


def _is_kept_so(each: "Outdated") -> bool:
    """True if an asset of a dataset is meant to stay as it is.

    What is made from the raw file is made with it, and a file that was refused is in quarantine. Partitions of a column
    are written when their rows change, failing rows when the check fails.
    """
    dataset, _, name = each.asset.partition("/")
    is_own = each.input.startswith(f"{dataset}/")
    is_written_beside = name.startswith("failing_rows/") or (
        each.partition is not None and each.input_partition is None
    )
    return is_own and (each.input == f"{dataset}/raw" or is_written_beside)


def _stale_row(first: "Outdated", others: int) -> Mapping[str, Any]:
    where = first.asset if first.partition is None else f"{first.asset}[{first.partition}]"
    what = f"version {first.version}" + (f", and {counted(others, 'partition')} more" if others else "")
    reason = f"made from {first.input} version {first.made_from}; version {first.current} is current"
    return _row("stale", where, what, reason, "materialize it in Dagster, if that does not do it by itself")


def _damaged(catalog: "Catalog") -> Sequence[Mapping[str, Any]]:
    return [
        _row("damaged", "", f"file {file.file_id}", "its bytes are missing or wrong", "artifact-pipelines verify")
        for file in catalog.audit.damaged_files()
    ]


def _row(state: str, where: str, what: str, reason: object, next_step: str) -> Mapping[str, Any]:
    text = " ".join(str(reason or "").split())
    short = text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"
    return {"state": state, "where": where, "what": what, "reason": short, "next": next_step}
