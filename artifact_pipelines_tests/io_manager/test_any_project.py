"""A project that works with Dagster's own IO managers works with this one, unchanged."""

import pathlib
from collections.abc import Callable
from typing import Any, Optional

import dagster as dg
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import NothingSelectedError
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines_tests.io_manager.conftest import failure_of

DAYS = dg.StaticPartitionsDefinition(["mon", "tue"])


@dg.asset(partitions_def=DAYS)
def daily(context: dg.AssetExecutionContext) -> dict[str, str]:
    return {"day": context.partition_key}


def materialize(ours: ArtifactIOManager, *assets: Any, **options: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize([*assets], resources={"io_manager": ours}, **options)


def run_op_job(ours: ArtifactIOManager, job: Callable[..., Any]) -> dg.ExecuteInProcessResult:
    return dg.job(resource_defs={"io_manager": ours})(job).execute_in_process()


def test_none_without_annotation_has_a_new_data_version_each_run(
    ours: ArtifactIOManager, instance: dg.DagsterInstance, own_catalog: Catalog
) -> None:
    @dg.asset
    def loaded_elsewhere():  # type: ignore[no-untyped-def]
        return None

    @dg.asset
    def perhaps() -> int | None:
        return None

    def version(key: str) -> object:
        event = instance.get_latest_materialization_event(dg.AssetKey(key))
        assert event
        assert event.asset_materialization
        return (event.asset_materialization.tags or {})["dagster/data_version"]

    versions = []
    for _ in range(2):
        materialize(ours, loaded_elsewhere, perhaps, instance=instance)
        versions.append((version("loaded_elsewhere"), version("perhaps")))
    assert versions[0][0] != versions[1][0]
    assert versions[0][1] == versions[1][1], "None is a value where the annotation allows it"
    assert [own_catalog.materializations.current(name).version for name in ("loaded_elsewhere", "perhaps")] == [2, 1]


@pytest.mark.parametrize(
    "partitions", [{"partition_key": "mon"}, {"partition_key_range": dg.PartitionKeyRange("mon", "tue")}]
)
def test_partitions_load_outside_of_a_run(
    ours: ArtifactIOManager, instance: dg.DagsterInstance, partitions: dict[str, Any]
) -> None:
    for day in ("mon", "tue"):
        materialize(ours, daily, partition_key=day, instance=instance)
    definitions = dg.Definitions([daily], resources={"io_manager": ours})
    with definitions.get_asset_value_loader(instance) as loader:
        found = loader.load_asset_value("daily", **partitions)
    each = {day: {"day": day} for day in ("mon", "tue")}
    assert found == (each["mon"] if "partition_key" in partitions else each)


def test_selected_version_loads_outside_of_a_run(ours: ArtifactIOManager, instance: dg.DagsterInstance) -> None:
    value = ["one"]

    @dg.asset
    def text() -> str:
        return value[0]

    materialize(ours, text, instance=instance)
    value[0] = "two"
    materialize(ours, text, instance=instance)
    with dg.Definitions([text], resources={"io_manager": ours}).get_asset_value_loader(instance) as loader:
        assert loader.load_asset_value("text", input_definition_metadata={"artifact/version": 1}) == "one"
        with pytest.raises(dg.Failure, match="version 9"):
            loader.load_asset_value("text", input_definition_metadata={"artifact/version": 9})


def test_step_loads_a_value_that_is_not_an_input(ours: ArtifactIOManager, instance: dg.DagsterInstance) -> None:
    @dg.asset(deps=[daily])
    def down(context: dg.AssetExecutionContext) -> dict[str, str]:
        found: dict[str, str] = context.load_asset_value(dg.AssetKey("daily"), partition_key="mon")
        return found

    materialize(ours, daily, partition_key="mon", instance=instance)
    result = materialize(ours, daily, down, selection=[down], instance=instance)
    assert result.asset_value("down") == {"day": "mon"}


@dg.op
def one() -> int:
    return 1


@dg.op
def two() -> int:
    return 2


@dg.op(out=dg.DynamicOut(pl.DataFrame))
def pieces():  # type: ignore[no-untyped-def]
    for number in range(3):
        yield dg.DynamicOutput(pl.DataFrame({"x": [number]}), str(number))


def test_fan_in_loads_each_output_as_the_annotated_item_type(ours: ArtifactIOManager) -> None:
    @dg.op
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @dg.op
    def lengths(frames: list[pl.LazyFrame]) -> list[int]:
        return [frame.collect().height for frame in frames]

    @dg.op
    def optional(numbers: Optional[list[int | None]]) -> int:  # noqa: UP045 - as people write it
        return sum(number or 0 for number in numbers or ())

    @dg.op
    def unannotated(numbers) -> list[int]:  # type: ignore[no-untyped-def]
        return [*numbers]

    def collect() -> None:
        total([one(), two()])
        optional([one(), two()])
        lengths(pieces().collect())
        unannotated([two(), one()])

    result = run_op_job(ours, collect)
    assert (result.output_for_node("total"), result.output_for_node("optional")) == (3, 3)
    assert result.output_for_node("lengths") == [1, 1, 1]
    assert result.output_for_node("unannotated") == [2, 1]


@pytest.mark.parametrize("partition", [None, "mon"])
def test_optional_input_without_a_version_is_none(
    ours: ArtifactIOManager, instance: dg.DagsterInstance, partition: str | None
) -> None:
    partitions = DAYS if partition else None

    @dg.asset(partitions_def=partitions)
    def source() -> pl.DataFrame:
        return pl.DataFrame({"x": [1]})

    @dg.asset(partitions_def=partitions)
    def rows(source: Optional[pl.LazyFrame]) -> str:  # noqa: UP045 - as people write it
        return "none" if source is None else str(source.collect().height)

    @dg.asset(partitions_def=partitions, ins={"source": dg.AssetIn(metadata={"artifact/version": 3})})
    def pinned(source: pl.DataFrame | None) -> str:
        return str(source)

    options: dict[str, Any] = {"partition_key": partition, "instance": instance}
    result = materialize(ours, source, rows, selection=[rows], **options)
    assert result.asset_value("rows") == "none"
    assert materialize(ours, source, rows, **options).asset_value("rows") == "1"
    refused = materialize(ours, source, pinned, selection=[pinned], raise_on_error=False, **options)
    assert NothingSelectedError.__name__ in failure_of(refused), "a selected version is not optional"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (pl.DataFrame({"x": [1]}), pl.DataFrame),
        (pl.LazyFrame({"x": [1]}), pl.LazyFrame),
        (pd.DataFrame({"x": [1]}), pd.DataFrame),
        (pa.table({"x": [1]}), pa.Table),
        (pa.table({"x": [1]}).to_reader(), pl.DataFrame),
        (b"bytes", bytes),
        (bytearray(b"bytes"), bytearray),
        ("text", str),
        ((1, 2), tuple),
        (1.5, float),
        (pathlib.Path(__file__), pathlib.Path),
    ],
)
def test_input_without_annotation_loads_the_stored_type(ours: ArtifactIOManager, value: object, kind: type) -> None:
    @dg.asset
    def source():  # type: ignore[no-untyped-def]
        return value

    @dg.asset
    def loaded(source) -> bool:  # type: ignore[no-untyped-def]
        return isinstance(source, kind)

    assert materialize(ours, source, loaded).asset_value("loaded")
