"""A user's SQL that must find no rows."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic

from artifact_pipelines.checks.interfaces import CheckedTable, ICheckKind
from artifact_pipelines.core.wording import counted

_Query = Annotated[str, pydantic.StringConstraints(strip_whitespace=True, min_length=1)]
_Name = Annotated[str, pydantic.Field(pattern=r"^[a-z](_?[a-z0-9])*_?$", max_length=63)]
_AssetKey = Annotated[str, pydantic.Field(pattern=r"^[^/\s]+(/[^/\s]+)*$")]


class Sql(ICheckKind):
    """Require that a query returns no rows."""

    model_config = pydantic.ConfigDict(populate_by_name=True)
    kind: Literal["sql"] = "sql"
    sql: _Query = pydantic.Field(
        alias="query", description="One SELECT of the rows that break the check; the table has the dataset's name."
    )
    others: Mapping[_Name, _AssetKey] = pydantic.Field(
        default={}, alias="inputs", description="Asset keys of other tables, by their names in the query."
    )

    def promise(self) -> str:
        """See `ICheckKind`."""
        return f"This query returns no rows.\n\n```sql\n{self.sql}\n```"

    def finding(self, count: int, first: Mapping[str, Any]) -> str:
        """See `ICheckKind`."""
        return f"The query returned {counted(count, 'row')}."

    def inputs(self) -> Mapping[str, str]:
        """See `ICheckKind`."""
        return self.others

    def query(self, table: CheckedTable) -> str:
        """See `ICheckKind`."""
        return self.sql.rstrip("; \n")
