"""What a dataset expects of a file: its columns, as declared and as they were in the version before."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

OnSchemaChange = Literal["fail", "add_columns", "widen", "accept"]


@dataclasses.dataclass(frozen=True, slots=True)
class VersionBefore:
    """The current table of a dataset, whose types a new file is read with.

    Attributes:
        version: Its number.
        columns: Names and Arrow types, as the catalog has them.
        read_as: How its file was read, as a format has written it down.
    """

    version: int
    columns: Mapping[str, str]
    read_as: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Contract:
    """What a dataset expects.

    Attributes:
        columns: Required columns with their DuckDB types.
        key: Required columns that identify a row.
        before: None: there is no version yet.
        on_schema_change: `fail`: the columns are those of the version before. `add_columns`: there may be more.
            `widen`: and their types may become wider where nothing is lost. `accept`: they may be any.
    """

    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    key: Sequence[str] = ()
    before: VersionBefore | None = None
    on_schema_change: OnSchemaChange = "widen"

    @property
    def kept(self) -> Mapping[str, str]:
        """The columns of the version before, whose types are kept, with their Arrow types."""
        return self.before.columns if self.before and self.on_schema_change != "accept" else {}

    @property
    def read_as(self) -> Mapping[str, Any]:
        """How the file of the version before was read."""
        return self.before.read_as if self.before else {}

    def widened(self, schema: pa.Schema) -> Mapping[str, str]:
        """Return the columns whose types are not those of the version before, with both types."""
        now = {field.name: arrow_name(field.type) for field in schema}
        changed = {name: kind for name, kind in self.kept.items() if name in now and now[name] != kind}
        return {name: f"{kind} -> {now[name]}" for name, kind in changed.items() if kind != "large_string"}


def arrow_name(kind: pa.DataType) -> str:
    """Return Arrow's name of a type; texts of any layout are `string`."""
    return "string" if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else str(kind)
