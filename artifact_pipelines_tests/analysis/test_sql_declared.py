"""SQL over several tables, with parameters, and what is found of it before there are any data."""

import datetime
import pathlib
from typing import Any

import dagster as dg
import polars as pl
import pydantic
import pytest

from artifact_pipelines import DatasetPipeline, open_store
from artifact_pipelines.analysis.assets import build_analysis_asset
from artifact_pipelines.analysis.exceptions import InvalidQueryError
from artifact_pipelines.analysis.interfaces import DeclaredDataset, Table
from artifact_pipelines.analysis.kinds.sql import Sql
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.tabular.exceptions import UnsafeQueryError, UnsupportedColumnError
from artifact_pipelines_tests.analysis.running import resources

JOIN = "SELECT name, count(*) AS n FROM samples.tenth JOIN airports ON origin = code GROUP BY name"


def stored(tmp_path: pathlib.Path, **tables: pl.DataFrame) -> dict[str, Table]:
    for name, frame in tables.items():
        frame.write_parquet(tmp_path / name)
    return {name.replace("__", "."): Table(tmp_path / name) for name in tables}


def declared(query: str, **fields: Any) -> DatasetPipeline:
    analyses = {"asked": {"kind": "sql", "query": query}}
    given = {"name": "flights", "description": "x", "source": "flights.csv", "owners": ["team:a"], **fields}
    samples = {"tenth": {"n": 10, "seed": 1}}
    return DatasetPipeline.model_validate({"samples": samples, "analyses": analyses, **given})


def test_query_reads_a_sample_and_another_asset_and_only_depends_on_them(settings: Settings) -> None:
    @dg.asset(key=["flights", "samples", "tenth"])
    def tenth() -> pl.DataFrame:
        return pl.DataFrame({"origin": ["JFK", "JFK", "EWR"]})

    @dg.asset(key=["airports", "table"])
    def airports() -> pl.DataFrame:
        return pl.DataFrame({"code": ["EWR", "JFK"], "name": ["Newark", "Kennedy"]})

    question = Sql.model_validate({"query": JOIN, "inputs": {"airports": "airports/table"}})
    analysis = build_analysis_asset("flights", "by_name", question, {})
    assert dg.materialize([tenth, airports, analysis], resources=resources(settings)).success
    with open_store() as store:
        found = store.load("flights/analyses/by_name", pl.DataFrame)
    assert found.rows() == [("Kennedy", 2), ("Newark", 1)]
    assert {key.to_user_string() for key in analysis.dependency_keys} == {"flights/samples/tenth", "airports/table"}


def test_values_of_parameters_are_bound_with_their_types(tmp_path: pathlib.Path) -> None:
    days = [datetime.date(2013, 1, 1), datetime.date(2013, 1, 2)]
    tables = stored(tmp_path, flights=pl.DataFrame({"day": days, "carrier": ["UA", "'; --"]}))
    query = "SELECT carrier, $n + 1 AS n FROM flights WHERE day >= $since AND carrier = $name"
    parameters: dict[str, Any] = {"since": days[1], "name": "'; --", "n": 2}
    with Sql(query=query, parameters=parameters).answer(tables) as batches:
        assert batches.read_all().to_pylist() == [{"carrier": "'; --", "n": 3}]


def test_a_date_and_its_text_are_different_parameters() -> None:
    day = datetime.date(2013, 1, 2)
    versions = {Sql(query="SELECT $d AS d", parameters={"d": one}).code_version() for one in (day, str(day))}
    assert len(versions) == 2


def test_column_that_cannot_be_stored_is_refused_by_name(tmp_path: pathlib.Path) -> None:
    question = Sql(query="SELECT 1::UHUGEINT AS wide")
    with pytest.raises(UnsupportedColumnError, match="wide"), question.answer({}):
        pass


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM weather", "There is no table weather"),
        ("SELECT * FROM samples.twentieth", "There is no table samples.twentieth"),
        ("SELECT * FROM flights WHERE delay > $most", "Parameters of query and `parameters` differ: most"),
        ("DROP VIEW flights", "not one SELECT"),
    ],
)
def test_query_that_can_never_be_answered_is_refused_with_its_declaration(query: str, problem: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=problem) as error:
        declared(query)
    assert error.value.errors()[0]["loc"] == ("analyses", "asked")


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("SELECT dealy FROM flights", 'column "dealy" not found'),
        ("SELECT f.dealy FROM flights f", 'does not have a column named "dealy"'),
        ("SELECT sum(carrier) FROM flights", "No function matches"),
    ],
)
def test_column_that_a_closed_declaration_lacks_is_refused_with_it(query: str, problem: str) -> None:
    columns = {"carrier": "VARCHAR", "delay": "BIGINT"}
    with pytest.raises(pydantic.ValidationError, match=problem):
        declared(query, columns=columns, on_schema_change="declared")
    declared(query, columns=columns)  # the file may have more columns, of which nothing is known


def test_columns_without_a_declared_type_are_checked_by_name() -> None:
    columns = {"carrier": {"nullable": False}, "delay": {"nullable": True}}
    declared("SELECT year(delay) FROM flights", columns=columns, on_schema_change="declared")
    with pytest.raises(pydantic.ValidationError, match="dealy"):
        declared("SELECT year(dealy) FROM flights", columns=columns, on_schema_change="declared")


def test_query_over_other_inputs_is_accepted_where_their_columns_are_not_known() -> None:
    question = Sql.model_validate({"query": JOIN, "inputs": {"airports": "airports/table"}})
    question.check(DeclaredDataset("flights", {"a": "BIGINT"}, ["tenth"]))
    with pytest.raises(InvalidQueryError, match="another table airports"):
        question.check(DeclaredDataset("airports", None, ["tenth"]))


def test_limits_of_a_yaml_file_reach_the_query() -> None:
    fields = {"kind": "sql", "query": "SELECT 1", "time_limit": "2h", "memory_limit": "8GiB"}
    first = declared("SELECT 1", analyses={"asked": fields})
    loaded = DatasetPipeline.load(first, dg.ComponentTree.for_test().load_context)
    assert isinstance(loaded, DatasetPipeline)
    question = loaded.analyses["asked"]
    assert isinstance(question, Sql)
    assert (question.time_limit, question.memory_limit) == ("2h", 8 << 30)


def test_a_query_that_no_declaration_has_checked_is_still_one_select() -> None:
    with pytest.raises(UnsafeQueryError), Sql(query="SELECT 1; SELECT 2").answer({}):
        pass
