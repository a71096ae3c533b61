"""How the partitions that an input covers are handed over: by its annotation, as one value, many, or one table.

No Dagster here: what is decided is decided by annotation, number of partitions and input metadata alone.
"""

import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from artifact_pipelines.core.exceptions import InvalidArgumentError, first_names
from artifact_pipelines.handlers.annotations import Form, allows_none, is_open, partitions_annotation, without_none
from artifact_pipelines.handlers.exceptions import (
    MissingPartitionsError,
    PartitionedOutputError,
    PartitionsAnnotationError,
)
from artifact_pipelines.handlers.registry import type_names

PARTITION_COLUMN_METADATA_KEY = "artifact/partition_column"
"""Input metadata: the name of the column that holds the partition key, where partitions become one table."""

PARTITION_COLUMN = "partition"
"""Its name when the metadata do not say."""

_ONE_TABLE = ("polars.LazyFrame", "polars.DataFrame", "pyarrow.Table")


@dataclasses.dataclass(frozen=True, slots=True)
class LoadedPartitions:
    """Partitions that an input covers.

    Attributes:
        input_name: Name of the input, for errors.
        asset: Whose partitions they are.
        keys: Of those that the input covers.
        found: How many of them hold something: fewer, if the input allows that some are missing.
        values: Reads those, one by one and in order, as values of a type.
    """

    input_name: str
    asset: str
    keys: Sequence[str]
    found: int
    values: Callable[[Any], Iterator[tuple[str, Any]]]

    @property
    def wanted(self) -> int:
        """How many the input covers."""
        return len(self.keys)


def hand_over(partitions: LoadedPartitions, annotation: Any, metadata: Mapping[str, Any]) -> Any:
    """Return partitions as an annotation asks for them.

    Raises:
        PartitionsAnnotationError: They are many, and it is the type of one value.
        MissingPartitionsError: None holds anything, and it is the type of a value.
    """
    wanted = partitions_annotation(annotation)
    if wanted is not None:
        values = partitions.values(wanted.value)
        if wanted.form == Form.BY_KEY:
            return dict(values)
        return values if wanted.form == Form.PAIRS_IN_ORDER else (value for _, value in values)
    kind = without_none(annotation)
    column = metadata.get(PARTITION_COLUMN_METADATA_KEY)
    if partitions.found and kind is not None and (partitions.wanted > 1 or column is not None):
        table_type = next(iter(type_names(kind)), None)
        if table_type in _ONE_TABLE:
            return _one_table(partitions, table_type, kind, _checked(column))
    if partitions.wanted > 1 and (is_open(kind) or kind is dict):
        return dict(partitions.values(None))
    if partitions.wanted > 1 and partitions.found:
        raise PartitionsAnnotationError(partitions.input_name, partitions.asset, partitions.wanted, _title(kind))
    if not partitions.found and not is_open(annotation) and not allows_none(annotation):
        raise MissingPartitionsError(partitions.asset, partitions.keys, partitions.wanted, _title(annotation))
    return next((value for _, value in partitions.values(annotation)), None)


def _one_table(partitions: LoadedPartitions, table_type: str, kind: Any, column: str) -> Any:
    from artifact_pipelines.tabular.concatenation import concatenate_frames, concatenate_tables

    concatenate: Callable[..., Any] = concatenate_tables if table_type == "pyarrow.Table" else concatenate_frames
    return concatenate(partitions.asset, dict(partitions.values(kind)), column)


def _checked(column: object) -> str:
    if column is None:
        return PARTITION_COLUMN
    if not isinstance(column, str) or not column:
        raise InvalidArgumentError(f"Input metadata {PARTITION_COLUMN_METADATA_KEY}", column, "the name of a column")
    return column


def _title(kind: Any) -> str:
    return f"{kind.__module__.split('.')[0]}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)


def values_by_partition(
    asset: str, partitions: Sequence[str], value: object, may_be_several: bool
) -> Iterable[tuple[str, object]] | None:
    """Return the value of each partition, in order; None when there is one partition, and one value.

    Args:
        asset: Whose partitions they are, for errors.
        partitions: Those that the run covers, in order.
        value: What it put out. For several partitions a mapping, or a generator of pairs, which is asked for the next
            pair when the one before has been stored.
        may_be_several: Whether runs of the asset may cover several partitions. Then a generator is one of pairs for
            one partition too, and so is a mapping whose only key is the partition; any other mapping is a value.

    Raises:
        PartitionedOutputError: It is not one value for each partition; of a generator this is found when it is read.
    """
    several = len(partitions) > 1
    if isinstance(value, Generator) and (several or may_be_several):
        return _checked_pairs(asset, partitions, value)
    if isinstance(value, Mapping) and (several or (may_be_several and list(value) == list(partitions))):
        _check_keys(asset, partitions, list(value))
        return [(partition, value[partition]) for partition in partitions]
    if several:
        kind = type(value)
        title = f"{kind.__module__.split('.')[0]}.{kind.__qualname__}"
        raise PartitionedOutputError(asset, len(partitions), f"what it put out is one {title}")
    return None


def _checked_pairs(asset: str, partitions: Sequence[str], pairs: Iterator[object]) -> Iterator[tuple[str, object]]:
    left = dict.fromkeys(partitions)
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            problem = f"it put out a generator of {type(pair).__qualname__}, not of pairs"
            raise PartitionedOutputError(asset, len(partitions), problem)
        if pair[0] not in left:
            problem = f"{pair[0]!r:.200} is " + ("none of them" if pair[0] not in partitions else "there twice")
            raise PartitionedOutputError(asset, len(partitions), problem)
        del left[pair[0]]
        yield pair
    _check_keys(asset, partitions, [key for key in partitions if key not in left])


def _check_keys(asset: str, partitions: Sequence[str], keys: Sequence[object]) -> None:
    given, wanted = dict.fromkeys(keys), dict.fromkeys(partitions)
    missing = [str(key) for key in wanted if key not in given]
    unknown = [str(key) for key in given if key not in wanted]
    problems = []
    if missing:
        problems.append(f"a value is missing for {first_names(missing)}")
    if unknown:
        problems.append(f"{first_names(unknown)} is none of them")
    if problems:
        raise PartitionedOutputError(asset, len(partitions), ", and ".join(problems))
