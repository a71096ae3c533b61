"""A dict, list or tuple of tables and arrays is one materialization of several files."""

import datetime
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest

from artifact_pipelines import Artifact, open_store
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import NeverMaterializedError
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.instance.event_log import is_report_of
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import DamagedBytesError
from artifact_pipelines.storage.holding import Holding
from artifact_pipelines_tests.cli.commands import run, run_json
from artifact_pipelines_tests.io_manager.conftest import failure_of

FRAME, OTHER = pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [3]})


def make(
    ours: ArtifactIOManager, value: Any, instance: dg.DagsterInstance | None = None, **options: Any
) -> dg.ExecuteInProcessResult:
    def splits() -> Any:
        return value

    return dg.materialize(
        [dg.asset(splits, **options)], resources={"io_manager": ours}, instance=instance, raise_on_error=False
    )


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    [event] = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items() if hasattr(value, "value")}


def records(result: dg.ExecuteInProcessResult) -> list[dict[str, Any]]:
    [event] = result.get_asset_materialization_events()
    shown = event.materialization.metadata["artifact/members"]
    assert isinstance(shown, dg.TableMetadataValue)
    return [dict(record.data) for record in shown.records]


def test_container_passes_from_asset_to_asset_in_every_form(ours: ArtifactIOManager) -> None:
    found: dict[str, Any] = {}

    @dg.asset
    def splits() -> dict[str, pl.DataFrame]:
        return {"train": FRAME, "test": OTHER}

    @dg.asset
    def arrays() -> Any:
        return [np.arange(2), np.arange(3), 7]

    @dg.asset
    def plain(splits: Any, arrays: Any) -> None:
        found["plain"] = {name: frame.height for name, frame in splits.items()}, [*map(type, arrays)]

    @dg.asset
    def lazy(splits: dict[str, pl.LazyFrame], arrays: list[Artifact]) -> None:
        found["lazy"] = {name: type(frame) for name, frame in splits.items()}, [one.info.file_type for one in arrays]

    @dg.asset(ins={"arrays": dg.AssetIn(dagster_type=dg.Any)})
    def many(arrays: tuple[np.ndarray[Any, Any] | int, ...]) -> None:
        found["many"] = [*map(type, arrays)]

    assert dg.materialize([splits, arrays, plain, lazy, many], resources={"io_manager": ours}).success
    assert found == {
        "plain": ({"train": 2, "test": 1}, [np.ndarray, np.ndarray, int]),
        "lazy": ({"train": pl.LazyFrame, "test": pl.LazyFrame}, ["npy", "npy", "json"]),
        "many": [np.ndarray, np.ndarray, int],
    }


def test_ui_shows_each_member_with_file_rows_and_preview(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    result = make(ours, {"train": FRAME, "test": OTHER})
    made, shown = own_catalog.materializations.current("splits"), metadata_of(result)
    assert [(row["member"], row["file ID"], row["rows"], row["type"]) for row in records(result)] == [
        ("train", made.files[0].file_id, 2, "parquet"),
        ("test", made.files[1].file_id, 1, "parquet"),
    ]
    assert {"artifact/preview/train", "artifact/preview/test"} <= {
        *result.get_asset_materialization_events()[0].materialization.metadata
    }
    assert shown["dagster/size_bytes"] == shown["artifact/bytes_added"] == sum(file.size_bytes for file in made.files)
    assert shown["artifact/file_ids"] == ", ".join(str(file.file_id) for file in made.files)
    assert "dagster/row_count" not in shown


def test_data_version_is_that_of_kind_names_and_members(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    def version(value: Any) -> tuple[int, str]:
        assert make(ours, value).success
        made = own_catalog.materializations.current("splits")
        return made.version, made.data_version

    first = version({"a": FRAME, "b": OTHER})
    assert version({"b": OTHER.lazy(), "a": FRAME.to_arrow()}) == first  # neither order nor library is content
    others = [
        {"a": OTHER, "b": FRAME},
        {"a": FRAME, "c": OTHER},
        {"a": FRAME},
        [FRAME, OTHER],
        (FRAME, OTHER),
        FRAME,
        [FRAME],
        (FRAME,),
    ]
    assert [number for number, _ in map(version, others)] == [2, 3, 4, 5, 6, 7, 8, 9]


def test_dict_comes_back_in_its_order(ours: ArtifactIOManager) -> None:
    make(ours, {"b": FRAME, "a": OTHER})
    with open_store() as store:
        assert list(store.load("splits")) == ["b", "a"]


def test_equal_members_are_stored_once_and_add_bytes_once(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    added = metadata_of(make(ours, {"a": FRAME, "b": FRAME}))["artifact/bytes_added"]
    made = own_catalog.materializations.current("splits")
    assert made.files[0].file_id == made.files[1].file_id
    assert added == made.files[0].size_bytes
    shown = metadata_of(make(ours, {"a": FRAME, "b": FRAME, "c": FRAME}))
    assert (shown["artifact/bytes_added"], shown["artifact/duplicate"]) == (0, True)
    assert own_catalog.audit.wrong_counts() == []


def test_failed_member_leaves_store_and_catalog_unchanged(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    result = make(ours, {"train": FRAME, "test": np.array([{}, None])})
    assert "UnstorableValueError: Member test: Cannot store as npy" in failure_of(result)
    assert "multi_asset" in failure_of(make(ours, {"train": FRAME, "more": {"x": {"y": OTHER}}}))
    with pytest.raises(NeverMaterializedError):
        own_catalog.materializations.current("splits")
    assert [file for file in own_catalog.files.list_files(10) if file.reference_count] == []
    assert own_catalog.audit.wrong_counts() == []


def test_partitions_may_hold_containers(ours: ArtifactIOManager) -> None:
    found: dict[str, Any] = {}
    parts = dg.StaticPartitionsDefinition(["x", "y"])
    single_run = dg.BackfillPolicy.single_run()

    @dg.asset(partitions_def=parts, backfill_policy=single_run)
    def splits() -> Any:
        return {"x": {"train": FRAME}, "y": {"train": OTHER, "test": FRAME}}

    @dg.asset
    def by_key(splits: dict[str, dict[str, pl.DataFrame]]) -> None:
        found["all"] = {key: {name: frame.height for name, frame in held.items()} for key, held in splits.items()}

    @dg.asset(partitions_def=parts)
    def one(context: dg.AssetExecutionContext, splits: dict) -> None:  # type: ignore[type-arg]
        found[context.partition_key] = list(splits)

    with dg.DagsterInstance.ephemeral() as instance:
        everything: list[dg.AssetsDefinition] = [splits, by_key, one]
        options: dict[str, Any] = {"resources": {"io_manager": ours}, "instance": instance}
        tags = {"dagster/asset_partition_range_start": "x", "dagster/asset_partition_range_end": "y"}
        assert dg.materialize(everything, selection=[splits], tags=tags, **options).success
        assert dg.materialize(everything, selection=[by_key], **options).success
        assert dg.materialize(everything, selection=[one], partition_key="y", **options).success
    assert found == {"all": {"x": {"train": 2}, "y": {"train": 1, "test": 2}}, "y": ["train", "test"]}


def test_outputs_of_ops_may_be_containers(ours: ArtifactIOManager) -> None:
    found: list[Any] = []

    @dg.op
    def split() -> Any:
        return FRAME, OTHER

    @dg.op
    def use(frames: tuple[pl.DataFrame, pl.LazyFrame]) -> None:
        found.extend(map(type, frames))

    @dg.job(resource_defs={"io_manager": dg.IOManagerDefinition.hardcoded_io_manager(ours)})
    def both() -> None:
        use(split())

    assert both.execute_in_process().success
    assert found == [pl.DataFrame, pl.LazyFrame]


def test_event_is_the_report_of_its_own_files_only(
    ours: ArtifactIOManager, own_catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    for value in ({"a": FRAME, "b": OTHER}, {"a": FRAME, "b": FRAME}, {"a": FRAME}, FRAME):
        make(ours, value, instance)
    events = instance.fetch_materializations(dg.AssetKey("splits"), limit=10).records
    made = own_catalog.materializations.history("splits")
    assert [[is_report_of(event, one) for event in events] for one in made] == np.eye(4, dtype=bool).tolist()


def test_rollback_release_and_restore_take_all_files(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    make(ours, {"a": FRAME, "b": OTHER, "c": OTHER})
    make(ours, {"a": OTHER})
    with open_store() as store:
        store.rollback("splits", 1)
        assert list(store.load("splits")) == ["a", "b", "c"]
        store.rollback("splits", 2)
        assert own_catalog.audit.wrong_counts() == []
        own_catalog.retention.release(VersionName("splits", None, 1), "no longer needed")
        assert own_catalog.audit.wrong_counts() == []
        assert own_catalog.retention.restore("splits", None, 1)
        assert own_catalog.audit.wrong_counts() == []
        assert store.load("splits", dict[str, pl.DataFrame], version=1)["c"].equals(OTHER)


def test_leases_of_members_are_renewed_while_others_are_written(
    ours: ArtifactIOManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []
    holding = ArtifactProducer.holding

    def watched(self: ArtifactProducer, is_brief: bool = False) -> Holding:
        found.append(is_brief)
        return holding(self, is_brief)

    monkeypatch.setattr(ArtifactProducer, "holding", watched)
    make(ours, FRAME)
    make(ours, {"a": FRAME})
    assert found == [True, False]


def test_damaged_member_is_refused(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    make(ours, (FRAME, OTHER))
    own_catalog.files.mark_damaged(own_catalog.materializations.current("splits").files[1])
    with open_store() as store, pytest.raises(DamagedBytesError):
        store.load("splits")


def test_commands_show_the_members(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    make(ours, {"train": FRAME, "test": OTHER})
    make(ours, [FRAME])
    files = own_catalog.materializations.version("splits", 1).files
    [new, old] = run_json("history", "splits")
    assert old["members"] == {"train": files[0].file_id, "test": files[1].file_id}
    assert old["size_bytes"] == sum(file.size_bytes for file in files)
    assert (new["members"], new["content_hash"]) == ({"0": files[0].file_id}, None)
    assert "members" in run("ls")
    assert "splits, version 1" in run("lineage", str(files[1].file_id)) + run("lineage", "splits", "--version", "1")
    assert str(datetime.datetime.now(datetime.UTC).year) in run("show", str(files[1].file_id), "--json")


def test_rows_without_order_count_as_the_same_in_every_member(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    for frames in ([FRAME, OTHER], [FRAME.reverse(), OTHER]):
        assert make(ours, frames, metadata={"artifact/row_order": "any"}).success
    assert {one.version for one in own_catalog.materializations.history("splits")} == {1}


@pytest.mark.usefixtures("settings")
def test_lineage_counts_the_files_of_a_container(ours: ArtifactIOManager) -> None:
    @dg.asset
    def splits() -> Any:
        return {"train": FRAME, "test": OTHER, "n": 1}

    @dg.asset
    def total(splits: dict[str, Any]) -> int:
        return len(splits)

    result = dg.materialize([splits, total], resources={"io_manager": ours})
    [event] = result.asset_materializations_for_node("total")
    inputs = event.metadata["artifact/inputs"]
    assert isinstance(inputs, dg.TableMetadataValue)
    assert inputs.records[0].data["files"] == 3
    assert "splits, version 1, file 1 and 2 more" in run("lineage", "total")
    assert run_json("lineage", "total")["roots"][0]["children"][0]["file_count"] == 3
