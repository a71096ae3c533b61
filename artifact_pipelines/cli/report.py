"""The command that writes the report of a dataset's version: report."""

import pathlib

import click
from rich.filesize import decimal

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.names import NAME
from artifact_pipelines.cli.put_get import check_folder, whole_file
from artifact_pipelines.cli.terminal import as_json_option, print_json


@click.command()
@click.argument("name", type=NAME)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    help="Write to this file. Default: NAME-VERSION-report.html in the working directory.",
)
@click.option("--open", "is_opened", is_flag=True, help="Open it in the browser.")
@as_json_option
def report(name: str, output: pathlib.Path | None, is_opened: bool, as_json: bool) -> None:
    r"""Write the report of a version of a dataset: one HTML file that opens without a network.

    NAME is a dataset (flights, flights@v3, flights@TAG), with its partition if it has partitions (sales@v3[2024-01]).

    A version without a stored report gets one now. It then lacks the results of checks that only Dagster knows.

    \b
    Examples:
      artifact-pipelines report flights --open
      artifact-pipelines report flights@v3 -o flights-v3.html
    """
    from artifact_pipelines.report.finding import find_report

    if output is not None:
        check_folder(output)
    with open_store() as store:
        page, stem, is_stored = find_report(store, name)
    output = output or pathlib.Path(f"{stem}.html")
    with whole_file(output) as sink:
        sink.write(page)
    how = "as it was stored" if is_stored else "made now, without the results of checks that only Dagster knows"
    if as_json:
        print_json({"output": str(output), "size_bytes": len(page), "stored": is_stored})
    else:
        click.echo(f"{output}: {decimal(len(page))}, {how}")
    if is_opened:
        click.launch(str(output.absolute()))
