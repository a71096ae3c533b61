"""The command that deletes files which nothing holds: gc."""

from typing import TYPE_CHECKING

import click
from rich.filesize import decimal

from artifact_pipelines.cli.environment import open_catalog
from artifact_pipelines.cli.terminal import Share, as_json_option, print_json, print_rows, waiting
from artifact_pipelines.core.durations import spell_duration
from artifact_pipelines.core.wording import counted

if TYPE_CHECKING:
    from artifact_pipelines.maintenance.clean_up import CleanUpReport


@click.command()
@click.option("--dry-run", is_flag=True, help="Change nothing; list what would be deleted and released.")
@click.option("--explain", is_flag=True, help="Also list the versions that retention keeps, with the reasons.")
@click.option("--grace", default="24h", show_default=True, help="Delete files that nothing has held for this long.")
@click.option("--force", is_flag=True, help="Allow a grace period below 1h. Steps that still read a file then fail.")
@click.option(
    "--max-share",
    type=Share(may_be_zero=True),
    default="10%",
    show_default=True,
    help="Refuse to delete more than this share of the store.",
)
@click.option(
    "--ops-within", help="Keep outputs of ops that are not assets for this long, such as 30d. Default: forever."
)
@click.option(
    "--accept-clock",
    is_flag=True,
    help="Only note that the clock of a SQLite catalog is right after a jump.",
)
@as_json_option
def gc(
    dry_run: bool,
    explain: bool,
    grace: str,
    force: bool,
    max_share: float,
    ops_within: str | None,
    accept_clock: bool,
    as_json: bool,
) -> None:
    r"""Delete the files that nothing needs any longer.

    Versions that retention does not keep are released. Files that nothing has held for the grace period are deleted,
    and so are the remains of crashes.

    \b
    Examples:
      artifact-pipelines gc --dry-run --explain
      artifact-pipelines gc --grace 2d
    """
    from artifact_pipelines.maintenance.clean_up import clean_up, parse_grace_s

    if accept_clock:
        return _accept_clock(as_json)
    grace_s = parse_grace_s(grace, "--grace", may_be_short=force)
    with open_catalog() as (catalog, backend), waiting("Cleaning up") as progress:
        report = clean_up(
            catalog,
            backend,
            grace_s=grace_s,
            dry_run=dry_run,
            max_share=max_share,
            ops_within=ops_within,
            progress=progress,
        )
    if as_json:
        tables, freed = dict(report.tables()), report.freed
        del tables["remains"]
        facts = {"dry_run": report.is_dry_run, "grace_s": grace_s, "files": freed.files, "size_bytes": freed.size_bytes}
        bare = {
            "orphans": report.orphans,
            "leftovers": report.leftovers,
            "reaped_leases": report.reaped,
            "skipped": report.skipped,
        }
        return print_json({**facts, **tables, **bare})
    return _print_report(report, grace_s, explain)


def _accept_clock(as_json: bool) -> None:
    with open_catalog() as (catalog, _):
        is_noted = catalog.host_clock.accept()
    if as_json:
        return print_json({"noted": is_noted})
    if not is_noted:
        return click.echo(
            "Nothing to note: this catalog does not depend on the clock of this host. Nothing was deleted."
        )
    return click.echo(
        "Noted that the clock is right. Nothing was deleted. Run `artifact-pipelines gc` when the runs that were under "
        "way at the jump have ended: their leases and grace periods may be over early."
    )


def _print_report(report: "CleanUpReport", grace_s: float, explain: bool) -> None:
    would = "Would be " if report.is_dry_run else ""
    grace = spell_duration(grace_s)
    titles = {
        "collected": f"{would}deleted: nothing holds them",
        "released": f"{would}released; their files are deleted when nothing has held them for {grace}",
        "remains": f"{would}deleted: left by a crash",
        **({"kept": "kept by retention"} if explain else {}),
    }
    tables = report.tables()
    for name, title in titles.items():
        if tables[name]:
            click.secho(title[0].upper() + title[1:], bold=True)
            print_rows(tables[name], only_json=("unreferenced_at",))
            click.echo()
    for step in report.skipped:
        click.echo(f"Skipped: {step}")
    click.echo(_summary(report))
    if report.released and report.is_dry_run and not grace_s:
        click.echo("Without a grace period, the files of the released versions would be deleted too.")
    if report.released and not report.is_dry_run:
        click.echo(
            "Until its files are deleted, a version can be restored: `artifact-pipelines restore ASSET --version N`."
        )


def _summary(report: "CleanUpReport") -> str:
    facts = [f"{counted(report.freed.files, 'file')}, {decimal(report.freed.size_bytes)} deleted"]
    facts.append(f"{counted(len(report.released), 'version')} released")
    if report.reaped:
        facts.append(f"{counted(len(report.reaped), 'expired lease')} dropped")
    return ("Dry run, nothing was changed. Would be: " if report.is_dry_run else "") + "; ".join(facts) + "."
