"""The command line: `artifact-pipelines put | get | ls | show | history | lineage | rollback | tag | gc | verify | …`.

Exit codes for scripts: 0 done, 2 wrong usage, 3 not found, 4 stored data damaged, 5 bad input file, 6 storage or
catalog not available.
"""

from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from artifact_pipelines.cli.catalog import catalog
from artifact_pipelines.cli.clean_up import gc
from artifact_pipelines.cli.database import db
from artifact_pipelines.cli.files import get, history, list_, put, show
from artifact_pipelines.cli.lineage import lineage
from artifact_pipelines.cli.publish import publish
from artifact_pipelines.cli.release import release
from artifact_pipelines.cli.retention import pin, restore, tag, unpin, untag
from artifact_pipelines.cli.rollback import rollback
from artifact_pipelines.cli.verification import verify
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
    """A group whose commands end with the exit code of the error that stopped them."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ArtifactError as error:
            name, console = Text(type(error).__name__, "red"), Console(stderr=True, soft_wrap=True)
            console.print(name, f": {error}", sep="", markup=False, highlight=False)
            ctx.exit(next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind)))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="artifact-pipelines", prog_name="artifact-pipelines")
def main() -> None:
    """Look into the artifact store: what is in it, where it came from, and what changed.

    ARTIFACT_CATALOG_URL and ARTIFACT_STORAGE_URL say which store; without them, the one in the project's state folder.
    """


_FILES = (put, get, list_, show)
_VERSIONS = (history, lineage, pin, unpin, tag, untag, publish, rollback, restore, release)
for command in (*_FILES, *_VERSIONS, gc, verify, db, catalog):
    main.add_command(command)
