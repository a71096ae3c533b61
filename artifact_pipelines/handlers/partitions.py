"""Gather the partitions of an input into the form that its annotation asks for; split an output into partitions.

Annotation, number of partitions and input metadata alone decide the form.
"""

import collections.abc
import dataclasses
import typing
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from artifact_pipelines.core.exceptions import InvalidArgumentError, first_names
from artifact_pipelines.handlers.annotations import allows_none, is_open, type_names, type_title, without_none
from artifact_pipelines.handlers.exceptions import (
    MissingPartitionsError,
    PartitionedOutputError,
    PartitionsAnnotationError,
)

PARTITION_COLUMN_METADATA_KEY = "artifact/partition_column"
"""Input metadata: name of the column for the partition key when partitions become one table."""

_DEFAULT_PARTITION_COLUMN = "partition"
_ONE_TABLE = ("polars.LazyFrame", "polars.DataFrame", "pyarrow.Table")


@dataclasses.dataclass(frozen=True, slots=True)
class LoadedPartitions:
    """The partitions that an input covers.

    Attributes:
        keys: Keys of all partitions that the input covers.
        found: Number of these with a stored value; fewer if the input allows missing partitions.
        values: Reads the stored values as a given type, one by one and in order of `keys`.
    """

    input_name: str
    asset: str
    keys: Sequence[str]
    found: int
    values: Callable[[Any], Iterator[tuple[str, Any]]]


def gather_partitions(partitions: LoadedPartitions, annotation: Any, metadata: Mapping[str, Any]) -> Any:
    """Return the values of partitions in the form that an annotation asks for.

    Raises:
        PartitionsAnnotationError: There are many partitions, and the annotation is the type of one value.
        MissingPartitionsError: No partition has a value, and the annotation does not allow None.
    """
    kind, count = without_none(annotation), len(partitions.keys)
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin in (dict, collections.abc.Mapping) and len(arguments) == 2 and arguments[0] in (str, Any):
        return dict(partitions.values(arguments[1]))
    if origin in (collections.abc.Iterator, collections.abc.Iterable):
        [wanted] = arguments or [None]
        if typing.get_origin(wanted) is tuple and len(typing.get_args(wanted)) == 2:
            return partitions.values(typing.get_args(wanted)[1])
        return (value for _, value in partitions.values(wanted))
    column = metadata.get(PARTITION_COLUMN_METADATA_KEY)
    if partitions.found and kind is not None and (count > 1 or column is not None):
        table_type = next(iter(type_names(kind)), None)
        if table_type in _ONE_TABLE:
            return _concatenate(partitions, table_type, kind, _check_column(column))
    if count > 1 and (is_open(kind) or kind is dict):
        return dict(partitions.values(None))
    if count > 1 and partitions.found:
        raise PartitionsAnnotationError(partitions.input_name, partitions.asset, count, type_title(kind))
    if not partitions.found and not is_open(annotation) and not allows_none(annotation):
        raise MissingPartitionsError(partitions.asset, partitions.keys, count, type_title(annotation))
    return next((value for _, value in partitions.values(annotation)), None)


def _concatenate(partitions: LoadedPartitions, table_type: str, kind: Any, column: str) -> Any:
    from artifact_pipelines.tabular.concatenation import concatenate_frames, concatenate_tables

    concatenate: Callable[..., Any] = concatenate_tables if table_type == "pyarrow.Table" else concatenate_frames
    return concatenate(partitions.asset, dict(partitions.values(kind)), column)


def _check_column(column: object) -> str:
    if column is None:
        return _DEFAULT_PARTITION_COLUMN
    if not isinstance(column, str) or not column:
        raise InvalidArgumentError(f"Input metadata {PARTITION_COLUMN_METADATA_KEY}", column, "the name of a column")
    return column


def split_by_partition(
    asset: str, partitions: Sequence[str], value: object, may_be_several: bool
) -> Iterable[tuple[str, object]] | None:
    """Return pairs of partition and value, in order; None if the output is one value of one partition.

    Args:
        asset: Asset of the partitions, for errors.
        partitions: Keys of the partitions that the run covers, in order.
        value: Output of the run. For several partitions, a mapping, or a generator of pairs, which is resumed after
            the pair before has been stored.
        may_be_several: True if runs of the asset may cover several partitions. Then, with one partition too, a
            generator yields pairs, and a mapping whose only key is the partition holds its value.

    Raises:
        PartitionedOutputError: It is not one value for each partition. A generator raises it while it is read.
    """
    several = len(partitions) > 1
    if isinstance(value, Generator) and (several or may_be_several):
        return _checked_pairs(asset, partitions, value)
    if isinstance(value, Mapping) and (several or (may_be_several and list(value) == list(partitions))):
        _check_keys(asset, partitions, list(value))
        return [(partition, value[partition]) for partition in partitions]
    if several:
        raise PartitionedOutputError(asset, len(partitions), f"its output is one {type_title(type(value))}")
    return None


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
