"""How the partitions that an input covers are handed over: by its annotation, as one value, many, or one table.

No Dagster here: what is decided is decided by annotation, number of partitions and input metadata alone.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from artifact_pipelines.core.exceptions import InvalidArgumentError, MissingPartitionsError, PartitionsAnnotationError
from artifact_pipelines.io_manager.annotations import Form, allows_none, is_open, partitions_annotation, without_none
from artifact_pipelines.io_manager.registry import type_names

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
    from artifact_pipelines.tabular.partitioned import concatenate_frames, concatenate_tables

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
