"""Commands on the versions of datasets: datasets ls, log, diff, tag, untag, export, infer."""

import pathlib
import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import click
from rich.filesize import decimal

from artifact_pipelines.cli.diff import diff
from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.put_get import check_folder, whole_file
from artifact_pipelines.cli.terminal import as_json_option, print_json, print_rows, waiting
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import CHANGES, DatasetVersion, Materialization, Publication

if TYPE_CHECKING:
    from artifact_pipelines.store import Store

_NONE = (
    "No dataset has a version yet. While Dagster runs, drop a file into the landing zone: `artifact-pipelines doctor` "
    "shows where it is."
)
_ONLY_JSON = ("dataset", "schema", "dialect", "key")
_PIECE_BYTES = 1 << 20
_MOST_BESIDE = 1000  # partitions that one run has made
_partition_option = click.option("--partition", help="Partition of the dataset, if it has partitions.")


@click.group()
def datasets() -> None:
    r"""List the versions of datasets, compare them, and write them to disk.

    A version is named NAME@v3 or NAME@TAG; NAME alone is the current version.

    \b
    Examples:
      artifact-pipelines datasets ls
      artifact-pipelines datasets log flights
    """


@datasets.command()
@as_json_option
def ls(as_json: bool) -> None:
    r"""List all datasets with their current versions.

    \b
    Examples:
      artifact-pipelines datasets ls
    """
    with open_store() as store:
        catalog = store.catalog.datasets
        rows = [_summary(catalog.current(name)) for name in catalog.names()]
    if as_json:
        return print_json(rows)
    return print_rows(rows, only_json=[*_ONLY_JSON[1:], "marks"]) if rows else click.echo(_NONE)


@datasets.command()
@click.argument("dataset")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="Number of rows at most.")
@_partition_option
@as_json_option
def log(dataset: str, limit: int, partition: str | None, as_json: bool) -> None:
    r"""List the versions of DATASET, newest first; of all its partitions if none is named.

    `version` counts the dropped contents: DATASET@v3. `table version` counts the tables that were made from them, as
    `history DATASET/table` does; a content that was refused has none.

    \b
    Examples:
      artifact-pipelines datasets log flights --limit 5
    """
    with open_store() as store:
        versions = store.catalog.datasets.versions(dataset, limit, partition)
        runs = {version.table.run_id for version in versions if version.table and version.table.run_id}
        asset, most = f"{dataset}/bad_rows", _MOST_BESIDE * limit
        beside = store.catalog.materializations.history(asset, partition, most, runs=runs) if runs else ()
        bad_rows = {(made.run_id, made.partition): made.row_count for made in beside if made.row_count}
        rows = [
            {**_row(version), "bad_rows": version.table and bad_rows.get((version.table.run_id, version.partition))}
            for version in versions
        ]
    print_json(rows) if as_json else print_rows(rows, only_json=_ONLY_JSON)


datasets.add_command(diff)


@datasets.command()
@click.argument("version")
@click.argument("name")
@_partition_option
@as_json_option
def tag(version: str, name: str, partition: str | None, as_json: bool) -> None:
    r"""Give VERSION, its dropped file and its table, a NAME, and keep it.

    If another version of the dataset has this name, the name moves.

    \b
    Examples:
      artifact-pipelines datasets tag flights@v3 golden
    """
    with open_store() as store:
        found = store.catalog.datasets.find(version, partition)
        store.catalog.pins_and_tags.tag_dataset(found, name)
    print_json({"version": str(found), "tag": name}) if as_json else click.echo(f"{found} is tagged {name}.")


@datasets.command()
@click.argument("version", metavar="NAME@TAG")
@_partition_option
@as_json_option
def untag(version: str, partition: str | None, as_json: bool) -> None:
    r"""Remove a tag from the version that has it.

    \b
    Examples:
      artifact-pipelines datasets untag flights@golden
    """
    _, _, name = version.partition("@")
    with open_store() as store:
        found = store.catalog.datasets.find(version, partition)
        if name not in found.tags:
            raise InvalidArgumentError("NAME@TAG", version, f"a tag: {', '.join(found.tags) or 'it has none'}")
        store.catalog.pins_and_tags.untag_dataset(found, name)
    print_json({"version": str(found), "untagged": name}) if as_json else click.echo(f"{found} is not tagged {name}.")


@datasets.command()
@click.argument("version")
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=pathlib.Path))
@click.option("--raw", is_flag=True, help="Write the dropped file, byte for byte, instead of the table.")
@click.option(
    "--spreadsheet", is_flag=True, help="In CSV, put ' before texts that a spreadsheet would run as formulas."
)
@_partition_option
@as_json_option
def export(
    version: str, output: pathlib.Path, raw: bool, spreadsheet: bool, partition: str | None, as_json: bool
) -> None:
    r"""Write the table of VERSION to a file: `.parquet` as it is stored, or `.csv`.

    \b
    Examples:
      artifact-pipelines datasets export flights@v3 -o flights.csv
      artifact-pipelines datasets export flights --raw -o dropped.csv
    """
    check_folder(output)
    is_csv = output.suffix.lower() == ".csv" and not raw
    if not (raw or is_csv or output.suffix.lower() == ".parquet"):
        raise click.BadParameter("End the name of a table's file in .parquet or .csv.", param_hint="-o")
    if spreadsheet and not is_csv:
        raise click.UsageError("--spreadsheet is about tables as CSV: end the name of the file in .csv.")
    with open_store() as store:
        found = store.catalog.datasets.find(version, partition)
        made = found.raw if raw else _table(found)
        with whole_file(output) as sink:
            if is_csv:
                _write_table_as_csv(store, made, sink, spreadsheet)
            else:
                with store.open(made.file.file_id) as source:
                    shutil.copyfileobj(source, sink, _PIECE_BYTES)
    size_bytes = output.stat().st_size
    if as_json:
        return print_json({"version": str(found), "output": str(output), "size_bytes": size_bytes})
    return click.echo(f"{output}: {found}, {decimal(size_bytes)}")


def _table(version: DatasetVersion) -> Materialization:
    from artifact_pipelines.catalog.exceptions import VersionWithoutTableError

    if version.table is None:
        raise VersionWithoutTableError(str(version))
    return version.table


def _write_table_as_csv(store: "Store", table: Materialization, sink: BinaryIO, for_spreadsheets: bool) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from artifact_pipelines.tabular.bounded_batches import read_batches
    from artifact_pipelines.tabular.csv_writing import write_csv

    with store.open(table.file.file_id, verify=False) as source:  # Parquet readers seek
        file = pq.ParquetFile(source, page_checksum_verification=True)
        write_csv(pa.RecordBatchReader.from_batches(file.schema_arrow, read_batches(file)), sink, for_spreadsheets)


def _summary(current: Sequence[DatasetVersion]) -> Mapping[str, Any]:
    """Return the row of a dataset: its current version, or the last of its partitions and what all of them hold."""
    shown = next((version for version in current if version.table), current[0])
    row = {**_row(shown), "partitions": None}
    if current[0].partition is None:
        return row
    tables = [version.table for version in current if version.table]
    sizes = {file.file_id: file.size_bytes for table in tables for file in table.files}
    rows = sum(table.row_count or 0 for table in tables)
    total = {"partitions": len(tables), "rows": rows, "size_bytes": sum(sizes.values())}
    return {**row, **total, "raw_file_id": None, "table_file_id": None, "table_version": None}


def _row(version: DatasetVersion) -> Mapping[str, Any]:
    raw, table = version.raw, version.table
    changes = table and table.metadata.get(CHANGES)
    state = "no table" if table is None else "current" if version.is_current else None
    if table is not None and table.publication == Publication.WITHDRAWN:
        state = Publication.WITHDRAWN.value
    if table is not None and not version.is_in_table:
        state = f"{state}, but refused" if state else "refused"
    marks = [*([state] if state else []), *version.tags]
    return {
        "dataset": version.dataset,
        "partition": version.partition,
        "version": f"v{version.number}",
        "table_version": table and table.version,
        "source": raw.source.get("file"),
        "rows": table and table.row_count,
        "size_bytes": table and table.file.size_bytes,
        "changes": changes
        and "; ".join(f"{heading}: {text}" for heading, text in changes.items() if heading != "since"),
        "raw_file_id": raw.file.file_id,
        "table_file_id": table and table.file.file_id,
        "created_at": raw.created_at,
        "marks": ", ".join(marks) or None,
        "schema": table and table.schema,
        "dialect": table and table.source.get("read_as"),
        "key": list(version.key),
    }


@datasets.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path))
@as_json_option
def infer(file: pathlib.Path, as_json: bool) -> None:
    r"""Print the YAML file of a new dataset whose first file is FILE, to be edited.

    Types are found on all rows.

    \b
    Examples:
      artifact-pipelines datasets infer cities.csv > my_project/defs/cities/defs.yaml
    """
    from artifact_pipelines.datasets.inference import infer_dataset  # loads slowly

    with waiting(f"Reading {file.name}"):
        text = infer_dataset(file)
    if as_json:
        import yaml

        return print_json(yaml.safe_load(text))
    return click.echo(text, nl=False)
