"""The command that checks every stored byte: verify."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
from rich.filesize import decimal

from artifact_pipelines.cli.environment import open_catalog
from artifact_pipelines.cli.terminal import Share, as_json_option, byte_progress, count, print_json, print_rows

if TYPE_CHECKING:
    from artifact_pipelines.maintenance.verification import VerificationReport

_EXIT_CODE_DAMAGED = 4


@click.command()
@click.option(
    "--sample",
    "share",
    type=Share(may_be_zero=False),
    default="100%",
    show_default=True,
    help="Share of the files to read. Files verified longest ago come first.",
)
@click.option("--repair", is_flag=True, help="Fix counts and references, and remove bytes without a row.")
@as_json_option
@click.pass_context
def verify(context: click.Context, share: float, repair: bool, as_json: bool) -> None:
    """Read stored files and compare them with the catalog.

    The exit code is 4 if any damage is left.
    """
    from artifact_pipelines.maintenance.verification import verify as verify_store

    with open_catalog() as (catalog, backend), byte_progress("Verifying") as on_progress:
        report = verify_store(catalog, backend, share=share, repair=repair, on_progress=on_progress)
    if as_json:
        print_json({"is_clean": report.is_clean, **_as_json(report)})
    else:
        _print_report(report)
        if not report.is_noted:
            click.echo("The catalog cannot be written, so it does not note which files were verified.")
    if not report.is_clean:
        context.exit(_EXIT_CODE_DAMAGED)


def _as_json(report: "VerificationReport") -> Mapping[str, Any]:
    findings = []
    for finding in report.findings:
        facts = dataclasses.asdict(finding)
        is_repaired = facts.pop("is_repaired")
        findings.append({**facts, "repaired": is_repaired, "remedy": "" if is_repaired else finding.kind.remedy})
    return {"files": report.files, "size_bytes": report.size_bytes, "noted": report.is_noted, "findings": findings}


def _print_report(report: "VerificationReport") -> None:
    verified = f"{count(report.files, 'file')}, {decimal(report.size_bytes)}"
    if not report.findings:
        return click.echo(f"{verified}: all bytes are intact, and the catalog is consistent.")
    rows = [{**finding.row(), "repaired": "yes" if finding.is_repaired else "no"} for finding in report.findings]
    print_rows(rows, only_json=("what_to_do",))
    repaired = sum(finding.is_repaired for finding in report.findings)
    click.echo(f"\n{verified}: {count(len(report.findings), 'finding')}, {repaired:,} repaired.")
    for kind in dict.fromkeys(finding.kind for finding in report.findings if not finding.is_repaired):
        click.echo(f"  {kind}: {kind.remedy}")
    return None
