"""The command that writes the report of a dataset's version: report."""

import pathlib
from typing import TYPE_CHECKING

import click
from rich.filesize import decimal

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.names import NAME
from artifact_pipelines.cli.put_get import check_folder, whole_file
from artifact_pipelines.core.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from artifact_pipelines.core.types import Materialization
    from artifact_pipelines.store import Store

_MOST_REPORTS = 1000


@click.command()
@click.argument("name", type=NAME)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    help="Write to this file. Default: NAME-VERSION-report.html in the working directory.",
)
@click.option("--open", "is_opened", is_flag=True, help="Open it in the browser.")
def report(name: str, output: pathlib.Path | None, is_opened: bool) -> None:
    r"""Write the report of a version of a dataset: one HTML file that opens without a network.

    NAME is a dataset (flights, flights@v3, flights@TAG), with its partition if it has partitions (sales@v3[2024-01]).

    A version without a stored report gets one now. It then lacks the results of checks that only Dagster knows.

    \b
    Examples:
      artifact-pipelines report flights --open
      artifact-pipelines report flights@v3 -o flights-v3.html
    """
    if output is not None:
        check_folder(output)
    with open_store() as store:
        table = store.find(name)
        if table.schema is None:
            raise InvalidArgumentError("NAME", name, "a dataset, such as flights@v3")
        page, stem, is_stored = _page(store, table)
    output = output or pathlib.Path(f"{stem}.html")
    with whole_file(output) as sink:
        sink.write(page)
    how = "as it was stored" if is_stored else "made now, without the results of checks that only Dagster knows"
    click.echo(f"{output}: {decimal(len(page))}, {how}")
    if is_opened:
        click.launch(str(output.absolute()))


def _page(store: "Store", table: "Materialization") -> tuple[bytes, str, bool]:
    """Return a report, the name of its file without extension, and whether it was stored."""
    dataset = table.asset.split("/")[0]
    consumers = store.catalog.lineage.consumers([table.materialization_id], _MOST_REPORTS)
    reports = [made for _, made in consumers if made.asset == f"{dataset}/report" and made.partition == table.partition]
    if reports:
        newest = max(reports, key=lambda made: made.materialization_id)
        [stored] = store.catalog.materializations.with_ids([newest.materialization_id])
        with store.open(stored.file.file_id) as stream:
            return stream.read(), pathlib.PurePath(str(stored.metadata["file_name"])).stem, True
    from artifact_pipelines.report.gathering import gather
    from artifact_pipelines.report.page import render

    facts = gather(store.catalog, store.artifact, dataset, table)
    return render(facts), facts.file_stem, False
