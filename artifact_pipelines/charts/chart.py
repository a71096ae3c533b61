"""A chart as plain values. It is stored as JSON, and drawn only where it is shown."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self


@dataclasses.dataclass(frozen=True, slots=True)
class Chart:
    """What to draw.

    Attributes:
        title: One line above the chart.
        description: What the chart shows, in words, for those who do not see it.
        specification: JSON values, as the functions of `kinds` make them; `kind` names the function that draws them.
        column: The column of the dataset's table that it is about, if it is about one.
    """

    title: str
    description: str
    specification: Mapping[str, Any]
    column: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the chart as JSON values."""
        stored = {"title": self.title, "description": self.description, "specification": dict(self.specification)}
        return stored if self.column is None else {**stored, "column": self.column}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return the chart that `to_json` has stored."""
        return cls(stored["title"], stored["description"], stored["specification"], stored.get("column"))
