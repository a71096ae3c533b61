"""The command that looks whether every byte is still what it was: verify."""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from artifact_pipelines.cli.output import as_json_option, console, print_json
from artifact_pipelines.cli.share import Share
from artifact_pipelines.cli.store import catalog_url

if TYPE_CHECKING:
    from artifact_pipelines.core.findings import Finding
    from artifact_pipelines.maintenance.verification import VerificationReport

DAMAGED = 4


@click.command()
@click.option(
    "--sample",
    "share",
    type=Share(may_be_zero=False),
    default="100%",
    help="Only this share, the longest unverified first.",
)
@click.option("--repair", is_flag=True, help="Mend counts and references, and remove bytes without a row.")
@as_json_option
@click.pass_context
def verify(context: click.Context, share: float, repair: bool, as_json: bool) -> None:
    """Read stored files and compare them with the catalog. Ends with 4 when something is wrong and stays so."""
    from artifact_pipelines.catalog.catalog import Catalog
    from artifact_pipelines.core.settings import Settings
    from artifact_pipelines.maintenance.verification import verify as verify_store
    from artifact_pipelines.storage.factory import open_backend

    backend = open_backend(Settings.from_environment().storage_url)
    with Catalog(catalog_url()) as catalog, _progress() as on_progress:
        report = verify_store(catalog, backend, share=share, repair=repair, on_progress=on_progress)
    if as_json:
        print_json({"is_clean": report.is_clean, **_as_rows(report)})
    else:
        _print_report(report)
    if not report.is_clean:
        context.exit(DAMAGED)


@contextlib.contextmanager
def _progress() -> Iterator[Any]:
    """Show the bytes read while a person watches; print nothing into a pipe."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("Verifying"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console, is_watched = Console(stderr=True), sys.stderr.isatty()
    with Progress(*columns, console=console, transient=True, disable=not is_watched) as progress:
        task = progress.add_task("")
        yield lambda read, expected: progress.update(task, completed=read, total=max(read, expected))


def _as_rows(report: "VerificationReport") -> Mapping[str, Any]:
    findings = [
        {
            "kind": finding.kind.value,
            "file_id": finding.file_id,
            "where": finding.where,
            "expected": finding.expected,
            "found": finding.found,
            "holders": list(finding.holders),
            "repaired": finding.is_repaired,
            "remedy": "" if finding.is_repaired else finding.kind.remedy,
        }
        for finding in report.findings
    ]
    return {"files": report.files, "size_bytes": report.size_bytes, "findings": findings}


def _print_report(report: "VerificationReport") -> None:
    looked_at = f"{report.files:,} files, {decimal(report.size_bytes)}"
    if not report.findings:
        return click.echo(f"{looked_at}: all bytes are there and right, and the catalog agrees with itself.")
    console().print(_table(report.findings))
    open_kinds = list(dict.fromkeys(f.kind for f in report.findings if not f.is_repaired))
    click.echo(f"\n{looked_at}: {len(report.findings):,} findings, {_count_repaired(report):,} repaired.")
    for kind in open_kinds:
        click.echo(f"  {kind}: {kind.remedy}")
    return None


def _count_repaired(report: "VerificationReport") -> int:
    return sum(finding.is_repaired for finding in report.findings)


def _table(findings: Sequence["Finding"]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for title in ("finding", "file", "expected", "found", "hits", "repaired", "where"):
        table.add_column(title, justify="right" if title == "file" else "left", overflow="fold")
    for finding in findings:
        table.add_row(
            finding.kind,
            str(finding.file_id),
            _shortened(finding.expected),
            _shortened(finding.found),
            ", ".join(finding.holders),
            "yes" if finding.is_repaired else "no",
            finding.where,
        )
    return table


def _shortened(text: str) -> str:
    """A hash by its first digits: the key holds all of them."""
    return " ".join(word[:12] if len(word) == 64 else word for word in text.split(" "))
