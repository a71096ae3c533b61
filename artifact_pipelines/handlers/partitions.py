"""Gather the partitions of an input into the form that its annotation asks for; split an output into partitions.

Annotation, number of partitions and input metadata alone decide the form.
"""

import collections.abc
import dataclasses
import typing
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from artifact_pipelines.core.exceptions import InvalidArgumentError, first_names
from artifact_pipelines.handlers.annotations import allows_none, is_open, type_names, type_title, without_none
from artifact_pipelines.handlers.exceptions import (
    MissingPartitionsError,
    PartitionedOutputError,
    PartitionsAnnotationError,
)
from artifact_pipelines.handlers.pandas_handler import ARROW_FOR_PANDAS

PARTITION_COLUMN_METADATA_KEY = "artifact/partition_column"
"""Metadata: name of the column for the partition key. Of an input whose partitions become one table, and of an asset
that returns its partitions as one table."""

_DEFAULT_PARTITION_COLUMN = "partition"
_READ_AS = {
    "polars.LazyFrame": "polars.LazyFrame",
    "polars.DataFrame": "polars.DataFrame",
    "pyarrow.Table": "pyarrow.Table",
    "pyarrow.Dataset": "pyarrow.Dataset",
    "duckdb.DuckDBPyRelation": "pyarrow.Dataset",
    "pandas.DataFrame": ARROW_FOR_PANDAS,
}
"""The types that partitions come as in one table, and the type that each of them is read as for it."""
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_SPLIT = ("polars.DataFrame", "polars.LazyFrame", "pyarrow.Table", "pandas.DataFrame")


@dataclasses.dataclass(frozen=True, slots=True)
class LoadedPartitions:
    """The partitions that an input covers.

    Attributes:
        keys: Keys of all partitions that the input covers.
        stored: Those with a stored value, in order; fewer if the input allows missing partitions.
        filled: Those whose stored value is not None. Dagster's IO managers leave the others out.
        read: Reads the value of a partition as a given type.
        read_any_table: Reads the newest table of any partition of the asset; returns None if there is none.
        holds_dict: True for a partition whose stored value is a dict.
    """

    input_name: str
    asset: str
    keys: Sequence[str]
    stored: Sequence[str]
    filled: Sequence[str]
    read: Callable[[str, Any], Any]
    read_any_table: Callable[[Any], Any]
    holds_dict: Callable[[str], bool]

    def values(self, annotation: Any) -> Iterator[tuple[str, Any]]:
        """Read the values that are not None as a given type, one by one and in order."""
        return ((key, self.read(key, annotation)) for key in self.filled)


def gather_partitions(partitions: LoadedPartitions, annotation: Any, metadata: Mapping[str, Any]) -> Any:
    """Return the values of partitions in the form that an annotation asks for.

    Raises:
        PartitionsAnnotationError: There are many partitions, and the annotation is the type of one value.
        MissingPartitionsError: No partition has a value, and the annotation does not allow None.
    """
    kind, count = without_none(annotation), len(partitions.keys)
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    is_by_name = origin in _DICTS and len(arguments) == 2 and arguments[0] in (str, Any)
    if is_by_name and not (_holds_one_dict(partitions) and not _is_dict(arguments[1])):
        return dict(partitions.values(arguments[1]))
    if origin in (collections.abc.Iterator, collections.abc.Iterable):
        [wanted] = arguments or [None]
        if typing.get_origin(wanted) is tuple and len(typing.get_args(wanted)) == 2:
            return partitions.values(typing.get_args(wanted)[1])
        return (value for _, value in partitions.values(wanted))
    column = metadata.get(PARTITION_COLUMN_METADATA_KEY)
    table_type = next(iter(type_names(kind)), "")
    if partitions.filled and table_type in _READ_AS and (count > 1 or column is not None):
        return _concatenate(partitions, table_type, check_partition_column(column))
    if count > 1 and (is_open(kind) or kind is dict):
        return dict(partitions.values(None))
    if count > 1 and partitions.filled:
        raise PartitionsAnnotationError(partitions.input_name, partitions.asset, count, type_title(kind))
    if count == 1 and partitions.stored:
        return partitions.read(partitions.stored[0], annotation)
    if is_open(annotation) or allows_none(annotation):
        return None
    if count == 0 and table_type in _READ_AS and (table := _make_empty(partitions, table_type)) is not None:
        return table
    raise MissingPartitionsError(partitions.asset, partitions.keys, count, type_title(annotation))


def _holds_one_dict(partitions: LoadedPartitions) -> bool:
    return len(partitions.keys) == 1 and any(map(partitions.holds_dict, partitions.filled))


def _is_dict(annotation: Any) -> bool:
    kind = without_none(annotation)
    return (typing.get_origin(kind) or kind) in _DICTS or typing.is_typeddict(kind)


def _concatenate(partitions: LoadedPartitions, table_type: str, column: str) -> Any:
    from artifact_pipelines.tabular.concatenation import concatenate_datasets, concatenate_frames, concatenate_tables

    read_as = _READ_AS[table_type]
    concatenate = cast("Callable[..., Any]", concatenate_frames)
    if not read_as.startswith("polars."):
        concatenate = concatenate_datasets if read_as == "pyarrow.Dataset" else concatenate_tables
    return _convert(concatenate(partitions.asset, dict(partitions.values(read_as)), column), table_type)


def _make_empty(partitions: LoadedPartitions, table_type: str) -> Any:
    """Return a table without rows, with the columns of the newest stored partition; None if the asset holds none."""
    dataset = partitions.read_any_table("pyarrow.Dataset")
    if dataset is None:
        return None
    table = dataset.schema.empty_table()
    if table_type.startswith("polars."):
        import polars as pl

        frame = cast("pl.DataFrame", pl.from_arrow(table))
        return frame.lazy() if table_type == "polars.LazyFrame" else frame
    if table_type == "pyarrow.Dataset":
        import pyarrow.dataset

        return pyarrow.dataset.dataset(table)
    return _convert(table, table_type)


def _convert(table: Any, table_type: str) -> Any:
    """Return an Arrow table or dataset as a DuckDB relation or pandas frame if that is wanted."""
    if table_type == "duckdb.DuckDBPyRelation":
        from artifact_pipelines.handlers.duckdb_connections import make_relation
        from artifact_pipelines.tabular.duckdb_names import check_duckdb_names

        check_duckdb_names(table.schema.names)
        return make_relation(lambda connection: connection.from_arrow(table))
    if table_type == "pandas.DataFrame":
        from artifact_pipelines.handlers.pandas_handler import make_frame

        return make_frame(table)
    return table


def check_partition_column(column: object) -> str:
    """Return the name of the column for the partition key that metadata declare, by default `partition`."""
    if column is None:
        return _DEFAULT_PARTITION_COLUMN
    if not isinstance(column, str) or not column:
        raise InvalidArgumentError(f"metadata {PARTITION_COLUMN_METADATA_KEY}", column, "the name of a column")
    return column


def split_by_partition(
    asset: str, partitions: Sequence[str], value: object, may_be_several: bool, column: str | None = None
) -> Iterable[tuple[str, object]] | None:
    """Return pairs of partition and value, in order; None if the output is one value of one partition.

    Args:
        asset: Asset of the partitions, for errors.
        partitions: Keys of the partitions that the run covers, in order.
        value: Output of the run. For several partitions, a mapping, a generator of pairs, which is resumed after the
            pair before has been stored, or a table.
        may_be_several: True if runs of the asset may cover several partitions. Then, with one partition too, a
            generator yields pairs, and a mapping whose only key is the partition holds its value.
        column: Name of the column with the partition key of each row, if the asset returns one table.

    Raises:
        PartitionedOutputError: It is not one value for each partition. A generator raises it while it is read.
    """
    several = len(partitions) > 1
    if isinstance(value, Generator) and (several or may_be_several):
        return _checked_pairs(asset, partitions, value)
    if isinstance(value, Mapping) and (several or (may_be_several and list(value) == list(partitions))):
        _check_keys(asset, partitions, list(value))
        return [(partition, value[partition]) for partition in partitions]
    if column is not None and (table_type := type_title(type(value))) in _SPLIT:
        return zip(partitions, _split_table(asset, partitions, value, table_type, column), strict=True)
    if several:
        raise PartitionedOutputError(asset, len(partitions), f"its output is one {type_title(type(value))}")
    return None


def _split_table(
    asset: str, partitions: Sequence[str], table: object, table_type: str, column: str
) -> Iterator[object]:
    from artifact_pipelines.tabular.splitting import column_names, split_table

    keys = [*map(str, partitions)]  # some are a kind of text

    def check(values: Sequence[object]) -> None:
        if others := [type(value).__qualname__ for value in values if not isinstance(value, str)]:
            problem = f"column {column!r} of its output holds {others[0]}, not only text"
            raise PartitionedOutputError(asset, len(partitions), problem)
        if unknown := sorted({*map(str, values)} - {*keys}):
            problem = f"{first_names(unknown)} in column {column!r} of its output is none of them"
            raise PartitionedOutputError(asset, len(partitions), problem)

    if column not in column_names(table):
        raise PartitionedOutputError(asset, len(partitions), f"its output has no column {column!r}")
    return split_table(table, table_type, column, keys, check)


def _checked_pairs(asset: str, partitions: Sequence[str], pairs: Iterator[object]) -> Iterator[tuple[str, object]]:
    left = dict.fromkeys(partitions)
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            problem = f"its output is a generator of {type(pair).__qualname__}, not of pairs"
            raise PartitionedOutputError(asset, len(partitions), problem)
        if pair[0] not in left:
            problem = f"{pair[0]!r:.200} is " + ("none of them" if pair[0] not in partitions else "given twice")
            raise PartitionedOutputError(asset, len(partitions), problem)
        del left[pair[0]]
        yield pair
    _check_keys(asset, partitions, [key for key in partitions if key not in left])


def _check_keys(asset: str, partitions: Sequence[str], keys: Sequence[object]) -> None:
    given, wanted = {*keys}, {*partitions}
    missing = [key for key in partitions if key not in given]
    unknown = [str(key) for key in keys if key not in wanted]
    if unknown:
        raise PartitionedOutputError(asset, len(partitions), f"{first_names(unknown)} is none of them")
    if missing:
        raise PartitionedOutputError(asset, len(partitions), f"a value is missing for {first_names(missing)}")
