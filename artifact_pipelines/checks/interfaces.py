"""The interface of checks. Must not import Dagster."""

import abc
import dataclasses
import datetime
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import pydantic

from artifact_pipelines.core.wording import counted
from artifact_pipelines.declarations import Declaration
from artifact_pipelines.tabular.locked_duckdb import quoted

Columns = Annotated[
    tuple[Annotated[str, pydantic.Field(min_length=1)], ...],
    pydantic.BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    pydantic.Field(min_length=1),
    pydantic.WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}}),
]
"""Names of columns; one alone needs no brackets."""


@dataclasses.dataclass(frozen=True, slots=True)
class CheckedTable:
    """The table that is checked.

    Attributes:
        name: Its name in SQL, that of the dataset.
        made_at: Time when its content arrived; None: it is not known.
        checked_at: Time of the check.
    """

    name: str
    made_at: datetime.datetime | None = None
    checked_at: datetime.datetime = dataclasses.field(default_factory=lambda: datetime.datetime.now(datetime.UTC))

    @property
    def sql(self) -> str:
        """Return its name, quoted."""
        return quoted(self.name)


class ICheckKind(Declaration, abc.ABC):
    """Looks for rows that break a rule. Each kind is a class in `kinds/`, listed in the registry.

    Attributes:
        RUNS_HOURLY: True if time alone can break it, so that it is checked again every hour.
    """

    TAG: ClassVar[str] = "kind"
    RUNS_HOURLY: ClassVar[bool] = False

    severity: Literal["warn", "error"] = pydantic.Field(
        default="error", description="How Dagster shows a failure: as an error, or as a warning."
    )
    blocking: bool = pydantic.Field(
        default=False, description="True: a table that fails does not become current; the last good version stays."
    )

    @pydantic.model_validator(mode="after")
    def _blocks_with_an_error(self) -> Self:
        if self.blocking and self.severity == "warn":
            raise ValueError("`blocking: true` needs `severity: error`: a warning stops nothing")
        return self

    @abc.abstractmethod
    def promise(self) -> str:
        """Return the rule, as a sentence in Markdown."""

    def inputs(self) -> Mapping[str, str]:
        """Return the asset keys of other tables that it reads, by their names in SQL."""
        return {}

    def condition(self) -> str | None:
        """Return a SQL condition that is true for a breaking row; None: it takes more than the row to know."""
        return None

    def query(self, table: CheckedTable) -> str:
        """Return a SELECT of the breaking rows."""
        return f"SELECT * FROM {table.sql} WHERE {self.condition()}"  # noqa: S608 - names and values are quoted

    def finding(self, count: int, first: Mapping[str, Any]) -> str:
        """Return what was found, as a sentence.

        Args:
            count: Number of breaking rows, above 0.
            first: One of them.
        """
        return f"{counted(count, 'row breaks', 'rows break')} the rule."


def check_range(low: object, high: object) -> None:
    """Raise `ValueError` unless there is a bound, and the lower one is not above the other."""
    if low is None and high is None:
        raise ValueError("give `min`, `max` or both")
    try:
        is_wrong = low is not None and high is not None and low > high  # type: ignore[operator]
    except TypeError as error:
        raise ValueError("`min` and `max` have different types") from error
    if is_wrong:
        raise ValueError(f"`min` {low} is above `max` {high}")
