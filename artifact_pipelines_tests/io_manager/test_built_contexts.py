"""Contexts that no step builds: by hand, as the unit tests of a project do, and for `output_for_node`."""

import pathlib
from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.io_manager.resources import ArtifactIOManagerFactory

DAYS = dg.StaticPartitionsDefinition(["tue", "mon"])
ALL_DAYS = dg.PartitionKeyRange("tue", "mon")


def load(ours: ArtifactIOManager, python_type: Any = None, **built: Any) -> Any:
    dagster_type = dg.PythonObjectDagsterType(python_type) if python_type else None
    return ours.load_input(dg.build_input_context(dagster_type=dagster_type, **built))


def test_output_context_with_an_asset_key_stores_a_version(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    context = dg.build_output_context(asset_key="a")
    ours.handle_output(context, [1])
    made = own_catalog.materializations.current("a")
    assert (made.version, made.run_id, made.step_key, made.code_version) == (1, None, None, None)
    assert context.get_logged_metadata()["artifact/version"].value == "1"


def test_input_context_with_an_asset_key_loads_the_current_version(ours: ArtifactIOManager) -> None:
    ours.handle_output(dg.build_output_context(asset_key="a"), [1])
    assert load(ours, asset_key="a") == [1]
    assert load(ours, list, asset_key="a", upstream_output=dg.build_output_context(asset_key="a")) == [1]


def test_input_context_loads_as_its_type_and_by_its_metadata(ours: ArtifactIOManager) -> None:
    for x in (1, 2):
        ours.handle_output(dg.build_output_context(asset_key="a"), pl.DataFrame({"x": [x], "y": [x]}))
    metadata = {"artifact/version": 1, "columns": ["x"]}
    loaded = load(ours, pl.LazyFrame, asset_key="a", name="numbers", definition_metadata=metadata)
    assert loaded.collect().to_dict(as_series=False) == {"x": [1]}


def test_output_of_an_op_is_found_by_run_step_and_name(ours: ArtifactIOManager) -> None:
    written = dg.build_output_context(step_key="count", name="result", run_id="r1")
    ours.handle_output(written, 3)
    assert load(ours, int, name="number", upstream_output=written) == 3
    assert load(ours, int, upstream_output=dg.build_output_context(step_key="count", name="result", run_id="r1")) == 3
    with pytest.raises(dg.Failure, match="r2/count/result"):
        load(ours, int, upstream_output=dg.build_output_context(step_key="count", name="result", run_id="r2"))


@pytest.mark.parametrize("built", [{}, {"step_key": "count"}, {"name": "result"}])
def test_context_that_names_no_value_is_refused(ours: ArtifactIOManager, built: Any) -> None:
    with pytest.raises(dg.Failure, match="asset_key"):
        ours.handle_output(dg.build_output_context(**built), 1)
    with pytest.raises(dg.Failure, match="asset_key"):
        load(ours, upstream_output=dg.build_output_context(**built))
    with pytest.raises(dg.Failure, match="asset_key"):
        load(ours)


def test_one_partition_is_stored_and_loaded(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    ours.handle_output(dg.build_output_context(asset_key="a", partition_key="mon"), "Monday")
    assert own_catalog.materializations.current("a", "mon").version == 1
    assert load(ours, str, asset_key="a", partition_key="mon") == "Monday"


def test_several_partitions_are_stored_and_loaded_in_order(ours: ArtifactIOManager) -> None:
    of_days: Any = {"asset_key": "a", "asset_partition_key_range": ALL_DAYS, "asset_partitions_def": DAYS}
    ours.handle_output(dg.build_output_context(**of_days), {"mon": 1, "tue": 2})
    loaded = load(ours, dict, **of_days)
    assert [*loaded.items()] == [("tue", 2), ("mon", 1)]


def test_input_context_with_an_upstream_output_only_loads_its_partitions(ours: ArtifactIOManager) -> None:
    monday = dg.build_output_context(asset_key="a", partition_key="mon")
    ours.handle_output(monday, 1)
    assert load(ours, upstream_output=monday) == 1
    days = dg.build_output_context(asset_key="a", asset_partition_key_range=ALL_DAYS, asset_partitions_def=DAYS)
    ours.handle_output(days, {"mon": 1, "tue": 2})
    assert load(ours, dict, upstream_output=days) == {"tue": 2, "mon": 1}


def test_keys_of_several_dimensions_are_stored_and_loaded_as_text_and_as_keys(ours: ArtifactIOManager) -> None:
    key = dg.MultiPartitionKey({"day": "mon", "place": "north"})
    ours.handle_output(dg.build_output_context(asset_key="a", partition_key=key), 1)
    assert load(ours, asset_key="a", partition_key=key) == load(ours, asset_key="a", partition_key="mon|north") == 1


def test_range_of_unknown_partitions_is_refused(ours: ArtifactIOManager) -> None:
    of_days: Any = {"asset_key": "a", "asset_partition_key_range": ALL_DAYS}
    with pytest.raises(dg.Failure, match="asset_partitions_def"):
        ours.handle_output(dg.build_output_context(**of_days), {"mon": 1, "tue": 2})
    with pytest.raises(dg.Failure, match="asset_partitions_def"):
        load(ours, **of_days)


def test_input_of_an_op_that_nothing_feeds_is_refused(ours: ArtifactIOManager) -> None:
    @dg.op(ins={"number": dg.In(input_manager_key="ours")})
    def count(number: int) -> int:
        return number

    @dg.job(resource_defs={"ours": dg.IOManagerDefinition.hardcoded_io_manager(ours)})
    def numbers() -> None:
        count()

    [event] = numbers.execute_in_process(raise_on_error=False).get_step_failure_events()
    assert "context must be one with an asset_key or an upstream_output" in event.step_failure_data.error_display_string


def test_checks_alone_load_assets_and_their_partitions(ours: ArtifactIOManager, instance: dg.DagsterInstance) -> None:
    @dg.asset
    def one() -> int:
        return 1

    @dg.asset(partitions_def=DAYS)
    def day(context: dg.AssetExecutionContext) -> str:
        return str(context.partition_key)

    @dg.multi_asset_check(specs=[dg.AssetCheckSpec("is_one", asset="one"), dg.AssetCheckSpec("is_odd", asset="one")])
    def checks(one: int) -> Iterator[dg.AssetCheckResult]:
        yield dg.AssetCheckResult(passed=one == 1, check_name="is_one")
        yield dg.AssetCheckResult(passed=one % 2 == 1, check_name="is_odd")

    @dg.asset_check(asset="day", additional_ins={"one": dg.AssetIn("one")})
    def all_days(day: dict[str, str], one: int) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=[*day] == ["tue", "mon"] and one == 1)

    resources = {"io_manager": ours}
    dg.materialize([one], resources=resources, instance=instance)
    for key in ("mon", "tue"):
        dg.materialize([day], resources=resources, instance=instance, partition_key=key)
    selection = dg.AssetSelection.checks(checks, all_days)
    found = dg.materialize(
        [one, day, checks, all_days], resources=resources, instance=instance, selection=selection
    ).get_asset_check_evaluations()
    assert [evaluation.passed for evaluation in found] == [True] * 3


def test_metadata_of_a_built_context_count(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    metadata: Any = {"artifact/row_order": "any"}
    for frame in (pl.DataFrame({"x": [1, 2]}), pl.DataFrame({"x": [2, 1]})):
        ours.handle_output(dg.build_output_context(asset_key="a", definition_metadata=metadata), frame)
    assert own_catalog.materializations.current("a").version == 1
    spec = dg.AssetSpec("b", code_version="7", metadata={"artifact/dataset": "rows"})
    ours.handle_output(dg.build_output_context(asset_key="b", asset_spec=spec), b"rows")
    assert own_catalog.materializations.current("b").code_version == "7"
    with pytest.raises(dg.Failure, match="artifact/roworder"):
        misspelled: Any = {"artifact/roworder": "any"}
        ours.handle_output(dg.build_output_context(asset_key="a", definition_metadata=misspelled), [1])


def test_output_that_waits_for_checks_is_refused_because_no_run_would_publish_it(ours: ArtifactIOManager) -> None:
    metadata: Any = {"artifact/publish": "after_checks"}
    with pytest.raises(dg.Failure, match="NoBlockingChecksError"):
        ours.handle_output(dg.build_output_context(asset_key="a", definition_metadata=metadata), [1])


def make_op_job() -> dg.JobDefinition:
    @dg.op
    def one() -> int:
        return 1

    @dg.op(out=dg.DynamicOut(int))
    def several() -> Iterator[dg.DynamicOutput[int]]:
        for number in range(2):
            yield dg.DynamicOutput(number, f"number_{number}")

    @dg.job(resource_defs={"io_manager": io_manager()}, executor_def=dg.in_process_executor)
    def numbers() -> None:
        one()
        several()

    return numbers


def make_asset_job() -> dg.JobDefinition:
    @dg.asset(
        metadata={"artifact/publish": "after_checks"},
        check_specs=[dg.AssetCheckSpec("odd", asset="one", blocking=True)],
    )
    def one() -> Any:
        yield dg.Output(1)
        yield dg.AssetCheckResult(check_name="odd", passed=False, severity=dg.AssetCheckSeverity.WARN)

    return job_of(one)


def make_partitioned_job() -> dg.JobDefinition:
    @dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def day(context: dg.AssetExecutionContext) -> Any:
        keys = context.partition_keys
        return {key: f"it is {key}" for key in keys}

    return job_of(day)


def io_manager() -> ArtifactIOManagerFactory:
    settings = Settings.from_environment()
    return ArtifactIOManagerFactory(catalog_url=settings.catalog_url, storage_url=settings.storage_url)


def job_of(*assets: Any) -> dg.JobDefinition:
    jobs = [dg.define_asset_job("job", assets, executor_def=dg.in_process_executor)]
    return dg.Definitions(assets, jobs=jobs, resources={"io_manager": io_manager()}).resolve_job_def("job")


@pytest.mark.parametrize(
    ("make", "node", "tags", "expected"),
    [
        (make_op_job, "one", {}, 1),
        (make_op_job, "several", {}, {"number_0": 0, "number_1": 1}),
        (make_asset_job, "one", {}, 1),
        (make_partitioned_job, "day", {"dagster/partition": "mon"}, "it is mon"),
        (
            make_partitioned_job,
            "day",
            {"dagster/asset_partition_range_start": "tue", "dagster/asset_partition_range_end": "mon"},
            {"tue": "it is tue", "mon": "it is mon"},
        ),
    ],
)
def test_output_for_node_of_an_executed_job_loads_what_the_run_stored(
    tmp_path: pathlib.Path, make: Any, node: str, tags: dict[str, str], expected: object
) -> None:
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        dg.execute_job(dg.reconstructable(make), instance=instance, tags=tags) as result,
    ):
        assert result.output_for_node(node) == expected
