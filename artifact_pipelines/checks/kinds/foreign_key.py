"""Values that stand in another dataset."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import pydantic

from artifact_pipelines.checks.interfaces import CheckedTable, Columns, ICheckKind
from artifact_pipelines.core.wording import counted
from artifact_pipelines.tabular.locked_duckdb import quoted

_OTHER = "referenced"


class ForeignKey(ICheckKind):
    """Require that values of some columns stand in another dataset; a row with a null there is allowed."""

    kind: Literal["foreign_key"] = "foreign_key"
    columns: Columns = pydantic.Field(description="Columns of this dataset.")
    to: Annotated[str, pydantic.Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")] = pydantic.Field(
        description="The other dataset; its table is read."
    )
    to_columns: Columns | None = pydantic.Field(
        default=None, description="Columns of the other dataset, in the same order; left out: of the same names."
    )

    @pydantic.model_validator(mode="after")
    def _pairs_columns(self) -> Self:
        if self.to_columns is not None and len(self.to_columns) != len(self.columns):
            raise ValueError("`columns` and `to_columns` have different lengths")
        return self

    def promise(self) -> str:
        """See `ICheckKind`."""
        own, other = (" and ".join(f"`{name}`" for name in names) for names in (self.columns, self._others()))
        return f"Each {own} is found in {other} of dataset {self.to}."

    def finding(self, count: int, first: Mapping[str, Any]) -> str:
        """See `ICheckKind`."""
        return f"{counted(count, 'row has', 'rows have')} a value that is not found."

    def inputs(self) -> Mapping[str, str]:
        """See `ICheckKind`."""
        return {_OTHER: f"{self.to}/table"}

    def query(self, table: CheckedTable) -> str:
        """See `ICheckKind`."""
        known = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in self.columns)
        pairs = zip(self.columns, self._others(), strict=True)
        same = " AND ".join(f"mine.{quoted(own)} = other.{quoted(theirs)}" for own, theirs in pairs)
        mine = f"(SELECT * FROM {table.sql} WHERE {known}) AS mine"  # noqa: S608 - all names are quoted
        return f"SELECT mine.* FROM {mine} ANTI JOIN {_OTHER} AS other ON {same}"  # noqa: S608 - likewise

    def _others(self) -> Columns:
        return self.to_columns or self.columns
