"""Errors of tables: columns and values that cannot be stored, partitions that do not match, and refused queries."""

import dataclasses
import re
from collections.abc import Sequence

from artifact_pipelines.core.exceptions import MOST_NAMES, UsageError, first_names

_FILE_TYPE_CHARACTERS = 32
_NO_NAME = re.compile(r"\W")
_NO_FILE_TYPE = re.compile(r"[^a-z0-9]")
_EXAMPLE = """ For example, beside your definitions:

class {name}Handler:
    writes = reads = ("{type_name}",)
    file_types = ("{file_type}",)
    def describe(self, value):
        return artifact_pipelines.FileDescription("{file_type}")
    def write(self, value, sink):
        sink.write(...)  # the value as bytes: the same for equal values
    def read(self, artifact, request):
        with artifact.open() as stream:
            return ...  # the value, made from stream.read()
    def facts(self, artifact):
        return {{}}
artifact_pipelines.register_type_handler({name}Handler())

docs/io_manager.md has a handler for every type, with pickle."""


def handler_example(type_name: str) -> str:
    """Return the code of a handler for a type."""
    name = _NO_NAME.sub("", type_name.rpartition(".")[2]).strip("_") or "My"
    file_type = _NO_FILE_TYPE.sub("", name.lower())[:_FILE_TYPE_CHARACTERS] or "bin"
    return _EXAMPLE.format(name=name, type_name=type_name, file_type=file_type)


@dataclasses.dataclass(eq=False)
class UnsupportedTypeError(UsageError):
    """No handler reads or writes values of this type."""

    action: str
    type_name: str
    supported: Sequence[str]
    reason: str = ""

    def __str__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        end = f"{handler_example(self.type_name)}\n\n" if self.action == "store" else " "
        return (
            f"Cannot {self.action} a value of type {self.type_name}{reason}. Register a handler for your type, "
            f"artifact_pipelines.register_type_handler(...), or use a supported type.{end}"
            f"Supported: {'; '.join(self.supported)}."
        )


@dataclasses.dataclass(eq=False)
class UnsupportedColumnError(UsageError):
    """A column has a type or name that Parquet or one of its readers cannot hold."""

    column: str
    type_name: str
    remedy: str

    def __str__(self) -> str:
        return f"Column {self.column!r} of type {self.type_name:.200} cannot be stored as Parquet. Nothing was stored. {self.remedy}"


@dataclasses.dataclass(eq=False)
class ColumnValueError(UsageError):
    """A column holds a value that its stored type cannot hold."""

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
        if "duplicate key" in self.problem:
            return "Keep one of the entries, or use a list of structs with a key and a value."
        if "within a day" in self.problem:
            return "Fix the value, or cast the column to a duration or to int64."
        if "years" in self.problem:
            return "Use null for an infinite date, or cast the column to int64 or text."
        if "precision" in self.problem:
            return "A decimal has at most 38 digits, and DuckDB's HUGEINT may have 39: cast the column to text, in DuckDB to VARCHAR."
        if any(kind in self.type_name for kind in ("date", "duration", "time")):
            return "Times in seconds are stored as milliseconds, dates as whole days: fix the value, or cast the column to int64."
        return "The length of a text or list is stored in 31 bits: split the value over several rows."


@dataclasses.dataclass(eq=False)
class DuplicateColumnsError(UsageError):
    """Several columns of a table have the same name."""

    columns: Sequence[str]

    def __str__(self) -> str:
        return (
            f"More than one column is called {first_names(self.columns, MOST_NAMES)}. Nothing was stored. "
            "Rename them: columns are read by name."
        )


@dataclasses.dataclass(eq=False)
class DuckDBNamesError(UsageError):
    """DuckDB cannot read columns under their names: they differ only in case, or a name is empty."""

    columns: Sequence[str]

    def __str__(self) -> str:
        return (
            f"DuckDB cannot read {first_names(self.columns, MOST_NAMES)}: it ignores the case of names and has no empty name, so it "
            "would rename columns. Rename them where the table is made. An asset's input may leave one of them out in its "
            "metadata (`columns`), or be read with polars, pyarrow or pandas."
        )


@dataclasses.dataclass(eq=False)
class PartitionSchemaError(UsageError):
    """Partitions requested as one table differ in columns or types."""

    asset: str
    partition: str
    column: str
    found: str | None
    expected: str | None
    expected_of: str

    def __str__(self) -> str:
        found, expected = self.found or "missing", self.expected or "missing"
        return (
            f"Asset {self.asset}: column {self.column!r} is {found} in partition {self.partition!r:.200} and is "
            f"{expected} in partition {self.expected_of!r:.200}, so they cannot become one table. Annotate the "
            "input dict[str, polars.LazyFrame] and combine them yourself, name shared columns in the input's metadata "
            "(`columns`), or materialize the partitions again."
        )


@dataclasses.dataclass(eq=False)
class PartitionColumnError(UsageError):
    """Partitions requested as one table already have a column with the name for the partition key."""

    asset: str
    partition: str
    column: str

    def __str__(self) -> str:
        return (
            f"Asset {self.asset}: partition {self.partition!r:.200} already has a column {self.column!r}, the name of the "
            "column for the partition key. Choose another name in the input's metadata: artifact/partition_column."
        )


@dataclasses.dataclass(eq=False)
class IncomparableTablesError(UsageError):
    """The rows of two tables cannot be compared."""

    reason: str

    def __str__(self) -> str:
        return f"The rows of the two tables cannot be compared. DuckDB says: {self.reason:.500}"


@dataclasses.dataclass(eq=False)
class NoCsvError(UsageError):
    """CSV has no form for the values of some columns."""

    columns: Sequence[str]

    def __str__(self) -> str:
        return f"The table cannot be written as CSV, which has no form for {first_names(self.columns)}. Write it as .parquet."


@dataclasses.dataclass(eq=False)
class UnsafeQueryError(UsageError):
    """A user's SQL is not exactly one SELECT, or accesses something forbidden."""

    problem: str

    def __str__(self) -> str:
        return f"The query was refused: {self.problem}. Write one SELECT over the dataset's table; it cannot access files, settings or extensions."


@dataclasses.dataclass(eq=False)
class SqlExpressionError(UsageError):
    """A user's SQL is not one expression over the columns of a table."""

    parameter: str
    sql: str
    problem: str

    def __str__(self) -> str:
        return (
            f"{self.parameter}: {self.sql!r:.200} is not one SQL expression over the columns of the table: {self.problem:.300}. "
            "Use columns, constants and functions of each row alone, in DuckDB's dialect."
        )


@dataclasses.dataclass(eq=False)
class SqlValueError(UsageError):
    """A user's SQL expression fails for the values of a row."""

    parameter: str
    sql: str
    problem: str

    def __str__(self) -> str:
        return (
            f"{self.parameter}: {self.sql!r:.200} fails for a row of the table: {self.problem:.300}. "
            "Give such rows a null: TRY_CAST in place of CAST, TRY(…) around other functions."
        )


@dataclasses.dataclass(eq=False)
class QueryError(UsageError):
    """DuckDB does not understand SQL over stored tables, or cannot answer it."""

    query: str
    reason: str
    tables: Sequence[str]

    def __str__(self) -> str:
        tables = first_names(self.tables) if self.tables else "none"
        hint = "Names of tables stand in quotes: SELECT * FROM 'flights/table@v3'."
        return (
            f"The query cannot be answered: {self.reason.strip()}\nTables found in it: {tables}. {hint}\n{self.query}"
        )
