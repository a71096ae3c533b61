"""The columns that a dataset expects in a file, as declared and as they were in the version before."""

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, Self

import pyarrow as pa

from artifact_pipelines.datasets.reading.column_declaration import ColumnDeclaration
from artifact_pipelines.datasets.reading.column_types import ColumnType
from artifact_pipelines.datasets.reading.limits import DEFAULT_LIMITS, Limits
from artifact_pipelines.datasets.reading.named_types import declared_type
from artifact_pipelines.datasets.reading.spelling import Spelling

OnSchemaChange = Literal["declared", "fail", "add_columns", "widen", "accept"]
OnBadRows = Literal["fail", "quarantine"]
MOST_BAD_ROWS = 0.5
"""Default of `max_bad_rows`: beyond it the file is most probably not what the dataset expects."""


@dataclasses.dataclass(frozen=True, slots=True)
class VersionBefore:
    """The current table of a dataset, whose types a new file is read with.

    Attributes:
        version: Its number; 0: it is no version, but the other files of a new one.
        columns: Names and Arrow types, as the catalog has them.
        read_as: How its file was read, as a format has written it down.
    """

    version: int
    columns: Mapping[str, str]
    read_as: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return f"version {self.version}" if self.version else "the files before it"


@dataclasses.dataclass(frozen=True, slots=True)
class Contract:
    """The columns and rules that a file of a dataset must keep.

    Attributes:
        columns: Declared columns with their DuckDB types; they are required unless `rules` says otherwise.
        key: Required columns that identify a row.
        before: None: there is no version yet.
        rules: What is declared of a column besides its type.
        on_schema_change: `declared`: the columns are the declared ones. `fail`: they are those of the version before.
            `add_columns`: there may be more. `widen`: and their types may become wider where nothing is lost.
            `accept`: they may be any.
        on_bad_rows: `fail`: a bad row refuses the file. `quarantine`: it is left out of the table and kept beside it.
        max_bad_rows: Largest share of bad rows; more refuse the file.
        allows_empty: True if a file without rows may follow a version.
        limits: Of the process that reads a file.
        partition_column: Required column whose values are the keys of partitions; None: there is none.
        key_of_file: True if the name of the file is one more column of the key.
    """

    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    key: Sequence[str] = ()
    before: VersionBefore | None = None
    on_schema_change: OnSchemaChange = "widen"
    rules: Mapping[str, ColumnDeclaration] = dataclasses.field(default_factory=dict)
    on_bad_rows: OnBadRows = "fail"
    max_bad_rows: float = MOST_BAD_ROWS
    allows_empty: bool = False
    limits: Limits = DEFAULT_LIMITS
    partition_column: str | None = None
    key_of_file: bool = False

    @classmethod
    def declared(
        cls,
        columns: Mapping[str, ColumnDeclaration],
        key: Sequence[str],
        on_schema_change: OnSchemaChange,
        on_bad_rows: OnBadRows = "fail",
        max_bad_rows: float = MOST_BAD_ROWS,
        allows_empty: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        partition_column: str | None = None,
    ) -> Self:
        """Return the contract that a YAML file declares."""
        columns = {name: each.model_copy(update={"description": None}) for name, each in columns.items()}
        found = {name: each.type or ("VARCHAR" if each.pattern else None) for name, each in columns.items()}
        types = {name: kind for name, kind in found.items() if kind is not None}
        rules = {
            name: each for name, each in columns.items() if each != ColumnDeclaration(type=each.type) or not each.type
        }
        bad_rows = (on_bad_rows, max_bad_rows, allows_empty)
        return cls(types, key, None, on_schema_change, rules, *bad_rows, limits, partition_column)

    @property
    def leaves_out(self) -> bool:
        """True if bad rows are left out of the table."""
        return self.on_bad_rows == "quarantine"

    @property
    def required(self) -> Sequence[str]:
        """The columns that a file must have."""
        always = [*self.key, *([self.partition_column] if self.partition_column else [])]
        names = dict.fromkeys([*self.columns, *self.rules, *always])
        return [name for name in names if name in always or name not in self.rules or self.rules[name].required]

    @property
    def known_columns(self) -> Collection[str]:
        """The columns that are declared, and those of the version before."""
        return {*self.columns, *self.rules, *self.key, *(self.before.columns if self.before else ())}

    def spelled(self) -> str:
        """Return how values of columns are written, if any is declared; values change with it."""
        return "".join(f" {name}={each.spelled}" for name, each in self.rules.items() if each.spelled)

    def checks(self) -> str:
        """Return the rules for values of columns and for bad rows, if there are any."""
        bad_rows = f" bad_rows={self.max_bad_rows}" if self.leaves_out else ""
        keys = f" partitions={self.partition_column}" if self.partition_column else ""
        return "".join(f" {name}={each.checks}" for name, each in self.rules.items() if each.checks) + bad_rows + keys

    @property
    def has_unique(self) -> bool:
        """True if values of some columns may not stand twice."""
        return bool(self.key) or any(each.unique for each in self.rules.values())

    def unique_columns(self, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return columns of a file that have no two rows with the same values, by the field that declares them."""
        alone = [name for name, each in self.rules.items() if each.unique and name in names]
        key = {"key": self.key} if self.key else {}
        return {**key, **{f"columns.{name}.unique": [name] for name in alone}}

    def declared_types(self, spelling: Spelling) -> Mapping[str, ColumnType]:
        """Return the types of the declared columns, whose values are written as their column or else the file says."""
        return {
            name: declared_type(kind, self.rules[name].spelling(spelling) if name in self.rules else spelling)
            for name, kind in self.columns.items()
        }

    @property
    def kept(self) -> Mapping[str, str]:
        """The columns of the version before, whose types are kept, with their Arrow types."""
        if self.before is None or self.on_schema_change == "accept":
            return {}
        return {name: plain_name(kind) for name, kind in self.before.columns.items()}

    def ordered(self, names: Sequence[str]) -> Sequence[str]:
        """Return names of columns in the order of the version before; new ones stand at the end."""
        kept = [name for name in self.kept if name in names]
        return [*kept, *(name for name in names if name not in self.kept)]

    def reordered(self, names: Sequence[str]) -> Sequence[str]:
        """Return the columns of the version before that stand in another order in a file."""
        now = [name for name in names if name in self.kept]
        before = [name for name in self.kept if name in names]
        return [name for name, other in zip(now, before, strict=True) if name != other]

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
    """Return Arrow's name of a type, as `plain_name` does."""
    return plain_name("string" if pa.types.is_string_view(kind) else str(kind))


def plain_name(name: str) -> str:
    """Return Arrow's name of a type without its layout: size of offsets and indices, names in lists and maps."""
    for layout, plain in _LAYOUTS.items():
        name = re.sub(layout, plain, name)
    return name


_LAYOUTS = {
    r"large_(string|binary|list)": r"\1",
    r"dictionary<values=string, indices=u?int\d+, ordered=[01]>": "dictionary<string>",
    r"\b(fixed_size_)?list<\w+: ": r"\1list<item: ",
    r" \('[^']*'\)(?=[,>])": "",
    " not null": "",
}
