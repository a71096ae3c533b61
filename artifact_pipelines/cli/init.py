"""The command that starts a project: init."""

import pathlib
import shutil

import click

from artifact_pipelines.cli.terminal import as_json_option, print_json, waiting


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=pathlib.Path))
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path))
@as_json_option
def init(folder: pathlib.Path, file: pathlib.Path | None, as_json: bool) -> None:
    r"""Start a project in FOLDER, with FILE as the first file of its first dataset.

    Format and types of the dataset are found in FILE. Without one, an example comes with the project. Nothing that
    exists is overwritten.

    \b
    Examples:
      artifact-pipelines init my_project
      artifact-pipelines init my_project ~/cities.csv
    """
    from artifact_pipelines.new_project.files import new_project  # loads slowly

    if file is None:
        files, dataset, first = new_project(folder), "cities", folder / "cities.csv"
    else:
        from artifact_pipelines.datasets.inference import dataset_name, infer_dataset

        with waiting(f"Reading {file.name}"):
            yaml = infer_dataset(file)
        dataset, first = dataset_name(file), folder / file.name
        files = new_project(folder, dataset, file.name, yaml)
    if there := [path for path in (*files, first.name) if (folder / path).exists()]:
        raise click.UsageError(f"{folder} has {', '.join(there)} already: choose another folder, or delete them.")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    if file is not None:
        shutil.copyfile(file, first)
    (folder / "state" / "landing").mkdir(parents=True, exist_ok=True)
    if as_json:
        return print_json({"project": str(folder.absolute()), "dataset": dataset, "file": first.name})
    click.echo(f"{folder} has a project with the dataset {dataset}. Next:\n")
    click.echo(
        f"  cd {folder}\n  export DAGSTER_HOME=$PWD\n  dagster dev -w workspace.yaml        # http://127.0.0.1:3000"
    )
    return click.echo(f"  cp {first.name} state/landing/       # in another terminal: its assets turn green")
