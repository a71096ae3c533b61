"""The command that draws a sample: sample."""

import pathlib
from typing import TYPE_CHECKING

import click

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.names import NAME
from artifact_pipelines.cli.put_get import check_folder, whole_file
from artifact_pipelines.cli.terminal import as_json_option, print_json, waiting
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.wording import counted

if TYPE_CHECKING:
    from artifact_pipelines.sampling.drawing import Sample
    from artifact_pipelines.sampling.interfaces import ISamplingDesign
    from artifact_pipelines.store import Store


@click.command()
@click.argument("table", type=NAME)
@click.option(
    "--design",
    "design_text",
    required=True,
    help="Fields as in a dataset's YAML, such as '{n: 100}' or '{design: custom, condition: id = 1}'; or a YAML file.",
)
@click.option("--key", "-k", "keys", multiple=True, help="Column that identifies a row; several: repeat it.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    help="Write to this file, a .parquet or .csv.",
)
@click.option("--partition", help="Only this partition.")
@as_json_option
def sample(
    table: str,
    design_text: str,
    keys: tuple[str, ...],
    output: pathlib.Path,
    partition: str | None,
    as_json: bool,
) -> None:
    r"""Draw a sample of TABLE, a Parquet file or an asset such as flights/table or flights@v2.

    Rows are identified by their key; without one by their position. The key of an asset is that of its dataset. A
    partitioned asset without a partition is one table of all partitions; its last column, `partition`, has the key.

    \b
    Examples:
      artifact-pipelines sample flights/table --design '{n: 1000}' -o sample.csv
      artifact-pipelines sample 'sales/table[2024-01]' --design '{n: 1000}' -o january.csv
      artifact-pipelines sample cities.parquet --design '{design: bernoulli, probability: 0.1}' -o sample.parquet
    """
    from artifact_pipelines.sampling.drawing import draw

    if output.suffix.lower() not in (".parquet", ".csv"):
        raise click.BadParameter("End the name of the file in .parquet or .csv.", param_hint="-o")
    check_folder(output)
    design = _parsed(design_text)
    if partition is not None:
        table = f"{table}[{partition}]"
    with waiting(f"Drawing from {table}"):
        if pathlib.Path(table).is_file():
            _write(drawn := draw(pathlib.Path(table), design, keys), output)
        else:
            with open_store() as store:
                _write(drawn := _draw_from_asset(store, table, design, keys), output)
    if as_json:
        return print_json({**drawn.design.model_dump(mode="json"), "output": str(output)})
    notes = "".join(f"\n{note}" for note in drawn.design.notes)
    return click.echo(f"{output}: {drawn.design.drawn:,} of {counted(drawn.design.frame.rows, 'row')}{notes}")


def _parsed(text: str) -> "ISamplingDesign":
    """Return the design that a text or a YAML file declares."""
    import yaml

    from artifact_pipelines.sampling.drawing import design_from
    from artifact_pipelines.yaml_errors import find_syntax_error

    path = pathlib.Path(text)
    try:
        content = path.read_bytes() if path.suffix in (".yaml", ".yml", ".json") else text.encode()
    except OSError as error:
        raise click.BadParameter(str(error), param_hint="--design") from error
    if found := find_syntax_error(content):
        line, column, problem = found
        raise click.BadParameter(f"Line {line}, column {column}: {problem}.", param_hint="--design")
    return design_from(yaml.safe_load(content))


def _draw_from_asset(store: "Store", name: str, design: "ISamplingDesign", keys: tuple[str, ...]) -> "Sample":
    from artifact_pipelines.catalog.stored_names import find_materializations, resolve_name
    from artifact_pipelines.handlers.scanning import scan_with_polars
    from artifact_pipelines.sampling.drawing import draw, draw_from
    from artifact_pipelines.sampling.engine.population import population_of_scan
    from artifact_pipelines.sampling.engine.rows import Key
    from artifact_pipelines.tabular.concatenation import concatenate_frames

    found = find_materializations(store.catalog, name)
    for made in found:
        if made.file.file_type != "parquet" or len(made.files) > 1:
            raise InvalidArgumentError(f"{name!r}", made.file.file_type, "a table that is stored as Parquet")
    first, columns = found[0], keys or found[0].source.get("key", ())
    if first.partition is not None and resolve_name(store.catalog, name).partition is None:
        frames = {str(made.partition): scan_with_polars(store.artifact(made.file)) for made in found}
        return draw(concatenate_frames(first.asset, frames, "partition"), design, columns)
    artifact = store.artifact(first.file)
    with artifact.open(verify=False) as file:
        population = population_of_scan(scan_with_polars(artifact), file)
    return draw_from(population, design, Key(columns, is_unique=not keys, partition=first.partition), artifact.info)


def _write(drawn: "Sample", output: pathlib.Path) -> None:
    import pyarrow as pa

    from artifact_pipelines.tabular.csv_writing import write_csv
    from artifact_pipelines.tabular.parquet import write_frame

    with whole_file(output) as sink:
        if output.suffix.lower() == ".parquet":
            write_frame(drawn.rows, sink)
            return
        schema = drawn.rows.collect_schema().to_frame().to_arrow().schema
        frames = drawn.rows.collect_batches(maintain_order=True, engine="streaming")
        batches = (batch for frame in frames for batch in frame.to_arrow().to_batches())
        write_csv(pa.RecordBatchReader.from_batches(schema, batches), sink)
