"""Between the estimates and their surroundings: a stored sample on one side, a table with meanings on the other."""

from collections.abc import Mapping
from typing import Any

import polars as pl
import pyarrow as pa
import pydantic

from artifact_pipelines.analysis.described import described
from artifact_pipelines.analysis.estimates.estimation import COLUMNS, estimate_from
from artifact_pipelines.analysis.estimates.requests import EstimateQuestion
from artifact_pipelines.analysis.estimates.stored_design import StoredDesign
from artifact_pipelines.analysis.exceptions import InvalidQuestionError, NotEstimableError
from artifact_pipelines.analysis.interfaces import Table
from artifact_pipelines.tabular.given_tables import GivenTable, scan_given
from artifact_pipelines.yaml_errors import checked

_QUESTION = pydantic.TypeAdapter(EstimateQuestion)
_DESIGN = pydantic.TypeAdapter(StoredDesign)


def estimate(sample: GivenTable, design: Any, estimates: Mapping[str, Any], **options: Any) -> pl.DataFrame:
    """Estimate from a sample, without Dagster.

    Args:
        sample: The rows of a sample, as `draw` gives them, or the path of their Parquet file.
        design: Its design: `sample.design` of a drawn sample, or the mapping `source["design"]` of a materialization.
        estimates: As in YAML, such as `{"mean_delay": {"mean": "delay"}}`.
        options: `by`, `confidence`, `lonely`, `known` and `round`, as in YAML.

    Returns:
        One row for each estimate and domain; `docs/estimates.md` has the columns.

    Raises:
        UsageError: The question is not one, or the design or the sample does not allow an estimate.
    """
    question = checked(_QUESTION, {"estimates": estimates, **options}, InvalidQuestionError)
    fields = design.model_dump(mode="json") if hasattr(design, "model_dump") else design
    rows = scan_given("sample", sample)
    return estimate_from(rows, checked(_DESIGN, fields, InvalidQuestionError, ("design",)), question).rows


def stored_design(table: Table) -> StoredDesign:
    """Return the design of a stored sample.

    Raises:
        NotEstimableError: The table has none.
    """
    if "design" not in table.source:
        reason = "its materialization has no design, without which nothing is known of other rows"
        raise NotEstimableError(table.asset or "given", reason, "Materialize the sample again")
    return StoredDesign.model_validate(table.source["design"])


def answer_rows(rows: pl.DataFrame) -> pa.Table:
    """Return the rows of the answer as a table whose columns say what they mean."""
    domains = {name: f"Value of {name} in the domain; null also where the domain is the whole" for name in rows.columns}
    return described(rows.to_arrow(), domains | {name: meaning for name, (_, meaning) in COLUMNS.items()})
