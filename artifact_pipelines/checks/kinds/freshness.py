"""The age of the data."""

import datetime
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
        return f"{self._what()} is at most {self.within} old."

    def query(self, table: CheckedTable) -> str:
        """See `ICheckKind`."""
        oldest = _moment(table.checked_at - datetime.timedelta(seconds=parse_duration_s(self.within, "within")))
        if self.column is None:
            made_at = _moment(table.made_at or table.checked_at)
            return f"SELECT {made_at} AS newest WHERE {made_at} < {oldest}"
        newest = f"max(CAST({quoted(self.column)} AS TIMESTAMPTZ))"
        return f"SELECT {newest} AS newest FROM {table.sql} HAVING {newest} IS NULL OR {newest} < {oldest}"  # noqa: S608

    def finding(self, count: int, first: Mapping[str, Any]) -> str:
        """See `ICheckKind`."""
        if not first["newest"]:
            return f"No row has a value in `{self.column}`."
        return f"{self._what()} is from {first['newest']}."

    def _what(self) -> str:
        return f"The newest `{self.column}`" if self.column else "The current version"


def _moment(time: datetime.datetime) -> str:
    return f"CAST({literal(str(time))} AS TIMESTAMPTZ)"
