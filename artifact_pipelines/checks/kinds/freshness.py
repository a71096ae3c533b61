"""The age of the data."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import pydantic

from artifact_pipelines.checks.interfaces import CheckedTable, ICheckKind
from artifact_pipelines.checks.sql_text import literal
from artifact_pipelines.core.durations import parse_duration_s
from artifact_pipelines.declarations import checked_by
from artifact_pipelines.tabular.locked_duckdb import quoted

_Duration = Annotated[str, checked_by(lambda text: parse_duration_s(text, "within"))]


class Freshness(ICheckKind):
    """Require that the newest date of a column, or the newest version of the table, is not too old."""

    RUNS_HOURLY: ClassVar[bool] = True
    kind: Literal["freshness"] = "freshness"
    column: str | None = pydantic.Field(
        default=None,
        min_length=1,
        description="Column of dates or timestamps, without a zone in UTC; left out: the time when the version came.",
    )
    within: _Duration = pydantic.Field(description="Greatest age, such as 36h or 8d.")

    def promise(self) -> str:
        """See `ICheckKind`."""
        what = f"The newest `{self.column}`" if self.column else "The newest version"
        return f"{what} is not older than {self.within}."

    def query(self, table: CheckedTable) -> str:
        """See `ICheckKind`."""
        oldest = f"now() - INTERVAL '{parse_duration_s(self.within, 'within')} seconds'"
        if self.column is None:
            made_at = f"CAST({literal(str(table.made_at))} AS TIMESTAMPTZ)" if table.made_at else "now()"
            return f"SELECT {made_at} AS newest WHERE {made_at} < {oldest}"
        newest = f"max(CAST({quoted(self.column)} AS TIMESTAMPTZ))"
        return f"SELECT {newest} AS newest FROM {table.sql} HAVING {newest} IS NULL OR {newest} < {oldest}"  # noqa: S608

    def finding(self, count: int, first: Mapping[str, Any]) -> str:
        """See `ICheckKind`."""
        return f"The newest is {first['newest']}." if first["newest"] else "There is none."
