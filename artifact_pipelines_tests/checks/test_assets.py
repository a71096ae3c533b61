"""Checks of a dataset in Dagster: a failed blocking one keeps the last good version current."""

import datetime
import pathlib
from typing import Any

import dagster as dg
import polars as pl
import pydantic
import pytest

from artifact_pipelines import DatasetPipeline, open_store
from artifact_pipelines.automation import on_changed_content
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import Publication
from artifact_pipelines.definitions import build_definitions

DECLARED: dict[str, Any] = {
    "name": "shops",
    "description": "Shops.",
    "source": "shops*.csv",
    "files": "latest",
    "owners": ["team:a"],
    "checks": {
        "has_name": {"kind": "not_null", "columns": "name", "severity": "warn"},
        "positive": {"kind": "range", "column": "sales", "min": 0, "blocking": True},
        "known": {"kind": "foreign_key", "columns": "name", "to": "places"},
        "fresh": {"kind": "freshness", "within": "36h"},
    },
    "analyses": {"profile": {"kind": "profile"}},
}


def shops(**fields: Any) -> DatasetPipeline:
    return DatasetPipeline.model_validate({**DECLARED, **fields})


def test_failed_blocking_check_keeps_the_last_good_version(settings: Settings) -> None:
    landing = pathlib.Path(settings.landing_url.removeprefix("file://"))
    landing.mkdir(exist_ok=True)

    @dg.asset(key=["places", "table"], io_manager_key="artifact_io_manager")
    def places() -> pl.DataFrame:
        return pl.DataFrame({"name": ["Rome", "Oslo"]})

    datasets = dg.Definitions.merge(shops().definitions(), dg.Definitions(assets=[places]))
    definitions = build_definitions(datasets, settings)
    with dg.DagsterInstance.ephemeral() as instance:
        whole = definitions.resolve_implicit_global_asset_job_def()
        assert whole.execute_in_process(instance=instance, asset_selection=[places.key]).success
        job = definitions.resolve_job_def("shops_pipeline")
        found = []
        for number, rows in enumerate(["Rome,5\n,6", "Rome,5\nOslo,-6\nBern,7", "Oslo,1"]):
            (landing / f"shops{number}.csv").write_text(f"name,sales\n{rows}\n")
            made = job.execute_in_process(instance=instance, raise_on_error=False)
            found.append({each.check_name: each for each in made.get_asset_check_evaluations()})
            assert made.success == (number != 1)
            with open_store() as store:
                current = store.load("shops/table", pl.DataFrame)
                assert current["sales"].to_list() == [[5, 6], [5, 6], [1]][number]
    passed = [{name: each.passed for name, each in of_run.items()} for of_run in found]
    assert passed[0] == {"has_name": False, "positive": True, "known": True, "fresh": True}
    assert passed[1] == {"has_name": True, "positive": False, "known": False, "fresh": True}
    assert all(passed[2].values())
    assert found[0]["has_name"].severity == dg.AssetCheckSeverity.WARN
    failed = found[1]["positive"]
    assert failed.metadata["breaking_rows"].value == 1
    assert failed.metadata["artifact/failing_rows"].value == "shops/failing_rows/positive version 1, 1 row"
    with open_store() as store:
        assert store.load("shops/failing_rows/positive", pl.DataFrame).rows() == [("Oslo", -6)]
        assert store.load("shops/failing_rows/known", pl.DataFrame).rows() == [("Bern", 7)]
        rejected = [made for made in store.history("shops/table") if made.publication == Publication.REJECTED]
        assert [made.publication_reason for made in rejected] == ["failed check positive"]


def test_rejected_version_starts_no_run(settings: Settings) -> None:
    landing = pathlib.Path(settings.landing_url.removeprefix("file://"))
    checks = {"positive": DECLARED["checks"]["positive"]}

    @dg.asset(deps=[dg.AssetKey(["shops", "table"])], automation_condition=on_changed_content())
    def own() -> int:
        return 1

    datasets = dg.Definitions.merge(shops(checks=checks).definitions(), dg.Definitions(assets=[own]))
    definitions = build_definitions(datasets, settings)
    cursor, requested = None, []
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()

        def make(*keys: dg.AssetKey) -> None:
            job.execute_in_process(instance=instance, asset_selection=keys, raise_on_error=False)

        for name, sales in [("a", 1), ("b", -1), ("c", 2)]:
            (landing / f"shops_{name}.csv").write_text(f"name,sales\nRome,{sales}\n")
            make(*(dg.AssetKey(["shops", *key]) for key in (["raw"], ["table"], ["analyses", "profile"], ["report"])))
            result = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor)
            cursor = result.cursor
            keys = [each.key for each in result.results if not each.true_subset.is_empty]
            requested.append(sorted(key.to_user_string() for key in keys))
            make(own.key)
    assert requested == [["own"], [], ["own"]]


def test_checks_are_those_of_the_table_and_some_run_alone() -> None:
    definitions = shops().definitions()
    [checks] = [each for each in definitions.asset_checks or () if "fresh" in {key.name for key in each.check_keys}]
    specs = {spec.name: spec for spec in checks.check_specs}
    assert {spec.asset_key.to_user_string() for spec in specs.values()} == {"shops/table"}
    assert [name for name, spec in specs.items() if spec.automation_condition] == ["known", "fresh"]
    assert [name for name, spec in specs.items() if spec.blocking] == ["positive"]
    assert specs["known"].description == "Each `name` is found in `name` of dataset places."


def test_check_runs_alone_when_another_table_changes_or_time_passes(settings: Settings) -> None:
    landing = pathlib.Path(settings.landing_url.removeprefix("file://"))
    (landing / "shops.csv").write_text("name,sales\nRome,5\n")
    names = ["Rome"]

    @dg.asset(key=["places", "table"], io_manager_key="artifact_io_manager")
    def places() -> pl.DataFrame:
        return pl.DataFrame({"name": names})

    datasets = dg.Definitions.merge(shops(analyses={}).definitions(), dg.Definitions(assets=[places]))
    definitions = build_definitions(datasets, settings)
    table = dg.AssetKey(["shops", "table"])
    time, cursor = datetime.datetime(2024, 1, 1, 10, 30, tzinfo=datetime.UTC), None
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()

        def requested(minutes: int = 1) -> list[str]:
            nonlocal time, cursor
            time += datetime.timedelta(minutes=minutes)
            result = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor, evaluation_time=time)
            cursor = result.cursor
            due = [each.key for each in result.results if not each.true_subset.is_empty]
            return [key.name for key in due if isinstance(key, dg.AssetCheckKey)]

        def make(*keys: dg.AssetKey) -> None:
            assert job.execute_in_process(instance=instance, asset_selection=list(keys)).success

        make(places.key)
        make(dg.AssetKey(["shops", "raw"]), table)
        assert requested() == []
        make(places.key)
        assert requested() == [], "the other table has the same content"
        names.append("Oslo")
        make(places.key)
        assert requested() == ["known"]
        assert requested() == []
        assert requested(minutes=30) == ["fresh"]
        assert requested() == []


def test_dataset_without_blocking_checks_publishes_at_once() -> None:
    definitions = shops(checks={"has_name": {"kind": "not_null", "columns": "name"}}).definitions()
    assets = [each for each in definitions.assets or () if isinstance(each, dg.AssetsDefinition)]
    assert not any("artifact/publish" in spec.metadata for asset in assets for spec in asset.specs)


@pytest.mark.parametrize(
    ("checks", "place", "message"),
    [
        ({"it": {"kind": "magic"}}, ("checks", "it", "kind"), "Input should be 'not_null'"),
        ({"it": {"kind": "not_null", "columns": "nmae"}}, ("checks", "it"), "nmae"),
        ({"no_bad_rows": {"kind": "row_count", "min": 1}}, ("checks",), "is the name of another check"),
    ],
    ids=str,
)
def test_wrong_checks_are_refused_at_their_place(checks: Any, place: tuple[str, ...], message: str) -> None:
    columns = {"name": "VARCHAR", "sales": "BIGINT"}
    with pytest.raises(pydantic.ValidationError) as raised:
        shops(checks=checks, columns=columns, on_schema_change="declared")
    [error] = raised.value.errors()
    assert error["loc"] == place
    assert message in error["msg"]


def test_partitions_are_checked_one_by_one() -> None:
    partitioned = shops(files="latest", source="shops_{partition}.csv", partitions="daily")
    [checks] = [each for each in partitioned.definitions().asset_checks or () if len(list(each.check_keys)) > 1]
    assert {type(spec.partitions_def) for spec in checks.check_specs} == {dg.DailyPartitionsDefinition}
    assert not any(spec.automation_condition for spec in checks.check_specs)
