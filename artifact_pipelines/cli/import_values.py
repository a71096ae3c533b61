"""The command `import`."""

import pathlib
import sys

import click

from artifact_pipelines.cli.terminal import as_json_option, print_json, printable
from artifact_pipelines.core.wording import counted


@click.command("import")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=pathlib.Path))
@click.option("-m", "--module", required=True, help="Python module with the project's definitions, as `defs`.")
@click.option("--yes", is_flag=True, help="Do not ask whether the pickles are trusted.")
@as_json_option
def import_values(folder: pathlib.Path, module: str, yes: bool, as_json: bool) -> None:
    r"""Store what Dagster's FilesystemIOManager has in FOLDER, its `base_dir`, as outputs of the assets.

    Run it once, after you have changed the project's IO manager. DAGSTER_HOME names the instance that is told. Files in
    FOLDER stay as they are.

    Examples:
    \b
      artifact-pipelines import old_storage -m my_project.definitions
    """
    from artifact_pipelines.moving_in import import_project

    if not yes:
        click.confirm("Loading pickles can run code in them. Do you trust this folder?", abort=True, err=True)
    sys.path.insert(0, str(pathlib.Path.cwd()))  # as `dagster dev -m` does
    problems, rows = 0, []
    for one in import_project(module, str(folder)):
        problems += one.problem is not None
        rows.append(one._asdict())
        if not as_json:
            name = one.asset if one.partition is None else f"{one.asset}[{one.partition}]"
            first, _, _ = (one.problem or "stored").partition("\n")
            click.echo(f"{printable(name)}  {printable(first)}")
    if as_json:
        print_json(rows)
    else:
        click.echo(f"{counted(len(rows) - problems, 'value')} stored, {problems:,} not.")
    if problems:
        sys.exit(2)
