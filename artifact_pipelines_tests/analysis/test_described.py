"""Every column of every answer says its meaning and unit, in the table and in the guides."""

import datetime
import pathlib
from typing import Any, get_args

import polars as pl
import pydantic
import pytest

from artifact_pipelines.analysis.drift.table import DRIFT_COLUMNS
from artifact_pipelines.analysis.estimates.estimation import COLUMNS
from artifact_pipelines.analysis.interfaces import BEFORE, Answer, IAnalysisKind, Table
from artifact_pipelines.analysis.kinds.sql import Sql
from artifact_pipelines.analysis.registry import AnalysisKind
from artifact_pipelines.tabular.footer import DESCRIPTION

GUIDES = pathlib.Path(__file__).parents[2] / "docs"
FUNCTIONS = ("count", "distinct", "sum", "mean", "median", "min", "max")
KINDS: dict[str, dict[str, Any]] = {
    "profile": {},
    "group_by": {"by": ["a", "b"], "measures": {"rows": "count", **{f"m_{each}": {each: "x"} for each in FUNCTIONS}}},
    "crosstab": {"rows": "a", "columns": "b"},
    "time_series": {"time": "at", "every": "day", "measures": {"rows": "count", "mean": {"mean": "x"}}},
    "cohort": {"unit": "a", "time": "at", "every": "day"},
    "estimate": {"sample": "table", "estimates": {"x": {"mean": "x"}}, "by": ["a"]},
    "drift": {},
}


def test_kinds_are_all_but_sql_whose_columns_are_the_users() -> None:
    [_, one_of] = get_args(AnalysisKind)
    tags = {each.model_fields["kind"].default for each in one_of.members}
    assert tags == {*KINDS, Sql.model_fields["kind"].default}


@pytest.mark.parametrize("name", KINDS)
def test_every_column_of_an_answer_says_what_it_means(name: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "table.parquet"
    moments = [datetime.datetime(2024, 1, day, tzinfo=datetime.UTC) for day in (1, 2, 3, 4)]
    frame = pl.DataFrame({"a": list("xxyy"), "b": [1, 2, 1, 2], "x": [1.0, 2.0, 3.0, 4.0], "at": moments})
    frame.with_columns(inclusion_probability=0.1, sampling_weight=10.0).write_parquet(path)
    design = {"design": "simple_random", "drawn": 4, "frame": {"population_size": 40}}
    table = Table(path, "flights/table", 2, {"design": design})
    kind: IAnalysisKind = pydantic.TypeAdapter(AnalysisKind).validate_python({"kind": name, **KINDS[name]})
    tables = {"table": table} | ({BEFORE: table} if kind.compares() else {})
    with kind.answer(tables) as found:
        assert isinstance(found, Answer)
        meanings = {field.name: (field.metadata or {}).get(DESCRIPTION, b"").decode() for field in found.rows.schema}
    assert {column for column, meaning in meanings.items() if len(meaning) < 4} == set()


def test_guide_names_every_column_of_an_estimate() -> None:
    text = (GUIDES / "estimates.md").read_text()
    assert [name for name in COLUMNS if f"`{name}`" not in text] == []


def test_guide_says_what_every_column_of_drift_means() -> None:
    rows = [f"| `{name}` | {meaning} |" for name, (_, meaning) in DRIFT_COLUMNS.items()]
    assert "\n".join(rows) in (GUIDES / "analysis.md").read_text()
