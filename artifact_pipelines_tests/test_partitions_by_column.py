"""A dataset whose partitions are the values of a column, with real sensors and runs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl
import pydantic
import pytest

from artifact_pipelines import DatasetPipeline, open_store
from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.project import FLIGHTS, Project

OPTIONS: Mapping[str, Any] = {
    "partitions": {"column": "carrier"},
    "samples": {"few": {"n": 1, "seed": 1}},
    "analyses": {"profile": {"kind": "profile"}},
}
INGESTED = ["partitions", "raw", "table"]
HEADER = "carrier,number,delay\n"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def _drop(project: Project, rows: str, name: str = "flights.csv") -> Sequence[str]:
    project.drop(HEADER + rows, name)
    return sorted(project.settle()[0])


def _numbers(partition: str) -> Sequence[int]:
    with open_store() as store:
        frame = store.load("flights/by_carrier", as_type=pl.DataFrame, partition=partition)
    assert set(frame["carrier"]) <= {partition}
    return list(frame["number"])


def test_each_value_is_a_partition_that_appears_by_itself(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, **OPTIONS)
    made = _drop(project, "UA,1,5\nAA,2,7\nUA,3,1\n")
    assert made == sorted([*INGESTED, *["analyses/profile", "by_carrier", "samples/few"] * 2])
    assert (_numbers("UA"), _numbers("AA")) == ([1, 3], [2])
    assert sorted(instance.get_dynamic_partitions("flights")) == ["AA", "UA"]


def test_partition_that_did_not_change_costs_nothing(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, **OPTIONS)
    _drop(project, "UA,1,5\nAA,2,7\nUA,3,1\n")
    made = _drop(project, "UA,1,5\nAA,2,8\nUA,3,1\n")
    assert made == sorted([*INGESTED, "analyses/profile", "by_carrier", "samples/few"])
    with open_store() as store:
        history = store.catalog.materializations.history("flights/by_carrier")
    assert sorted((str(made.partition), made.version) for made in history) == [("AA", 1), ("AA", 2), ("UA", 1)]


def test_file_of_some_keys_replaces_these_partitions_and_no_other(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    project = Project(settings, instance, **{**OPTIONS, "samples": {}, "analyses": {}})
    _drop(project, "UA,1,5\nAA,2,7\n")
    assert _drop(project, "UA,9,5\nDL,4,1\n") == sorted([*INGESTED, "by_carrier", "by_carrier"])
    assert (_numbers("UA"), _numbers("AA"), _numbers("DL")) == ([9], [2], [4])
    assert _listed() == {"AA": 1, "DL": 1, "UA": 1}


def test_keys_that_leave_a_union_have_no_rows(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, **{**OPTIONS, "samples": {}, "analyses": {}, "files": "all"})
    _drop(project, "UA,1,5\nAA,2,7\n", "flights_a.csv")
    assert _drop(project, "UA,3,5\n", "flights_b.csv") == sorted([*INGESTED, "by_carrier"])
    assert (_numbers("UA"), _numbers("AA")) == ([1, 3], [2])
    _drop(project, "UA,1,5\n", "flights_a.csv")
    assert (_numbers("UA"), _numbers("AA")) == ([1, 3], [])
    assert _listed() == {"AA": 0, "UA": 2}


def _listed() -> dict[str, int]:
    with open_store() as store:
        return dict(store.load("flights/partitions", pl.DataFrame).select("partition", "rows").iter_rows())


def test_report_that_a_dead_run_owes_is_made_up_for(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(settings, instance, **{**OPTIONS, "samples": {}, "analyses": {}})
    with monkeypatch.context() as patch:
        patch.setattr(dg.AssetExecutionContext, "log_event", lambda *_: None)
        assert _drop(project, "UA,1,5\n") == INGESTED
    assert project.materialize("partitions").success
    event = instance.get_latest_materialization_event(dg.AssetKey(["flights", "by_carrier"]))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.partition == "UA"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("UA,1,5\n,2,5\n", "line 3, column 'carrier': it is no key of a partition"),
        ("a...b,1,5\n", "'a...b' is no key of a partition"),
    ],
)
def test_value_that_is_no_key_is_refused_by_line(
    settings: Settings, instance: dg.DagsterInstance, rows: str, said: str
) -> None:
    project = Project(settings, instance, **{**OPTIONS, "samples": {}, "analyses": {}, "key": []})
    project.drop(HEADER + rows)
    _, reasons = project.settle()
    assert said in reasons["artifact_landing"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"partitions": {"column": "carrier"}, "source": "{partition}.csv"}, "a column has them"),
        ({"partitions": {"column": "carrier"}, "files": None}, "may match several files"),
    ],
)
def test_declaration_that_leaves_open_what_files_mean_is_refused(changes: Mapping[str, Any], expected: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=expected):
        DatasetPipeline.model_validate({**FLIGHTS, **changes})
