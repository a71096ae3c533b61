"""The interface of sampling designs. Must not import Dagster."""

import abc
from collections.abc import Sequence
from typing import ClassVar, Literal

import pydantic

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.declarations import Declaration
from artifact_pipelines.sampling.engine.choice import Choice
from artifact_pipelines.sampling.engine.rows import Rows
from artifact_pipelines.sampling.fields.panel import Panel

SEEDS = 2**63


class ISamplingDesign(Declaration, abc.ABC):
    """Chooses rows by their permanent random numbers. Each design is a class in `designs/`, listed in the registry."""

    TAG: ClassVar[str] = "design"
    SIZE: ClassVar[str | None] = "n"
    """The field that says how many rows are drawn; None: no field does."""

    seed: int = pydantic.Field(default=0, ge=0, lt=SEEDS, description="Chooses one of all possible samples.")
    where: str | None = pydantic.Field(
        default=None, min_length=1, description="SQL condition in DuckDB's dialect: only rows for which it is true."
    )
    columns: Sequence[str] | None = pydantic.Field(
        default=None, min_length=1, description="Columns of the sample; left out: all of the table."
    )
    order_by: Sequence[str] = pydantic.Field(
        default=(), description="Columns by which the sample is sorted; left out: the order of the table."
    )

    identity: Literal["key", "position", "row"] = pydantic.Field(
        default="key",
        description=(
            "By what a row draws its number: its key, or without a key its position (`key`); its position; or the "
            "values of all its columns, equal rows by their occurrence (`row`)."
        ),
    )
    panel: Panel | None = pydantic.Field(
        default=None, description="Wave of a sample of which a share of the rows stays from wave to wave."
    )

    representativeness: bool = pydantic.Field(
        default=True, exclude=True, description="False: the sample is not compared with the rows it is drawn from."
    )

    @abc.abstractmethod
    def summary(self) -> str:
        """Return what is drawn, such as `Simple random sample of 100 rows without replacement`."""

    @abc.abstractmethod
    def choose(self, rows: Rows) -> Choice:
        """Return the chosen rows; they depend on nothing but the rows, the fields of the design and the key.

        Raises:
            UsageError: The rows do not fit the design.
        """

    def share(self) -> float:
        """Return the share of rows that is drawn, if it is the same for all rows and does not change with the table.

        Raises:
            InvalidArgumentError: It is not, so rows would not leave a panel after the same number of waves.
        """
        raise InvalidArgumentError(
            "panel", self.tag(), "of simple_random, bernoulli or a proportional stratified design"
        )

    def description(self, dataset: str, key: Sequence[str]) -> str:
        """Return the asset's description, in Markdown."""
        rows = f"{dataset}, only rows with `{self.where}`" if self.where else dataset
        order = ", ".join(f"`{name}`" for name in self.order_by) or "the table"
        return (
            f"{self.summary()}, of {rows}, by permanent random numbers (seed {self.seed}). Rows are identified by "
            f"{self._identified_by(key)}, and stand in the order of {order}.\n\nColumns: "
            f"{', '.join(self.columns) if self.columns else 'those of the table'}, then `inclusion_probability`, "
            "`sampling_weight`, and what else the design says about a row."
        )

    def _identified_by(self, key: Sequence[str]) -> str:
        if self.identity == "row":
            return "all their values"
        return ", ".join(key) if key and self.identity == "key" else "their position"


def fields_of_the_whole(design: Declaration) -> list[str]:
    """Return the given fields that make no sense in a design within another one: they are of the whole sample."""
    order = [] if design.tag() == "systematic" else ["order_by"]  # there it is the order of its list
    return [name for name in ("seed", "columns", *order, "identity", "panel") if name in design.model_fields_set]
