"""In a run over several partitions each value becomes a file and a materialization of its own, all or none."""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dagster as dg
import pandas as pd
import polars as pl
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.files import make_lasting
from artifact_pipelines.core.exceptions import LeaseExpiredError
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.io_manager.asked_outputs import DATASET_METADATA_KEY
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import StorageFullError
from artifact_pipelines_tests.catalog.filled import inputs_of
from artifact_pipelines_tests.io_manager.conftest import failure_of

DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-06")
KEYS = DAYS.get_partition_keys()
GRID = dg.MultiPartitionsDefinition({
    "letter": dg.StaticPartitionsDefinition(["b", "a"]),
    "number": dg.StaticPartitionsDefinition(["1", "2"]),
})  # fmt: skip
SINGLE_RUN = dg.BackfillPolicy.single_run()


def asset_of(
    make: Callable[[list[str]], Any],
    partitions: dg.PartitionsDefinition[Any] = DAYS,
    policy: dg.BackfillPolicy | None = SINGLE_RUN,
) -> dg.AssetsDefinition:
    @dg.asset(partitions_def=partitions, backfill_policy=policy)
    def daily(context: dg.AssetExecutionContext) -> dg.Output[Any]:
        made = make(list(context.partition_keys))
        return made if isinstance(made, dg.Output) else dg.Output(made)

    return daily


def run(
    io_manager: ArtifactIOManager,
    asset: dg.AssetsDefinition,
    first: str = KEYS[0],
    last: str = KEYS[-1],
    instance: dg.DagsterInstance | None = None,
) -> dg.ExecuteInProcessResult:
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.materialize(
        [asset], resources={"io_manager": io_manager}, tags=tags, instance=instance, raise_on_error=False
    )


def held(catalog: Catalog) -> list[tuple[str | None, int]]:
    return [(made.partition, made.version) for made in catalog.materializations.list_current()]


def test_every_partition_has_its_own_file_materialization_and_metadata(
    catalog: Catalog, producer: ArtifactProducer, instance: dg.DagsterInstance
) -> None:
    io_manager = ArtifactIOManager(catalog, producer)
    asset = asset_of(lambda keys: {key: pl.DataFrame({"x": range(int(key[-1]))}) for key in reversed(keys)})
    result = run(io_manager, asset, instance=instance)
    assert result.success
    events = {event.partition: event.metadata for event in result.asset_materializations_for_node("daily")}
    assert list(events) == list(KEYS)
    for number, key in enumerate(KEYS, 1):
        made = catalog.materializations.current("daily", key)
        assert (made.row_count, made.run_id) == (number, result.run_id)
        assert events[key]["artifact/file_id"].value == str(made.file.file_id)
        assert events[key]["dagster/partition_row_count"].value == number
        assert io_manager.artifact(made.file).info.reference_count == 1
    assert len({metadata["artifact/file_id"].value for metadata in events.values()}) == len(KEYS)


def test_multi_dimensional_keys_may_be_text_or_key_objects(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    as_text = asset_of(lambda keys: {str(key): key.keys_by_dimension for key in keys}, GRID)  # type: ignore[attr-defined]
    as_keys = asset_of(lambda keys: {key: str(key) for key in keys}, GRID)
    for asset in (as_text, as_keys):
        result = run(ours, asset, "b|1", "a|2")
        assert result.success, failure_of(result)
        assert {partition for partition, _ in held(own_catalog)} == {"b|1", "b|2", "a|1", "a|2"}


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda keys: dict.fromkeys(keys[2:], 1), "a value is missing for '2024-01-01', '2024-01-02'"),
        (lambda keys: pl.DataFrame({"x": [1]}), "its output is one polars.DataFrame"),
        (lambda keys: dg.Output((key, 1) for key in [*keys, "no"]), "'no' is none of them"),
    ],
)
def test_value_that_does_not_fit_the_partitions_is_refused_and_not_stored(
    make: Any, problem: str, ours: ArtifactIOManager, own_catalog: Catalog
) -> None:
    text = failure_of(run(ours, asset_of(make)))
    assert "PartitionedOutputError: This run covers 5 partitions of asset daily" in text
    assert "as a mapping or a generator of pairs" in text
    assert problem in text
    assert own_catalog.files.list_files(10) == []


def test_generator_is_advanced_after_each_value_is_stored(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    stored: list[int] = []

    def values(keys: list[str]) -> Iterator[tuple[str, str]]:
        for key in reversed(keys):
            stored.append(len(own_catalog.files.list_files(10)))
            yield key, key

    assert run(ours, asset_of(lambda keys: dg.Output(values(keys)))).success
    assert stored == [0, 1, 2, 3, 4]
    assert held(own_catalog) == [(key, 1) for key in KEYS]


def test_failed_partition_leaves_no_partition_recorded(
    ours: ArtifactIOManager, own_catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    values = dict.fromkeys(KEYS, "good")
    asset = asset_of(lambda keys: values)
    assert run(ours, asset).success
    values.update({key: f"new {key}" if key != KEYS[2] else object() for key in KEYS})  # type: ignore[misc]
    result = run(ours, asset)
    assert "UnsupportedTypeError" in failure_of(result)
    assert result.asset_materializations_for_node("daily") == []
    assert held(own_catalog) == [(key, 1) for key in KEYS]
    [file] = own_catalog.files.list_files(10)
    assert file.reference_count == 5


def test_full_disk_midway_gives_back_stored_partitions(
    catalog: Catalog, producer: ArtifactProducer, backend: Any, back_door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = backend.write_stream, iter(range(10))

    def write_two(*arguments: Any) -> None:
        if next(calls) == 2:
            raise StorageFullError("the test's disk")
        write(*arguments)

    monkeypatch.setattr(backend, "write_stream", write_two)
    result = run(ArtifactIOManager(catalog, producer), asset_of(lambda keys: {key: key for key in keys}))
    assert "StorageFullError" in failure_of(result)
    assert held(catalog) == []
    assert catalog.files.list_files(10) == []
    assert [name for name in back_door.everything() if "/" in name] == []


def test_leases_are_renewed_while_later_partitions_are_stored(
    ours: ArtifactIOManager, own_catalog: Catalog, own_producer: ArtifactProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = threading.Event()
    monkeypatch.setattr(own_catalog.files, "lease_s", 0.03)
    monkeypatch.setattr(own_catalog.files, "renew_all", lambda leases: renewed.set())

    def values(keys: list[str]) -> Iterator[tuple[str, str]]:
        for key in keys:
            yield key, key
            assert renewed.wait(10)

    assert run(ours, asset_of(lambda keys: dg.Output(values(keys)))).success


def test_partitions_are_recorded_all_or_none(
    ours: ArtifactIOManager, own_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(10))

    def expire_third(connection: Any, leases: Any, holder: str) -> None:
        if next(calls) == 2:
            raise LeaseExpiredError(leases[0].file.file_id)
        make_lasting(connection, leases, holder)

    monkeypatch.setattr("artifact_pipelines.catalog.recording.make_lasting", expire_third)
    assert "LeaseExpiredError" in failure_of(run(ours, asset_of(lambda keys: {key: key for key in keys})))
    assert held(own_catalog) == []
    assert own_catalog.files.list_files(10) == []


def test_equal_partitions_share_one_file_and_add_its_bytes_once(
    catalog: Catalog, producer: ArtifactProducer, back_door: Any
) -> None:
    result = run(ArtifactIOManager(catalog, producer), asset_of(lambda keys: dict.fromkeys(keys, "same")))
    assert result.success
    [file] = catalog.files.list_files(10)
    assert file.reference_count == len(KEYS)
    added = [catalog.materializations.current("daily", key).bytes_added for key in KEYS]
    assert added == [file.size_bytes, 0, 0, 0, 0]


def test_only_partitions_that_changed_get_a_new_version(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    values = {key: key for key in KEYS}
    asset = asset_of(lambda keys: values)
    run(ours, asset)
    values[KEYS[1]] = "changed"
    run(ours, asset)
    assert held(own_catalog) == [(key, 2 if key == KEYS[1] else 1) for key in KEYS]


def data_versions(result: dg.ExecuteInProcessResult) -> Mapping[str | None, str]:
    events = result.asset_materializations_for_node("daily")
    return {event.partition: (event.tags or {})["dagster/data_version"] for event in events}


def test_same_partitions_with_same_content_have_the_same_data_version(ours: ArtifactIOManager) -> None:
    values: dict[str, Any] = {key: key for key in KEYS}
    asset = asset_of(lambda keys: {key: values[key] for key in keys})
    first = data_versions(run(ours, asset))
    assert len(set(first.values())) == 1
    assert data_versions(run(ours, asset)) == first
    assert set(data_versions(run(ours, asset, last=KEYS[3])).values()).isdisjoint(first.values())
    values[KEYS[0]], values[KEYS[1]] = values[KEYS[1]], values[KEYS[0]]
    assert set(data_versions(run(ours, asset)).values()).isdisjoint(first.values())


def test_single_partition_has_the_same_data_version_in_a_mapping(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    in_mapping = run(ours, asset_of(lambda keys: {keys[0]: {"rows": 5}}), last=KEYS[0])
    alone = run(ours, asset_of(lambda keys: {"rows": 5}, policy=None), last=KEYS[0])
    own = own_catalog.materializations.current("daily", KEYS[0]).data_version
    assert data_versions(in_mapping) == data_versions(alone) == {KEYS[0]: own}
    assert held(own_catalog) == [(KEYS[0], 1)]


@pytest.mark.parametrize(
    ("policy", "unpacked"), [(SINGLE_RUN, True), (dg.BackfillPolicy.multi_run(3), True), (None, False)]
)
def test_mapping_for_one_partition_is_unpacked_where_runs_may_cover_several(
    policy: dg.BackfillPolicy | None, unpacked: bool, ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    asset = asset_of(lambda keys: {key: {"rows": 5} for key in keys}, policy=policy)

    @dg.asset(partitions_def=DAYS, backfill_policy=policy)
    def got(daily: Any) -> Any:
        return daily

    result = dg.materialize([asset, got], resources={"io_manager": ours}, instance=instance, partition_key=KEYS[0])
    assert result.asset_value("got") == ({"rows": 5} if unpacked else {KEYS[0]: {"rows": 5}})


def test_mapping_with_other_keys_is_the_value_of_one_partition(ours: ArtifactIOManager) -> None:
    result = run(ours, asset_of(lambda keys: {"rows": 5}), last=KEYS[0])
    [event] = result.asset_materializations_for_node("daily")
    assert event.metadata["artifact/preview"].value == '{"rows": 5}'


def test_generator_for_one_partition_yields_pairs(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    assert run(ours, asset_of(lambda keys: dg.Output((key, 5) for key in keys)), last=KEYS[0]).success
    assert held(own_catalog) == [(KEYS[0], 1)]


def test_single_run_backfill_feeds_the_next_asset(ours: ArtifactIOManager, instance: dg.DagsterInstance) -> None:
    asset = asset_of(lambda keys: {key: pl.DataFrame({"x": [key]}) for key in keys})

    @dg.asset(partitions_def=DAYS, backfill_policy=SINGLE_RUN)
    def upper(daily: pl.DataFrame) -> dict[str, pl.DataFrame]:
        return {str(key): frame.select("x") for (key,), frame in daily.partition_by("partition", as_dict=True).items()}

    tags = {"dagster/asset_partition_range_start": KEYS[1], "dagster/asset_partition_range_end": KEYS[3]}
    result = dg.materialize([asset, upper], resources={"io_manager": ours}, instance=instance, tags=tags)
    assert [event.partition for event in result.asset_materializations_for_node("upper")] == list(KEYS[1:4])


@pytest.mark.parametrize("kind", [pl.DataFrame, pl.LazyFrame, pd.DataFrame])
def test_one_table_is_stored_as_a_table_for_each_partition(
    kind: Any, ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    columns = {"artifact/partition_column": "day"}

    @dg.asset(partitions_def=DAYS, backfill_policy=SINGLE_RUN, metadata=columns)
    def daily(context: dg.AssetExecutionContext) -> kind:
        keys = [key for key in context.partition_keys for _ in range(int(key[-1]))]
        return kind({"x": range(len(keys)), "day": keys[::-1]})

    @dg.asset(
        partitions_def=DAYS, backfill_policy=SINGLE_RUN, metadata=columns, ins={"daily": dg.AssetIn(metadata=columns)}
    )
    def copied(daily: kind) -> kind:
        return daily

    for first, last in ((KEYS[0], KEYS[-1]), (KEYS[2], KEYS[2])):
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        result = dg.materialize([daily, copied], resources={"io_manager": ours}, instance=instance, tags=tags)
        for name in ("daily", "copied"):
            events: dict[Any, Any] = {
                event.partition: event.metadata for event in result.asset_materializations_for_node(name)
            }
            expected = {key: int(key[-1]) for key in KEYS if first <= key <= last}
            assert {key: made["dagster/partition_row_count"].value for key, made in events.items()} == expected
            assert all(
                [c.name for c in made["dagster/column_schema"].value.columns] == ["x"] for made in events.values()
            )


def test_partition_column_of_an_asset_without_partitions_is_refused(ours: ArtifactIOManager) -> None:
    @dg.asset(metadata={"artifact/partition_column": "day"})
    def daily() -> pl.DataFrame:
        return pl.DataFrame({"day": ["1"]})

    result = dg.materialize([daily], resources={"io_manager": ours}, raise_on_error=False)
    assert "artifact/partition_column must be left out: the asset has no partitions" in failure_of(result)


def test_partitions_of_a_dataset_have_versions_of_their_own(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(KEYS), metadata={DATASET_METADATA_KEY: "flights"})
    def daily() -> str:
        return "x"

    for key in KEYS[:2]:
        dg.materialize([daily], resources={"io_manager": ours}, partition_key=key)
    assert sorted(map(str, own_catalog.datasets.versions("flights"))) == [f"flights[{key}]@v1" for key in KEYS[:2]]


def test_metadata_of_every_partition_show_its_inputs_and_bytes_added(
    ours: ArtifactIOManager, own_catalog: Catalog
) -> None:
    @dg.asset
    def source() -> int:
        return 1

    @dg.asset(partitions_def=DAYS, backfill_policy=SINGLE_RUN)
    def made(context: dg.AssetExecutionContext, source: int) -> dict[str, str]:
        return {key: "same" if key in KEYS[:2] else key for key in context.partition_keys}

    tags = {"dagster/asset_partition_range_start": KEYS[0], "dagster/asset_partition_range_end": KEYS[-1]}
    resources = {"io_manager": ours}
    dg.materialize([source], resources=resources)
    result = dg.materialize([source, made], selection=[made], resources=resources, tags=tags)
    events = {event.partition: event.metadata for event in result.asset_materializations_for_node("made")}
    file_id = own_catalog.materializations.current("source").file.file_id
    for key in KEYS:
        inputs = events[key]["artifact/inputs"]
        assert isinstance(inputs, dg.TableMetadataValue)
        [loaded] = inputs.records
        assert (loaded.data["asset"], loaded.data["file ID"]) == ("source", file_id)
        recorded = own_catalog.materializations.current("made", key)
        assert [one.file_id for one in inputs_of(own_catalog, recorded.materialization_id)] == [file_id]
    added = [events[key]["artifact/bytes_added"].value for key in KEYS]
    sizes = [events[key]["dagster/size_bytes"].value for key in KEYS]
    assert added == [sizes[0], 0, *sizes[2:]]
    assert [events[key]["artifact/duplicate"].value for key in KEYS] == [False, True, False, False, False]
