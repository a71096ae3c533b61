"""Join the tables of several partitions into one, with the partition key as the last column.

Columns match by name, in the order of the first partition. Types must be equal: nothing is cast silently.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import polars as pl
import pyarrow as pa
import pyarrow.dataset

from artifact_pipelines.tabular.exceptions import PartitionColumnError, PartitionSchemaError
from artifact_pipelines.tabular.pandas_metadata import shared_pandas_metadata

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


def concatenate_frames(asset: str, frames: Mapping[str, Frame], column: str) -> Frame:
    """Return polars frames, by partition key, as one. LazyFrames stay lazy: only their schemas are read.

    Raises:
        PartitionSchemaError: Two frames differ in columns or types.
        PartitionColumnError: A frame already has a column of that name.
    """
    columns = _shared_columns(asset, {key: frame.collect_schema() for key, frame in frames.items()}, column)
    labelled = [
        frame.select(columns).with_columns(pl.lit(str(key), pl.String).alias(column)) for key, frame in frames.items()
    ]
    return pl.concat(labelled)


def concatenate_tables(asset: str, tables: Mapping[str, pa.Table], column: str) -> pa.Table:
    """Return pyarrow tables as one; see `concatenate_frames`."""
    columns = _shared_columns(asset, {key: _types(table.schema) for key, table in tables.items()}, column)
    labelled = [
        table.select(columns).append_column(column, pa.repeat(pa.scalar(str(key)), table.num_rows))
        for key, table in tables.items()
    ]
    joined = pa.concat_tables(labelled, promote_options="default")  # nullability may differ
    return joined.replace_schema_metadata(shared_pandas_metadata([table.schema for table in tables.values()]))


def concatenate_datasets(
    asset: str, datasets: Mapping[str, pyarrow.dataset.FileSystemDataset], column: str
) -> pyarrow.dataset.FileSystemDataset:
    """Return pyarrow datasets as one, which reads the files when it is scanned; see `concatenate_frames`."""
    schemas = [dataset.schema for dataset in datasets.values()]
    columns = _shared_columns(asset, {key: _types(dataset.schema) for key, dataset in datasets.items()}, column)
    schema = pa.unify_schemas([pa.schema([one.field(name) for name in columns]) for one in schemas])
    fragments = [
        fragment.format.make_fragment(
            fragment.path, fragment.filesystem, partition_expression=pyarrow.dataset.field(column) == str(key)
        )
        for key, dataset in datasets.items()
        for fragment in dataset.get_fragments()
    ]
    return pyarrow.dataset.FileSystemDataset(
        fragments, schema.append(pa.field(column, pa.string())), fragments[0].format, fragments[0].filesystem
    )


def _types(schema: pa.Schema) -> Mapping[str, pa.DataType]:
    return dict(zip(schema.names, schema.types, strict=True))


def _shared_columns(asset: str, schemas: Mapping[str, Mapping[str, Any]], partition_column: str) -> Sequence[str]:
    first = next(iter(schemas))
    expected = schemas[first]
    for key, schema in schemas.items():
        if partition_column in schema:
            raise PartitionColumnError(asset, key, partition_column)
        for column in dict.fromkeys([*expected, *schema]):
            if schema.get(column) != expected.get(column):
                types = [None if kind is None else str(kind) for kind in (schema.get(column), expected.get(column))]
                raise PartitionSchemaError(asset, key, column, types[0], types[1], first)
    return list(expected)
