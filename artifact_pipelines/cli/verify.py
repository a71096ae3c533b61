"""The command that checks every stored byte: verify."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.filesize import decimal

from artifact_pipelines.cli.environment import open_catalog
from artifact_pipelines.cli.names import NAME, NAME_HELP
from artifact_pipelines.cli.terminal import Share, as_json_option, byte_progress, print_json, print_rows
from artifact_pipelines.core.types import FileId, FileInfo
from artifact_pipelines.core.wording import counted

if TYPE_CHECKING:
    from artifact_pipelines.catalog.catalog import Catalog
    from artifact_pipelines.maintenance.verification import VerificationReport

_EXIT_CODE_DAMAGED = 4


@click.command(epilog=NAME_HELP)
@click.argument("names", metavar="[NAME]...", nargs=-1, type=NAME)
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
def verify(context: click.Context, names: Sequence[str], share: float, repair: bool, as_json: bool) -> None:
    r"""Read stored files, all or the named ones, and compare them with the catalog.

    The exit code is 4 if any damage is left.

    \b
    Examples:
      artifact-pipelines verify --sample 5%
      artifact-pipelines verify flights/table flights/table@v1
    """
    from artifact_pipelines.maintenance.verification import verify as verify_store
    from artifact_pipelines.maintenance.verification import verify_files

    if names and (repair or share < 1):
        raise click.UsageError("--sample and --repair are about the whole store: leave out the names, or them.")
    with open_catalog() as (catalog, backend), byte_progress("Verifying") as on_progress:
        if names:
            report = verify_files(catalog, backend, _files(catalog, names), on_progress=on_progress)
        else:
            report = verify_store(catalog, backend, share=share, repair=repair, on_progress=on_progress)
    if as_json:
        print_json({"is_clean": report.is_clean, **_as_json(report)})
    else:
        _print_report(
            report, "all bytes are intact" if names else "all bytes are intact, and the catalog is consistent"
        )
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


def _files(catalog: "Catalog", names: Sequence[str]) -> "Sequence[FileInfo]":
    """Return the files that names stand for: all that a value has, each once."""
    from artifact_pipelines.catalog.stored_names import find_materialization, is_file_id

    found: dict[int, FileInfo] = {}
    for name in names:
        is_file = is_file_id(catalog, name)
        files = [catalog.files.get_file(FileId(int(name)))] if is_file else find_materialization(catalog, name).files
        found |= {file.file_id: file for file in files}
    return list(found.values())


def _print_report(report: "VerificationReport", outcome: str) -> None:
    verified = f"{counted(report.files, 'file')}, {decimal(report.size_bytes)}"
    if not report.findings:
        return click.echo(f"{verified}: {outcome}.")
    rows = [{**finding.row(), "repaired": "yes" if finding.is_repaired else "no"} for finding in report.findings]
    print_rows(rows, only_json=("what_to_do",))
    repaired = sum(finding.is_repaired for finding in report.findings)
    click.echo(f"\n{verified}: {counted(len(report.findings), 'finding')}, {repaired:,} repaired.")
    for kind in dict.fromkeys(finding.kind for finding in report.findings if not finding.is_repaired):
        click.echo(f"  {kind}: {kind.remedy}")
    return None
