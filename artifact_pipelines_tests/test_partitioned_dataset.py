"""A dataset with partitions, with real sensors and runs."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl
import pydantic
import pytest

from artifact_pipelines import DatasetPipeline, open_store
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.datasets.exceptions import NoPartitionError
from artifact_pipelines.datasets.landing import watch as landing_watch
from artifact_pipelines.datasets.partition_keys import PartitionKeys, StaticPartitions
from artifact_pipelines_tests.project import FLIGHTS, Project

FEW: Mapping[str, Any] = {
    "samples": {"few": {"n": 1, "seed": 1}},
    "analyses": {"profile": {"kind": "profile"}},
    "source": "flights_{partition}.csv",
    "files": None,
}
ASSETS = ["analyses/profile", "raw", "samples/few", "table"]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def _rows(number: int, delay: int = 0) -> str:
    return f"carrier,number,delay\nUA,{number},{delay}\n"


def _drop(project: Project, **texts: str) -> tuple[list[str], str]:
    for name, text in texts.items():
        project.drop(text, f"flights_{name}.csv")
    made, reasons = project.settle()
    return sorted(made), reasons["artifact_landing"]


def _reason(path: str) -> str:
    with open_store() as store:
        return str(store.catalog.landing.files_of("flights")[path].reason)


def _numbers(partition: str) -> Sequence[int]:
    with open_store() as store:
        frame = store.load("flights/table", as_type=pl.DataFrame, partition=partition)
    return list(frame["number"])


def _versions() -> Sequence[tuple[str | None, int]]:
    with open_store() as store:
        return [(each.partition, each.number) for each in store.catalog.datasets.versions("flights")]


def test_each_file_is_the_partition_that_its_name_says(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, partitions="by_file", **FEW)
    made, said = _drop(project, north=_rows(1), south=_rows(2))
    assert made == sorted(ASSETS * 2)
    assert said == "flights_north.csv: ingested; flights_south.csv: ingested"
    assert (_numbers("north"), _numbers("south")) == ([1], [2])
    assert sorted(instance.get_dynamic_partitions("flights")) == ["north", "south"]


def test_corrected_file_replaces_its_partition_and_touches_no_other(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    project = Project(settings, instance, partitions="by_file", **FEW)
    _drop(project, north=_rows(1), south=_rows(2))
    assert _drop(project, north=_rows(3))[0] == ASSETS
    assert (_numbers("north"), _numbers("south")) == ([3], [2])
    assert _versions() == [("north", 2), ("south", 1), ("north", 1)]
    assert _drop(project, north=_rows(3))[0] == []
    project.drop(_rows(4), "flights_late.csv")
    assert sorted(project.settle()[0]) == ASSETS, "a new partition"


def test_same_content_in_two_partitions_is_in_both(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, partitions="by_file", **FEW)
    _drop(project, north=_rows(1), south=_rows(1))
    assert (_numbers("north"), _numbers("south")) == ([1], [1])
    with open_store() as store:
        files = {made.file.file_id for made in store.catalog.materializations.history("flights/table")}
    assert len(files) == 1


def test_days_are_keys_and_other_files_wait_with_their_reason(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, partitions="daily", partition_start=datetime.date(2024, 1, 1), **FEW)
    late = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=3)).date()
    texts = {"2024-03-01": _rows(1), "2024-02-30": _rows(2), "2023-12-31": _rows(3), "x": _rows(4), str(late): _rows(5)}
    made, said = _drop(project, **texts)
    assert made == ASSETS
    assert _numbers("2024-03-01") == [1]
    assert "flights_2024-02-30.csv: quarantined" in said
    assert "there is no day or month '2024-02-30'" in said
    assert "2023-12-31 is before 2024-01-01, the first day" in said
    assert f"{late} has not begun yet (UTC)). It is ingested by itself" in said.replace("(UTC).", "(UTC)).")
    assert "flights_x.csv belongs to no partition: its name is not like 'flights_{partition}.csv'" in said


def test_months_and_declared_keys_are_partitions(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, partitions="monthly", **{**FEW, "source": "flights_{partition:%Y%m}.csv"})
    _drop(project, **{"202402": _rows(1)})
    assert _numbers("2024-02") == [1]
    project.declare(partitions={"static": ["north", "south"]}, **FEW)
    _, said = _drop(project, north=_rows(2), west=_rows(3))
    assert _numbers("north") == [2]
    assert "flights_west.csv: quarantined" in said
    assert "'west' is none of north, south" in _reason("flights_west.csv")


def test_several_files_of_a_partition_are_its_union(settings: Settings, instance: dg.DagsterInstance) -> None:
    options = {**FEW, "source": "{partition}/*.csv", "files": "all", "file_column": "file"}
    project = Project(settings, instance, partitions="by_file", **options)
    for name in ("north/b.csv", "north/a.csv", "south/a.csv"):
        project.drop_into(_rows(len(name) + ord(name[-5])), name)
    project.settle()
    assert (_numbers("north"), _numbers("south")) == ([108, 109], [108])
    project.drop_into(_rows(7), "north/a.csv")
    project.settle()
    assert (_numbers("north"), _numbers("south")) == ([7, 109], [108])


def test_files_of_a_partition_that_wait_together_enter_in_one_run(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    options = {**FEW, "samples": {}, "analyses": {}}
    project = Project(
        settings, instance, **{**options, "source": "{partition}/*.csv", "partitions": "by_file", "files": "all"}
    )
    for path, number in {"a/1": 1, "a/2": 2, "a/3": 3, "b/1": 4, "b/2": 5}.items():
        project.drop_into("carrier,number,delay\nUA,x\n" if number == 2 else _rows(number), f"{path}.csv")
    runs = [run for _ in range(3) for run in project.tick()]
    assert [run.tags["dagster/partition"] for run in runs] == ["a", "b"]
    assert (_numbers("a"), _numbers("b")) == ([1, 3], [4, 5])
    assert "a/2.csv: quarantined" in project.settle()[1]["artifact_landing"]
    assert "MalformedRowError: a/2.csv, line 2" in _reason("a/2.csv")


def test_types_of_the_first_partition_are_those_of_all(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, partitions="by_file", **FEW)
    _drop(project, north=_rows(1), south=_rows(2))
    _, said = _drop(project, west="carrier,number,delay\nUA,x,1\n")
    assert "flights_west.csv: quarantined" in said
    assert "'x' is not" in said


def test_a_tick_requests_a_bounded_number_of_partitions(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing_watch, "MOST_REQUESTED", 2)
    project = Project(settings, instance, partitions="by_file", **{**FEW, "samples": {}, "analyses": {}})
    for number in range(4):
        project.drop(_rows(number), f"flights_{number}.csv")
    assert [len(project.tick()) for _ in range(4)] == [1, 2, 1, 0], "the first one alone, for the types"


def test_partitioned_dataset_may_be_materialized_by_hand(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, partitions="by_file", **FEW)
    project.drop(_rows(1), "flights_north.csv")
    project.drop(_rows(2), "flights_south.csv")
    instance.add_dynamic_partitions("flights", ["north"])
    assert project.materialize("raw", "table", partition="north").success
    assert _numbers("north") == [1]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"partitions": "daily", "source": "flights_*.csv"}, "write {partition} once"),
        ({"partitions": "daily", "source": "{partition}/{partition}.csv"}, "write {partition} once"),
        ({"partitions": "daily", "source": "{partition:%Y%m}.csv"}, "%Y, %m and %d"),
        ({"partitions": "by_file", "source": "{partition:%Y}.csv"}, "only the key of daily or monthly"),
        ({"source": "{partition}.csv"}, "{partition} needs `partitions:"),
        ({"partitions": "daily", "source": "{partition}.csv", "schedule": "0 6 * * *"}, "has no schedule"),
    ],
)
def test_declaration_that_leaves_keys_open_is_refused(changes: Mapping[str, Any], expected: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=expected.replace("{", r"\{").replace("}", r"\}")):
        DatasetPipeline.model_validate({**FLIGHTS, **changes})


@pytest.mark.parametrize(
    ("source", "path", "key"),
    [
        ("sales_{partition}.csv", "sales_north.csv", "north"),
        ("{partition}/*.csv", "north/a_b.csv", "north"),
        ("**/*_{partition}_v?.csv", "x/y/sales_big_north_v1.csv", "north"),
        ("**/{partition}.csv", "north.csv", "north"),
        ("surveys/*.csv", "surveys/a.csv", "surveys/a.csv"),
    ],
)
def test_key_is_the_text_in_its_place(source: str, path: str, key: str) -> None:
    assert PartitionKeys("by_file", source).of(path) == key


def test_days_are_found_in_any_name_in_their_format() -> None:
    keys = PartitionKeys("daily", "*{partition:%d.%m.%Y}*.csv")
    assert keys.of("sales 2 of 31.01.2024 v2.csv") == "2024-01-31"
    with pytest.raises(NoPartitionError, match="is not like"):
        keys.of("sales 2024-01-31.csv")
    with pytest.raises(NoPartitionError, match="'west' is none of north"):
        PartitionKeys(StaticPartitions(static=["north"]), "{partition}.csv").of("west.csv")
