"""A dataset whose table is the union of its files, with real sensors and runs."""

import decimal
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import polars as pl
import pydantic
import pytest

from artifact_pipelines import DatasetPipeline, dataset_definitions, open_store
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.datasets import union_files
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.table_reader import open_stored
from artifact_pipelines.io_manager.publishing import publish_candidates
from artifact_pipelines_tests.project import FLIGHTS, Project

JANUARY = "carrier,number,delay\nUA,1,5\nAA,2,7\n"
MARCH = "carrier,number,delay\nUA,3,1\n"
FEBRUARY = "carrier,number,delay,gate\nDL,9,0,A1\n"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def project(settings: Settings, instance: dg.DagsterInstance) -> Project:
    return Project(settings, instance, files="all", file_column="file", samples={}, analyses={})


def _drop(project: Project, **texts: str) -> str:
    for name, text in texts.items():
        project.drop(text, f"flights_{name}.csv")
    _, reasons = project.settle()
    return reasons["artifact_landing"]


def _rows(version: int | None = None) -> Sequence[tuple[Any, ...]]:
    with open_store() as store:
        frame = store.load("flights/table", as_type=pl.DataFrame, version=version)
    shown = frame.select(pl.col("file").str.strip_prefix("flights_").str.strip_suffix(".csv"), "number", "delay")
    return list(shown.rows())


def test_table_is_the_union_of_all_files_in_the_order_of_their_names(project: Project) -> None:
    assert _drop(project, march=MARCH, january=JANUARY) == "flights_january.csv: ingested; flights_march.csv: ingested"
    assert _rows() == [("january", 1, 5), ("january", 2, 7), ("march", 3, 1)]


def test_same_name_again_replaces_its_rows(project: Project) -> None:
    _drop(project, january=JANUARY, march=MARCH)
    _drop(project, january="carrier,number,delay\nUA,1,6\n")
    assert _rows() == [("january", 1, 6), ("march", 3, 1)]
    _drop(project, march="carrier,number,delay\nUA,3,2\nUA,4,2\n")
    assert _rows() == [("january", 1, 6), ("march", 3, 2), ("march", 4, 2)]
    _drop(project, january=JANUARY)
    assert _rows() == [("january", 1, 5), ("january", 2, 7), ("march", 3, 2), ("march", 4, 2)]


def test_new_column_and_wider_type_of_one_file_leave_the_rows_of_others_as_they_are(project: Project) -> None:
    _drop(project, january=JANUARY, march=MARCH)
    _drop(project, february=FEBRUARY)
    with open_store() as store:
        frame = store.load("flights/table", as_type=pl.DataFrame)
    assert frame.select("number", "gate").rows() == [(9, "A1"), (1, None), (2, None), (3, None)]
    assert frame.columns == ["carrier", "number", "delay", "gate", "file"]
    _drop(project, april="carrier,number,delay,gate\nUA,2.5,1,\n")
    with open_store() as store:
        numbers = store.load("flights/table", as_type=pl.DataFrame)["number"]
    assert numbers.to_list() == [decimal.Decimal(number) for number in ("2.5", "9", "1", "2", "3")]


def test_copy_of_a_file_adds_no_rows_until_its_original_is_replaced(project: Project) -> None:
    _drop(project, current=JANUARY)
    assert "duplicate (same content as flights_current.csv, whose rows are in the table)" in _drop(
        project, january=JANUARY
    )
    assert [name for name, *_ in _rows()] == ["current", "current"]
    _drop(project, current=MARCH)
    assert _rows() == [("current", 3, 1), ("january", 1, 5), ("january", 2, 7)], "a rotated file loses nothing"


def test_file_that_a_blocking_check_rejects_adds_no_rows_until_it_is_corrected(project: Project) -> None:
    positive = {"kind": "range", "column": "delay", "min": 0, "blocking": True}
    project.declare(files="all", file_column="file", samples={}, analyses={}, checks={"positive": positive})
    _drop(project, january=JANUARY)  # nobody loads the table, so the next file finds that its checks have passed
    said = _drop(project, february="carrier,number,delay\nDL,9,-1\n")
    assert "flights_february.csv: quarantined (Check positive failed. 1 row breaks the rule." in said
    assert "delay=-1, file=flights_february.csv" in said
    assert _rows() == [("january", 1, 5), ("january", 2, 7)]
    assert "flights_march.csv: ingested" in _drop(project, march=MARCH)
    _publish(project)
    assert _rows() == [("january", 1, 5), ("january", 2, 7), ("march", 3, 1)]
    assert "flights_february.csv: ingested" in _drop(project, february="carrier,number,delay\nDL,9,1\n")
    _publish(project)
    assert _rows() == [("february", 9, 1), ("january", 1, 5), ("january", 2, 7), ("march", 3, 1)]


def _publish(project: Project) -> None:
    """Do as the sensor `artifact_publisher` does."""
    with open_store() as store:
        publish_candidates(project.instance, store.catalog)


def test_file_ingested_by_another_run_meanwhile_keeps_its_rows(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_definitions, "RETRY_DELAY_S", 0)
    project.declare(files="all", file_column="file", samples={}, analyses={})
    _drop(project, january=JANUARY)
    project.drop(MARCH, "flights_march.csv")
    others = ["flights_february.csv"]
    open_union = union_files.UnionFiles.open

    def overtaken(self: union_files.UnionFiles, contract: Contract) -> Any:
        opened = open_union(self, contract)
        assert self.current
        if others:
            project.drop("carrier,number,delay\nDL,9,0\n", others[0])
            project.ingest(others.pop())
        return opened

    monkeypatch.setattr(union_files.UnionFiles, "open", overtaken)
    project.ingest("flights_march.csv")
    assert [name for name, *_ in _rows()] == ["february", "january", "january", "march"]


def test_bad_file_leaves_the_table_and_blocks_no_other(project: Project) -> None:
    _drop(project, january=JANUARY)
    assert "flights_bad.csv: quarantined" in _drop(project, bad="carrier,number,delay\nUA,1,soon\n")
    _drop(project, march=MARCH)
    assert [name for name, *_ in _rows()] == ["january", "january", "march"]


def test_files_whose_values_fit_into_no_common_type_are_told_so(project: Project) -> None:
    _drop(project, january="carrier,number,delay,at\nUA,1,5,3000-01-01T00:00:00\n")
    reason = _drop(project, march="carrier,number,delay,at\nUA,3,1,2024-01-31T10:30:00.123456789\n")
    assert "column 'at' is timestamp[us], and its values do not fit into timestamp[ns] of other files" in reason
    assert [name for name, *_ in _rows()] == ["january"]


def test_changed_rules_read_all_files_again(project: Project) -> None:
    _drop(project, january=JANUARY, march=MARCH, february=FEBRUARY.replace(",gate", "").replace(",A1", ""))
    options = {"files": "all", "file_column": "file", "samples": {}, "analyses": {}}
    project.declare(**options, columns={"delay": "DOUBLE"})
    made, _ = project.settle()
    assert made == ["table"]
    assert _rows() == [("february", 9, 0.0), ("january", 1, 5.0), ("january", 2, 7.0), ("march", 3, 1.0)]
    _drop(project, january="carrier,number,delay\nUA,1,0.5\n")
    assert _rows() == [("february", 9, 0.0), ("january", 1, 0.5), ("march", 3, 1.0)]


def test_dataset_that_becomes_a_union_has_the_files_dropped_before(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    options: dict[str, Any] = {"samples": {}, "analyses": {}}
    project = Project(settings, instance, **options)
    said = _drop(project, january=JANUARY, march=MARCH)
    assert "flights_january.csv: ingested (replaced by flights_march.csv)" in said
    project.declare(files="all", file_column="file", **options)
    project.settle()
    assert [name for name, *_ in _rows()] == ["january", "january", "march"]


def test_union_was_made_from_all_its_files(project: Project) -> None:
    _drop(project, january=JANUARY, march=MARCH)
    _drop(project, january="carrier,number,delay\nUA,1,6\n")
    with open_store() as store:
        made = store.catalog.materializations.current("flights/table")
        inputs = [one.version for _, one in store.catalog.lineage.inputs([made.materialization_id], 10)]
        versions = store.catalog.datasets.versions("flights")
    assert sorted(inputs) == [2, 3], "the second file, and the first one's second content"
    assert [(v.number, v.raw.source["file"], v.table and v.table.row_count) for v in versions] == [
        (3, "flights_january.csv", 2),
        (2, "flights_march.csv", 3),
        (1, "flights_january.csv", 3),
    ], "the first two in one run"


def test_column_of_a_file_with_the_name_of_the_file_column_is_refused(project: Project) -> None:
    assert "quarantined" in _drop(project, january="carrier,number,delay,file\nUA,1,5,x\n")


@pytest.mark.parametrize("source", ["flights*.csv", "flights/**", "flights-?.csv", "flights[12].csv"])
def test_glob_that_leaves_open_what_several_files_mean_is_refused_with_both_meanings(source: str) -> None:
    declared = {name: value for name, value in FLIGHTS.items() if name != "files"}
    with pytest.raises(pydantic.ValidationError, match=r"files: latest.*replaces.*files: all.*union") as caught:
        DatasetPipeline.model_validate({**declared, "source": source})
    assert [error["loc"] for error in caught.value.errors()] == [("source",)]
    DatasetPipeline.model_validate({**declared, "source": "flights.csv"})


def test_name_of_the_file_may_be_part_of_the_key(settings: Settings, instance: dg.DagsterInstance) -> None:
    options: dict[str, Any] = {"samples": {"few": {"n": 2, "seed": 1}}, "analyses": {}}
    project = Project(settings, instance, files="all", file_column="file", key=["file", "number"], **options)
    _drop(project, january=JANUARY, march=MARCH)
    _drop(project, march=MARCH.replace("1", "2"))
    with open_store() as store:
        made = store.catalog.materializations.current("flights/table")
        assert store.load("flights/samples/few", pl.DataFrame).height == 2
    assert made.metadata["changes"]["rows"] == "0 added, 0 removed, 1 changed (delay: 1)"


def test_column_for_the_names_of_files_needs_a_union() -> None:
    with pytest.raises(pydantic.ValidationError, match="rows of several files"):
        DatasetPipeline.model_validate({**FLIGHTS, "file_column": "file"})


def test_union_of_files_with_any_columns_is_refused() -> None:
    with pytest.raises(pydantic.ValidationError, match="add_columns or widen"):
        DatasetPipeline.model_validate({**FLIGHTS, "files": "all", "on_schema_change": "accept"})


def test_column_that_a_later_file_may_lack_stays_in_the_rows_of_others(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    options: dict[str, Any] = {"samples": {}, "analyses": {}, "columns": {"gate": {"required": False}}}
    project = Project(settings, instance, files="all", file_column="file", **options)
    _drop(project, january="carrier,number,delay,gate\nUA,1,5,A1\n")
    _drop(project, march=MARCH)
    with open_store() as store:
        frame = store.load("flights/table", as_type=pl.DataFrame)
    assert frame.select("number", "gate").rows() == [(1, "A1"), (3, None)]


def test_changed_rules_read_files_again_that_had_fewer_columns(project: Project) -> None:
    _drop(project, january=JANUARY, march=MARCH)
    _drop(project, february=FEBRUARY)
    options = {"files": "all", "file_column": "file", "samples": {}, "analyses": {}}
    project.declare(**options, columns={"delay": "DOUBLE"})
    assert project.settle()[0] == ["table"]
    with open_store() as store:
        frame = store.load("flights/table", as_type=pl.DataFrame)
    assert frame.select("number", "delay", "gate").rows() == [(9, 0, "A1"), (1, 5, None), (2, 7, None), (3, 1, None)]


def test_changed_rules_read_the_files_of_each_partition_again(settings: Settings, instance: dg.DagsterInstance) -> None:
    options: dict[str, Any] = {"samples": {}, "analyses": {}, "files": "all", "partitions": "by_file", "key": []}
    options["source"] = "{partition}/*.csv"
    project = Project(settings, instance, **options)
    for name in ("north/a.csv", "north/b.csv", "south/a.csv", "south/b.csv"):
        project.drop_into(f"carrier,number,delay\nNA,{len(name)},{ord(name[-5]) - 96}\n", name)
    project.settle()
    project.declare(**options, format={"null_values": ["NA"]})
    project.settle()
    with open_store() as store:
        for partition in ("north", "south"):
            frame = store.load("flights/table", as_type=pl.DataFrame, partition=partition)
            assert frame.rows() == [(None, 11, 1), (None, 11, 2)]


def test_key_that_stands_in_another_file_is_refused_with_its_name(project: Project) -> None:
    _drop(project, january=JANUARY)
    said = _drop(project, march="carrier,number,delay\nUA,9,1\nUA,1,1\n")
    reason = "flights_march.csv, line 3: carrier = 'UA', number = '1' stands in flights_january.csv already"
    assert reason in said
    _drop(project, march="carrier,number,delay\nUA,9,1\n", january="carrier,number,delay\nUA,1,7\n")
    assert _rows() == [("january", 1, 7), ("march", 9, 1)]


def test_row_whose_key_stands_in_another_file_is_left_out_if_bad_rows_are(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    options = {"files": "all", "file_column": "file", "samples": {}, "analyses": {}}
    project = Project(settings, instance, on_bad_rows="quarantine", **options)
    _drop(project, march=JANUARY)
    _drop(project, january="carrier,number,delay\nUA,9,1\nUA,1,1\nUA,4.5,1\n")
    with open_store() as store:
        bad = store.load("flights/bad_rows", as_type=pl.DataFrame).select("file", "line", "reason").rows()
    assert bad == [("flights_january.csv", 3, "stands in flights_march.csv already (`key`)")]
    assert [float(number) for _, number, _ in _rows()] == [9, 4.5, 1, 2]


def test_files_that_wait_together_enter_in_one_run_and_a_bad_one_stops_no_other(project: Project) -> None:
    texts = {"a": "UA,1,1", "b": "UA,2,x", "c": "UA,3,1", "d": "UA,1,1", "e": "UA,5.5,1", "f": "UA,1,7"}
    for name, row in texts.items():
        project.drop(f"carrier,number,delay\n{row}\n", f"flights_{name}.csv")
    [run] = project.tick()
    assert project.materialized_by(run) == ["raw"] * 5 + ["table"]
    _, reasons = project.settle()
    said = reasons["artifact_landing"]
    assert "flights_b.csv: quarantined (RefusedValueError: flights_b.csv, line 2, column 'delay': 'x'" in said
    assert "flights_d.csv: duplicate" in said
    assert "flights_f.csv: quarantined (RepeatedValuesError: flights_f.csv, line 2: carrier = 'UA'" in said
    assert [(file, float(number)) for file, number, _ in _rows()] == [("a", 1), ("c", 3), ("e", 5.5)]
    with open_store() as store:
        versions = store.catalog.datasets.versions("flights")
    assert [each.is_in_table for each in versions] == [False, True, True, False, True]
    assert [(each.raw.source["file"], each.table and each.table.version) for each in versions] == [
        ("flights_f.csv", 1),
        ("flights_e.csv", 1),
        ("flights_c.csv", 1),
        ("flights_b.csv", None),
        ("flights_a.csv", 1),
    ]


def test_files_that_wait_together_are_each_read_a_few_times_however_many_they_are(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def counted(stored: Any, file_type: str, name: str, *options: Any) -> Any:
        opened.append(name)
        return open_stored(stored, file_type, name, *options)

    monkeypatch.setattr(union_files, "open_stored", counted)
    for number in range(12):
        project.drop(f"carrier,number,delay\nUA,{number},1\n", f"flights_{number:02}.csv")
    project.tick()
    assert len(_rows()) == 12
    assert len(opened) <= 12 * 5


def test_bad_replacement_among_several_leaves_the_rows_of_its_file(project: Project) -> None:
    _drop(project, a="carrier,number,delay\nUA,1,1\n", b="carrier,number,delay\nUA,2,1\n")
    said = _drop(project, a="carrier,number,delay\nUA,1,x\n", b="carrier,number,delay\nUA,2,7\n")
    assert "flights_a.csv: quarantined" in said
    assert _rows() == [("a", 1, 1), ("b", 2, 7)]
