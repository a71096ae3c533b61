"""Errors of tabular: columns and values that a table cannot hold, and queries that are refused."""

import dataclasses
from collections.abc import Sequence

from artifact_pipelines.core.exceptions import MOST_NAMES, UsageError, first_names


def _is_type(type_name: str | None) -> str:
    return "is missing" if type_name is None else f"is {type_name}"


@dataclasses.dataclass(eq=False)
class UnsupportedTypeError(UsageError):
    """No handler reads or writes values of this type."""

    action: str
    type_name: str
    supported: Sequence[str]
    reason: str = ""

    def __str__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return (
            f"Cannot {self.action} a value of type {self.type_name}{reason}. Supported: {'; '.join(self.supported)}. "
            "Use one of these, or register a handler for your type: artifact_pipelines.register_type_handler(...)."
        )


@dataclasses.dataclass(eq=False)
class UnsupportedColumnError(UsageError):
    """A column is of a type that Parquet, or one of its readers, cannot hold."""

    column: str
    type_name: str
    remedy: str

    def __str__(self) -> str:
        return f"Column {self.column!r} of type {self.type_name:.200} cannot be stored as Parquet. Nothing was stored. {self.remedy}"


@dataclasses.dataclass(eq=False)
class ColumnValueError(UsageError):
    """A column holds a value that its type can say, and what is stored of it cannot."""

    column: str
    type_name: str
    problem: str

    def __str__(self) -> str:
        return (
            f"Column {self.column!r:.200} of type {self.type_name:.200} holds a value that cannot be stored: {self.problem:.200}. "
            f"Nothing was stored. {self._remedy}"
        )

    @property
    def _remedy(self) -> str:
        if "a key twice" in self.problem:
            return "Keep one of them, or use a list of structs with a key and a value."
        if "within a day" in self.problem:
            return "Mend the value, or cast the column to a duration or to int64."
        if "precision" in self.problem:
            return "A decimal has 38 digits at the most, where DuckDB's HUGEINT has 39: cast the column to text, in DuckDB to VARCHAR."
        if any(kind in self.type_name for kind in ("date", "duration", "time")):
            return "Times in seconds are stored as milliseconds, dates as whole days: mend the value, or cast the column to int64."
        return "A text or a list is stored with a length of 31 bits: split the value over several rows."


@dataclasses.dataclass(eq=False)
class DuplicateColumnsError(UsageError):
    """Several columns of a table have the same name."""

    columns: Sequence[str]

    def __str__(self) -> str:
        return (
            f"More than one column is called {first_names(self.columns, MOST_NAMES)}. Nothing was stored. "
            "Rename them, for what is stored is read by name."
        )


@dataclasses.dataclass(eq=False)
class PartitionSchemaError(UsageError):
    """Partitions that are to become one table do not have the same columns and types."""

    asset: str
    partition: str
    column: str
    found: str | None
    expected: str | None
    expected_of: str

    def __str__(self) -> str:
        return (
            f"Asset {self.asset}: column {self.column!r} {_is_type(self.found)} in partition {self.partition!r:.200} and "
            f"{_is_type(self.expected)} in partition {self.expected_of!r:.200}, so they are not one table. Annotate the input "
            "dict[str, polars.LazyFrame] and bring them together yourself, name shared columns in the input's metadata "
            "(`columns`), or materialize the partitions anew."
        )


@dataclasses.dataclass(eq=False)
class PartitionColumnError(UsageError):
    """Partitions that are to become one table have a column of the name that the partition key is to have."""

    asset: str
    partition: str
    column: str

    def __str__(self) -> str:
        return (
            f"Asset {self.asset}: partition {self.partition!r:.200} has a column {self.column!r} already, which is the name "
            "for the column with the partition key. Choose another name for that in the input's metadata: "
            "artifact/partition_column."
        )


@dataclasses.dataclass(eq=False)
class UnsafeQueryError(UsageError):
    """A user's SQL is not exactly one SELECT, or asked for something it may not have."""

    problem: str

    def __str__(self) -> str:
        return f"The query was refused: {self.problem}. Write one SELECT over the dataset's table; files, settings and extensions are out of its reach."
