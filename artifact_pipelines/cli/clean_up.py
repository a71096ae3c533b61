"""The command that removes what nothing holds: gc."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.filesize import decimal

from artifact_pipelines.cli.output import as_json_option, print_json, print_rows
from artifact_pipelines.cli.share import Share
from artifact_pipelines.cli.store import catalog_url
from artifact_pipelines.core.durations import parse_duration_s, spell_duration

if TYPE_CHECKING:
    from artifact_pipelines.core.retention import Verdict
    from artifact_pipelines.maintenance.clean_up import CleanUpReport

Row = Mapping[str, Any]
_HOUR_S = 3_600


@click.command()
@click.option("--dry-run", is_flag=True, help="Change nothing, and list what would go.")
@click.option("--explain", is_flag=True, help="List also what retention keeps, and why.")
@click.option("--grace", default="24h", show_default=True, help="How long nothing must have held a file.")
@click.option("--force", is_flag=True, help="Allow a grace below 1h. Whoever still reads a released file will fail.")
@click.option(
    "--max-share",
    type=Share(may_be_zero=True),
    default="10%",
    show_default=True,
    help="Refuse if more of the store would go.",
)
@click.option("--ops-within", help="How long outputs of ops that are no assets are kept, such as 30d; else for ever.")
@as_json_option
def gc(
    dry_run: bool, explain: bool, grace: str, force: bool, max_share: float, ops_within: str | None, as_json: bool
) -> None:
    """Release what retention does not keep, and delete files that nothing has held for a while, and left-overs."""
    from artifact_pipelines.catalog.catalog import Catalog
    from artifact_pipelines.core.settings import Settings
    from artifact_pipelines.maintenance.clean_up import clean_up
    from artifact_pipelines.storage.factory import open_backend

    grace_s = parse_duration_s(grace, "--grace")
    if grace_s < _HOUR_S and not force:
        raise click.UsageError(
            f"A grace of {grace} is below 1h: what was just released may still be read. Add --force if not."
        )
    backend = open_backend(Settings.from_environment().storage_url)
    with Catalog(catalog_url()) as catalog, Console(stderr=True).status("Cleaning up") as status:
        report = clean_up(
            catalog,
            backend,
            grace_s=grace_s,
            dry_run=dry_run,
            max_share=max_share,
            ops_within=ops_within,
            progress=status.update,
        )
    if as_json:
        return print_json(_as_json(report, grace_s))
    return _print_report(report, grace_s, explain)


def _print_report(report: "CleanUpReport", grace_s: float, explain: bool) -> None:
    grace, would = spell_duration(grace_s), "Would be " if report.is_dry_run else ""
    sections: Sequence[tuple[str, Sequence[Row]]] = [
        ("deleted: nothing holds them", list(_garbage_rows(report))),
        (f"released; their files go when nothing has held them for {grace}", list(_verdict_rows(report.released))),
        (
            "deleted: left by a crash",
            [{"name": part.name, "size_bytes": part.size_bytes, "reason": why} for part, why in report.bare_bytes],
        ),
    ]
    if explain:
        kept = [verdict for verdict in report.verdicts if verdict.is_kept]
        sections = [*sections, ("kept by retention", list(_verdict_rows(kept)))]
    for title, rows in sections:
        if rows:
            is_kept = title.startswith("kept")
            click.secho(f"{'' if is_kept else would}{title}".capitalize(), bold=True)
            print_rows(rows, as_json=False, empty="", only_json=("unreferenced_at",))
            click.echo()
    click.echo(_summary(report))
    if report.released and report.is_dry_run and not grace_s:
        click.echo("With no grace, the files of the released versions would be deleted too.")
    if report.released and not report.is_dry_run:
        click.echo("Until its file is deleted, `artifact-pipelines restore ASSET --version N` brings a version back.")


def _summary(report: "CleanUpReport") -> str:
    parts = [f"{_count(report.freed.files, 'file')}, {decimal(report.freed.size_bytes)} deleted"]
    parts.append(f"{_count(len(report.released), 'version')} released")
    if report.reaped:
        parts.append(f"{_count(len(report.reaped), 'expired lease')} dropped")
    return ("Dry run, nothing was changed. Would be: " if report.is_dry_run else "") + "; ".join(parts) + "."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def _as_json(report: "CleanUpReport", grace_s: float) -> Row:
    kept = [verdict for verdict in report.verdicts if verdict.is_kept]
    return {
        "dry_run": report.is_dry_run,
        "grace_s": grace_s,
        "files": report.freed.files,
        "size_bytes": report.freed.size_bytes,
        "collected": list(_garbage_rows(report)),
        "released": list(_verdict_rows(report.released)),
        "kept": list(_verdict_rows(kept)),
        "orphans": [dataclasses.asdict(orphan) for orphan in report.orphans],
        "leftovers": [dataclasses.asdict(leftover) for leftover in report.leftovers],
        "reaped_leases": list(report.reaped),
    }


def _garbage_rows(report: "CleanUpReport") -> Iterator[Row]:
    for garbage in report.collected:
        yield {
            "asset": garbage.asset,
            "partition": garbage.partition,
            "version": garbage.version,
            "run_id": garbage.run_id,
            "file_id": garbage.file_id,
            "size_bytes": garbage.size_bytes,
            "unreferenced_at": garbage.unreferenced_at,
            "age_s": round(garbage.age_s),
            "reason": garbage.reason,
        }


def _verdict_rows(verdicts: Sequence["Verdict"]) -> Iterator[Row]:
    for verdict in verdicts:
        version = verdict.version
        yield {
            "asset": version.name.asset,
            "partition": version.name.partition,
            "version": version.name.version,
            "run_id": version.run_id,
            "size_bytes": version.size_bytes,
            "created_at": version.made_at[-1],
            "reason": verdict.reason,
        }
