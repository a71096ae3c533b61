"""What questions about periods of time share: a column of dates or moments, and the zone whose days count."""

import zoneinfo
from typing import Annotated

import pyarrow as pa
import pydantic

from artifact_pipelines.analysis.exceptions import InvalidQueryError
from artifact_pipelines.analysis.questions.ready_made import Column, IReadyMade, Types
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.declarations import checked_by
from artifact_pipelines.tabular.locked_duckdb import quoted
from artifact_pipelines.tabular.type_names import type_name


def _check_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise InvalidArgumentError("time_zone", name, "the name of a zone, such as Europe/Berlin")


class IInTime(IReadyMade):
    """A ready-made question about the periods in which rows lie."""

    time: Column = pydantic.Field(description="Column of dates or moments; rows without one do not count.")
    every: str  # each kind says which periods it has; it stands here, since the order of the fields is in code versions
    time_zone: Annotated[str, checked_by(_check_zone)] = pydantic.Field(
        default="UTC", description="Zone whose days and months count, if the column holds moments with a zone."
    )

    def moment_of(self, table: str, types: Types) -> str:
        """Return SQL for the moment of a row.

        Raises:
            InvalidQueryError: The column holds no dates or moments.
        """
        kind = types[self.time]
        if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_null(kind)):
            reason = f"Column {self.time} holds {type_name(str(kind))}, not dates or moments"
            raise InvalidQueryError(self.time, reason, [table], "time")
        return f"CAST({quoted(self.time)} AS {'TIMESTAMPTZ' if self.has_zone(types) else 'TIMESTAMP'})"

    def local(self, moment: str, types: Types) -> str:
        """Return SQL for a moment as clocks of the zone show it."""
        return f"timezone('{self.time_zone}', {moment})" if self.has_zone(types) else moment

    def has_zone(self, types: Types) -> bool:
        """True if the column holds moments with a zone."""
        kind = types[self.time]
        return bool(pa.types.is_timestamp(kind) and kind.tz is not None)
