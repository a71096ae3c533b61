"""The asset of an analysis, for a kind that only this test knows."""

import re
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import dagster as dg
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifact_pipelines import open_store
from artifact_pipelines.analysis.assets import build_analysis_asset
from artifact_pipelines.analysis.interfaces import BEFORE, Answer, IAnalysisKind, Table
from artifact_pipelines.analysis.kinds.sql import Sql
from artifact_pipelines.catalog.exceptions import NeverMaterializedError
from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.kinds import bars
from artifact_pipelines.core.check_results import CheckResult
from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.analysis.running import resources


class RowCount(IAnalysisKind):
    """Count the rows."""

    ENGINES: ClassVar[frozenset[str]] = frozenset({"pyarrow"})
    kind: Literal["row_count"] = "row_count"

    def description(self, dataset: str) -> str:
        return f"The number of rows of {dataset}."

    @contextmanager
    def answer(self, tables: Mapping[str, Table]) -> Iterator[pa.RecordBatchReader]:
        yield pa.table({"rows": [pq.read_metadata(tables["flights"].path).num_rows]}).to_reader()


@dg.asset(key=["flights", "table"])
def table() -> pl.DataFrame:
    return pl.DataFrame({"id": [3, 1, 2]})


def test_kind_in_one_class_becomes_an_asset(settings: Settings) -> None:
    analysis = build_analysis_asset("flights", "size", RowCount(), {"group_name": "flights"})
    assert dg.materialize([table, analysis], resources=resources(settings)).success
    with open_store() as store:
        assert store.load("flights/analyses/size", pl.DataFrame)["rows"].to_list() == [3]
    [spec] = analysis.specs
    assert (spec.description, spec.code_version) == ("The number of rows of flights.", "row_count 1 {}")
    assert spec.kinds == {"row_count", "parquet", "pyarrow"}


@pytest.mark.timeout(60)
def test_termination_ends_an_endless_query_within_seconds(settings: Settings) -> None:
    query = Sql(
        query="SELECT count(*) AS n FROM range(10_000_000) a, range(10_000_000) b WHERE hash(a.range + b.range) = 1"
    )
    analysis = build_analysis_asset("flights", "endless", query, {})
    assert dg.materialize([table], resources=resources(settings)).success
    signalled = list[float]()

    def terminate() -> None:  # as the process of a run is told by its code server
        signalled.append(time.monotonic())
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    timer = threading.Timer(3, terminate)
    timer.start()
    with pytest.raises(dg.DagsterExecutionInterruptedError):
        dg.materialize([table, analysis], selection=[analysis], resources=resources(settings))
    assert time.monotonic() - signalled[0] < 15  # at once, and some for a busy machine
    with open_store() as store, pytest.raises(NeverMaterializedError):
        store.load("flights/analyses/endless", pl.DataFrame)


class Growth(IAnalysisKind):
    """Compare the rows with those of the version before."""

    ENGINES: ClassVar[frozenset[str]] = frozenset({"pyarrow"})
    kind: Literal["growth"] = "growth"

    def description(self, dataset: str) -> str:
        return f"Growth of {dataset}."

    def inputs(self, dataset: str) -> Mapping[str, str]:
        return {"about": f"{dataset}/table", "cities": "cities"}

    def compares(self) -> bool:
        return True

    def checks(self) -> Sequence[str]:
        return ["grows"]

    @contextmanager
    def answer(self, tables: Mapping[str, Table]) -> Iterator[Answer]:
        rows = {name: pq.read_metadata(table.path).num_rows for name, table in tables.items()}
        names = {name: f"{table.asset} v{table.version}" for name, table in tables.items()}
        grows = rows["about"] > rows.get(BEFORE, 0)
        yield Answer(
            pa.Table.from_pylist([names]),
            "page",
            {"rows": rows["about"]},
            [CheckResult("grows", grows, is_error=False, text=f"{rows}")],
            [bars("rows", rows)],
        )


def test_kind_that_compares_gets_the_version_before_and_reports_its_checks(settings: Settings) -> None:
    rows = [1]

    @dg.asset(key=["flights", "table"])
    def growing() -> pl.DataFrame:
        return pl.DataFrame({"id": range(rows[0])})

    @dg.asset
    def cities() -> pl.DataFrame:
        return pl.DataFrame({"city": ["Rome"]})

    analysis = build_analysis_asset("flights", "growth", Growth(), {})
    found, noted = list[dict[str, str]](), list[Mapping[str, Any]]()
    for rows[0] in (2, 1):
        made = dg.materialize([growing, cities, analysis], resources=resources(settings))
        [check] = made.get_asset_check_evaluations()
        assert check.passed == (rows[0] == 2)
        [event] = made.asset_materializations_for_node("flights__analyses__growth")
        assert re.fullmatch(
            r"!\[rows\. .*\]\(data:image/svg\+xml;base64,.*\)\n\npage", str(event.metadata["artifact/answer"].value)
        )
        history = ["history/rows"] if len(found) else []
        first = ["dagster/row_count", "artifact/summary", *history, "chart/rows", "artifact/answer", "rows"]
        assert list(event.metadata)[: len(first)] == first  # Dagster keeps the order
        assert len(str(event.metadata["chart/rows"].value)) < 1000  # more is shown only after a click
        with open_store() as opened:
            found += opened.load("flights/analyses/growth", pl.DataFrame).to_dicts()
            noted.append(opened.history("flights/analyses/growth")[0].source)
    assert found == [
        {"about": "flights/table v1", "cities": "cities v1"},
        {"about": "flights/table v2", "cities": "cities v1", BEFORE: "flights/table v1"},
    ]
    assert (noted[0]["page"], noted[0]["figures"]) == ("page", {"rows": 2})
    assert [Chart.from_json(each) for each in noted[0]["charts"]] == [bars("rows", {"about": 2, "cities": 1})]
