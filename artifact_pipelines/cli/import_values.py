"""The command `import`."""

import pathlib
import sys
from typing import TYPE_CHECKING

import click

from artifact_pipelines.cli.terminal import as_json_option, count, print_json, printable

if TYPE_CHECKING:
    import dagster as dg


@click.command("import")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=pathlib.Path))
@click.option("-m", "--module", required=True, help="Python module with the project's definitions, as `defs`.")
@click.option("--yes", is_flag=True, help="Do not ask whether the pickles are trusted.")
@as_json_option
def import_values(folder: pathlib.Path, module: str, yes: bool, as_json: bool) -> None:
    r"""Store what Dagster's FilesystemIOManager has in FOLDER, its `base_dir`, as outputs of the assets.

    Run it once, after you have changed the project's IO manager. DAGSTER_HOME names the instance that is told. Files in
    FOLDER stay as they are.

    Example:
    \b
      artifact-pipelines import old_storage -m my_project.definitions
    """
    import dagster as dg

    from artifact_pipelines.moving_in import import_values as import_all

    if not yes:
        click.confirm("Loading pickles can run code in them. Do you trust this folder?", abort=True, err=True)
    problems, rows = 0, []
    with dg.DagsterInstance.get() as instance:
        for one in import_all(_definitions(module), str(folder), instance):
            problems += one.problem is not None
            rows.append(one._asdict())
            if not as_json:
                name = one.asset if one.partition is None else f"{one.asset}[{one.partition}]"
                first, _, _ = (one.problem or "stored").partition("\n")
                click.echo(f"{printable(name)}  {printable(first)}")
    if as_json:
        print_json(rows)
    else:
        click.echo(f"{count(len(rows) - problems, 'value')} stored, {problems:,} not.")
    if problems:
        sys.exit(2)


def _definitions(module: str) -> "dg.Definitions":
    import importlib

    sys.path.insert(0, str(pathlib.Path.cwd()))  # as `dagster -m` does
    try:
        found = importlib.import_module(module).defs
    except (ImportError, AttributeError) as error:
        raise click.BadParameter(f"{module} has no definitions with the name defs: {error}", param_hint="-m") from error
    return found() if callable(found) else found
