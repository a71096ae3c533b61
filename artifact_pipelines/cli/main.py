"""The command line: `artifact-pipelines put | get | ls | show | history | lineage | rollback | tag | gc | verify | …`.

Exit codes for scripts: 0 done, 2 wrong usage, 3 not found, 4 stored data damaged, 5 bad input file, 6 storage or
catalog not available.
"""

import re
from collections.abc import Mapping
from typing import Any

import click

from artifact_pipelines.cli.catalog import catalog, db
from artifact_pipelines.cli.completion import completion
from artifact_pipelines.cli.datasets import datasets
from artifact_pipelines.cli.diff import diff
from artifact_pipelines.cli.doctor import doctor
from artifact_pipelines.cli.drop import drop
from artifact_pipelines.cli.gc import gc
from artifact_pipelines.cli.history import history
from artifact_pipelines.cli.import_values import import_values
from artifact_pipelines.cli.init import init
from artifact_pipelines.cli.lineage import lineage
from artifact_pipelines.cli.ls_show import ls, show
from artifact_pipelines.cli.open_cat import cat, open_file
from artifact_pipelines.cli.pin_tag import pin, tag, unpin, untag
from artifact_pipelines.cli.publish_rollback import publish, rollback
from artifact_pipelines.cli.put_get import get, put
from artifact_pipelines.cli.quarantine import quarantine
from artifact_pipelines.cli.release_restore import release, restore
from artifact_pipelines.cli.report import report
from artifact_pipelines.cli.rm import rm
from artifact_pipelines.cli.sample import sample
from artifact_pipelines.cli.serve import serve
from artifact_pipelines.cli.sql_head import head, sql
from artifact_pipelines.cli.status_stats import stats, status
from artifact_pipelines.cli.terminal import printable
from artifact_pipelines.cli.verify import verify
from artifact_pipelines.core.exceptions import (
    ArtifactError,
    BackendError,
    IntegrityError,
    NotFoundError,
    SourceError,
    UsageError,
)

EXIT_CODES: Mapping[type[ArtifactError], int] = {
    UsageError: 2,
    NotFoundError: 3,
    IntegrityError: 4,
    SourceError: 5,
    BackendError: 6,
}


class _Group(click.Group):
    """Prints an error that stops a command, and exits with the code of its kind."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        _keep_lines(cmd)
        super().add_command(cmd, name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ArtifactError as error:
            from rich.console import Console  # `--help` shall not wait for it
            from rich.text import Text

            name, console = Text(type(error).__name__, "red"), Console(stderr=True, soft_wrap=True)
            lines = "\n".join(map(printable, str(error).split("\n")))
            console.print(name, f": {lines}", sep="", markup=False, highlight=False)
            ctx.exit(next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind)))


def _keep_lines(command: click.Command) -> None:
    r"""Make a command's help keep the lines after `\b` as they are: click expects a real backspace there."""
    first = re.sub(
        r"Examples:\n( *)\\b\n", r"\\b\n\1Examples:\n", command.help or ""
    )  # with the heading, as one paragraph
    command.help = first.replace("\\b", "\b")
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        _keep_lines(each)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="artifact-pipelines", prog_name="artifact-pipelines")
def main() -> None:
    r"""Use the artifact store: list its contents, find their origin, and keep it in order.

    ARTIFACT_CATALOG_URL and ARTIFACT_STORAGE_URL name the store. Default: the one in the project's state folder.

    \b
    Examples:
      artifact-pipelines init my_project ~/cities.csv
      artifact-pipelines ls
      artifact-pipelines head cities/table
      artifact-pipelines COMMAND --help
    """


_keep_lines(main)
_ON_FILES = (put, get, cat, open_file, ls, show, release)
_ON_ASSETS = (history, lineage, pin, unpin, tag, untag, publish, rollback, restore, rm)
for command in (
    init,
    import_values,
    doctor,
    status,
    stats,
    sql,
    head,
    diff,
    *_ON_FILES,
    *_ON_ASSETS,
    datasets,
    sample,
    report,
    drop,
    quarantine,
    gc,
    verify,
    db,
    catalog,
    completion,
    serve,
):
    main.add_command(command)
