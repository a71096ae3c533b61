"""Commands that read stored tables: sql, head."""

import itertools
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.names import NAME, NAME_HELP
from artifact_pipelines.cli.put_get import check_folder, whole_file
from artifact_pipelines.cli.terminal import as_json_option, console, print_json, printable, waiting
from artifact_pipelines.core.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

_limit_option = click.option(
    "-n", "--limit", default=20, show_default=True, type=click.IntRange(min=1), help="Number of rows to print."
)


@click.command()
@click.argument("query")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="Value of $NAME in QUERY.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    help="Write all rows to this file, .parquet or .csv.",
)
@_limit_option
@as_json_option
def sql(query: str, parameters: Sequence[str], output: pathlib.Path | None, limit: int, as_json: bool) -> None:
    r"""Answer QUERY, one SELECT in DuckDB's SQL over stored tables. It can reach nothing else.

    Names of tables stand in quotes: an asset, one of its versions or partitions, or a dataset. A partitioned asset
    without a partition is one table of all partitions; its last column, `partition`, has the key.

    \b
    Examples:
      artifact-pipelines sql "SELECT carrier, count(*) FROM 'flights/table' GROUP BY ALL ORDER BY 2 DESC"
      artifact-pipelines sql "SELECT * FROM 'flights@v2' EXCEPT FROM 'flights@v1'" -o new.csv
    """
    given = dict(_parameter(text) for text in parameters)
    if output is not None:
        check_folder(output)
        if output.suffix.lower() not in (".csv", ".parquet"):
            raise click.BadParameter("End the name of the file in .parquet or .csv.", param_hint="-o")
    with open_store() as store, store.query(query, **given) as answer:
        if output is None:
            return _print(answer, limit, as_json)
        with waiting("Answering"):
            rows = _write(answer, output)
    if as_json:
        return print_json({"output": str(output), "rows": rows})
    return click.echo(f"{output}: {counted(rows, 'row')}")


@click.command(epilog=NAME_HELP)
@click.argument("name", type=NAME)
@click.option("--partition", help="Only this partition.")
@_limit_option
@as_json_option
def head(name: str, partition: str | None, limit: int, as_json: bool) -> None:
    r"""Print the first rows of a stored table.

    \b
    Examples:
      artifact-pipelines head flights/table
      artifact-pipelines head flights@v1 -n 5
    """
    if partition is not None:
        name = f"{name}[{partition}]"
    quoted = name.replace("'", "''")
    with open_store() as store, store.query(f"FROM '{quoted}' LIMIT {limit}") as answer:
        _print(answer, limit, as_json)


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"{text!r} is not NAME=VALUE.", param_hint="-p")
    return name, value


def _print(answer: "pa.RecordBatchReader", limit: int, as_json: bool) -> None:
    rows = list(itertools.islice(_rows(answer), limit + 1))
    if len(rows) > limit:
        click.echo(
            f"Only the first {'row is' if limit == 1 else f'{limit:,} rows are'} shown. More: --limit N; all: -o FILE.",
            err=True,
        )
    if as_json:
        return print_json(rows[:limit])
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for field in answer.schema:
        table.add_column(printable(field.name), justify="right" if _is_number(field.type) else "left", overflow="fold")
    for row in rows[:limit]:
        table.add_row(*("" if value is None else printable(str(value)) for value in row.values()))
    console().print(table)
    return None


def _rows(answer: "pa.RecordBatchReader") -> Iterator[Mapping[str, Any]]:
    for batch in answer:
        yield from batch.to_pylist()


def _is_number(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _write(answer: "pa.RecordBatchReader", output: pathlib.Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from artifact_pipelines.tabular.csv_writing import write_csv

    rows = 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal rows
        for batch in answer:
            rows += batch.num_rows
            yield batch

    reader = pa.RecordBatchReader.from_batches(answer.schema, counted())
    with whole_file(output) as sink:
        if output.suffix.lower() == ".csv":
            write_csv(reader, sink)
        else:
            with pq.ParquetWriter(sink, reader.schema, compression="zstd") as writer:
                for batch in reader:
                    writer.write_batch(batch)
    return rows
