"""The IO manager in real runs."""

import io
import math
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl
import polars.testing
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import NeverMaterializedError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import FileId, FileState, LoadedInput, NewArtifact, StoragePath
from artifact_pipelines.instance.metadata import inputs_metadata
from artifact_pipelines.instance.page import table_metadata
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.io_manager.resources import ArtifactIOManagerFactory
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.backends.local import LocalStorage
from artifact_pipelines.storage.exceptions import StorageFullError
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.tabular import parquet
from artifact_pipelines_tests.catalog.filled import inputs_of
from artifact_pipelines_tests.storage.back_door import BackDoor

FRAME = pl.DataFrame({"carrier": ["UA", "AA"], "delay": [5, None]})


@pytest.fixture
def io_manager(catalog: Catalog, producer: ArtifactProducer) -> ArtifactIOManager:
    return ArtifactIOManager(catalog, producer)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def run(io_manager: ArtifactIOManager, *assets: dg.AssetsDefinition, **options: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(assets, resources={"io_manager": io_manager}, **options)


def metadata_of(result: dg.ExecuteInProcessResult, key: str) -> Mapping[str, Any]:
    [event] = result.asset_materializations_for_node(key)
    return event.metadata


@dg.asset(code_version="3")
def flights() -> pl.DataFrame:
    return FRAME


@dg.asset
def delays(flights: pl.LazyFrame) -> pl.LazyFrame:
    return flights.filter(pl.col("delay").is_not_null())


@pytest.mark.everywhere
def test_asset_loads_its_upstream_asset(io_manager: ArtifactIOManager) -> None:
    result = run(io_manager, flights, delays)
    assert result.success
    polars.testing.assert_frame_equal(result.asset_value("delays").collect(), FRAME.head(1))


def test_materialization_records_run_step_code_version_and_schema(
    io_manager: ArtifactIOManager, catalog: Catalog
) -> None:
    result = run(io_manager, flights, delays)
    made = catalog.materializations.current("flights")
    assert (made.run_id, made.step_key, made.code_version) == (result.run_id, "flights", "3")
    assert (made.row_count, made.schema) == (2, {"carrier": "string", "delay": "int64"})
    assert made.data_version != made.file.content_hash, "it identifies the rows, not their encoding"


def test_loaded_inputs_are_recorded(io_manager: ArtifactIOManager, catalog: Catalog) -> None:
    run(io_manager, flights, delays)
    source, made = catalog.materializations.current("flights"), catalog.materializations.current("delays")
    loaded = [LoadedInput.of(source)]
    assert inputs_of(catalog, made.materialization_id) == loaded


def test_ui_shows_the_inputs_of_a_materialization(io_manager: ArtifactIOManager, catalog: Catalog) -> None:
    result = run(io_manager, flights, delays)
    file_id = catalog.materializations.current("flights").file.file_id
    [row] = metadata_of(result, "delays")["artifact/inputs"].records
    assert row.data == {"asset": "flights", "version": 1, "file ID": file_id}
    assert "artifact/inputs" not in metadata_of(result, "flights")


def test_ui_shows_the_first_inputs_and_counts_the_others() -> None:
    loaded = [LoadedInput(1 + number, "daily", f"{number}", 1, FileId(1 + number)) for number in range(25)]
    metadata: Any = inputs_metadata([*loaded, loaded[0]])
    assert [row.data["partition"] for row in metadata["artifact/inputs"].records] == [f"{n}" for n in range(20)]
    assert metadata["artifact/more_inputs"].value == "5"
    assert "artifact/more_inputs" not in inputs_metadata(loaded[:20])


def test_ui_shows_rows_columns_and_bytes_added(io_manager: ArtifactIOManager, catalog: Catalog) -> None:
    metadata = metadata_of(run(io_manager, flights), "flights")
    file = catalog.materializations.current("flights").file
    assert metadata["artifact/file_id"].value == str(file.file_id)
    assert metadata["artifact/content_hash"].value.replace(" ", "") == file.content_hash
    assert metadata["artifact/bytes_added"].value == metadata["dagster/size_bytes"].value == file.size_bytes
    assert metadata["artifact/duplicate"].value is False
    assert metadata["dagster/row_count"].value == 2
    assert [column.name for column in metadata["dagster/column_schema"].value.columns] == ["carrier", "delay"]
    assert metadata["dagster/column_schema"].value.columns[1].description == "Always 5. 1 null."
    assert metadata["artifact/preview_rows"].value == "2 of 2 rows"
    assert metadata["artifact/get"].value == "`artifact-pipelines get flights@v1 -o flights.parquet`"
    assert metadata["artifact/preview"].records[0].data == {"carrier": "UA", "delay": 5}
    assert metadata["dagster/uri"].value.startswith(("file:///", "s3://"))


def test_ui_shows_the_same_for_a_lazy_frame(io_manager: ArtifactIOManager) -> None:
    @dg.asset
    def eager() -> pl.DataFrame:
        return FRAME

    @dg.asset
    def lazy() -> pl.LazyFrame:
        return FRAME.lazy()

    result = run(io_manager, eager, lazy)
    shown, shown_of_lazy = dict(metadata_of(result, "eager")), dict(metadata_of(result, "lazy"))
    assert shown["artifact/file_id"] == shown_of_lazy["artifact/file_id"]
    for of_the_write in ("artifact/bytes_added", "artifact/duplicate", "artifact/get"):
        del shown[of_the_write], shown_of_lazy[of_the_write]
    assert shown == shown_of_lazy


def test_plotted_metadata_are_whole_numbers(io_manager: ArtifactIOManager) -> None:
    metadata = metadata_of(run(io_manager, flights), "flights")
    for name in ("dagster/row_count", "dagster/size_bytes", "artifact/bytes_added"):
        assert isinstance(metadata[name], dg.IntMetadataValue)


def test_ui_shows_texts_in_their_own_case(io_manager: ArtifactIOManager) -> None:
    @dg.asset
    def regions() -> pl.DataFrame:
        return pl.DataFrame({"region": ["east", "west"]})

    [column] = metadata_of(run(io_manager, regions), "regions")["dagster/column_schema"].value.columns
    assert column.description == "east to west."


def test_ui_shows_no_negative_zero(io_manager: ArtifactIOManager) -> None:
    @dg.asset
    def calm() -> pl.DataFrame:
        return pl.DataFrame({"wind": [0.0, 2.5]})

    [column] = metadata_of(run(io_manager, calm), "calm")["dagster/column_schema"].value.columns
    assert column.description == "0 to 2.5."


def test_same_content_again_is_a_duplicate(io_manager: ArtifactIOManager) -> None:
    run(io_manager, flights)
    metadata = metadata_of(run(io_manager, flights), "flights")
    assert metadata["artifact/duplicate"].value is True
    assert metadata["artifact/bytes_added"].value == 0
    assert metadata["artifact/version"].value == "1"


def test_data_version_of_a_table_does_not_depend_on_its_encoding(
    io_manager: ArtifactIOManager,
    catalog: Catalog,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run(io_manager, flights, instance=instance)
    version, file = _data_version(instance, "flights"), catalog.materializations.current("flights").file
    monkeypatch.setattr(parquet, "row_group_rows", lambda columns: 1)
    run(io_manager, flights, instance=instance)
    made = catalog.materializations.current("flights")
    assert made.file.content_hash != file.content_hash
    assert (made.data_version, made.version) == (version, 1)
    assert _data_version(instance, "flights") == version


def test_data_version_of_other_values_is_content_hash_and_type(
    io_manager: ArtifactIOManager, catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    @dg.asset
    def text() -> str:
        return "text"

    run(io_manager, text, instance=instance)
    assert _data_version(instance, "text") == f"{catalog.materializations.current('text').file.content_hash}.txt"


def test_data_version_set_by_the_user_wins(io_manager: ArtifactIOManager, instance: dg.DagsterInstance) -> None:
    @dg.asset
    def own() -> dg.Output[int]:
        return dg.Output(1, data_version=dg.DataVersion("mine"))

    run(io_manager, own, instance=instance)
    assert _data_version(instance, "own") == "mine"


def _data_version(instance: dg.DagsterInstance, key: str) -> str | None:
    event = instance.get_latest_materialization_event(dg.AssetKey(key))
    assert event is not None
    assert event.asset_materialization is not None
    return (event.asset_materialization.tags or {}).get("dagster/data_version")


def test_run_loads_what_earlier_runs_made(io_manager: ArtifactIOManager) -> None:
    run(io_manager, flights)
    result = run(io_manager, flights, delays, selection=[delays])
    assert result.asset_value("delays").collect().height == 1


def test_input_that_was_never_made_fails_without_a_retry(io_manager: ArtifactIOManager) -> None:
    result = run(io_manager, flights, delays, selection=[delays], raise_on_error=False)
    failure = _failure(result, "delays")
    assert "NeverMaterializedError" in failure
    assert "Materialize it first" in failure


def _failure(result: dg.ExecuteInProcessResult, step: str) -> str:
    [event] = [event for event in result.get_step_failure_events() if event.step_key == step]
    return str(event.step_failure_data.error_display_string)


@pytest.mark.parametrize(
    "value",
    ["text", b"bytes", {"a": [1]}, 5, None, [1], True, 2.5],
)
def test_plain_values_pass_from_asset_to_asset(io_manager: ArtifactIOManager, value: Any) -> None:
    @dg.asset
    def plain() -> Any:
        return value

    @dg.asset
    def boxed(plain: Any) -> list[str]:
        return [repr(plain)]

    assert run(io_manager, plain, boxed).asset_value("boxed") == [repr(value)]


def test_path_is_stored_unchanged_with_types_from_its_name(
    io_manager: ArtifactIOManager, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "x.csv.gz").write_bytes(b"packed")

    @dg.asset
    def file() -> pathlib.Path:
        return tmp_path / "x.csv.gz"

    @dg.asset
    def size(file: Artifact) -> int:
        assert (file.info.file_type, file.info.compression_type) == ("csv", "gzip")
        return file.info.size_bytes

    assert run(io_manager, file, size).asset_value("size") == 6


def test_missing_path_fails_without_a_retry_and_is_named(
    io_manager: ArtifactIOManager, catalog: Catalog, tmp_path: pathlib.Path
) -> None:
    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=2))
    def file() -> pathlib.Path:
        return tmp_path / "gone.csv"

    result = run(io_manager, file, raise_on_error=False)
    assert "gone.csv: there is no such file" in _failure(result, "file")
    assert not [event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY]
    with pytest.raises(NeverMaterializedError):
        catalog.materializations.current("file")


def test_value_of_unknown_type_fails_and_names_supported_types(io_manager: ArtifactIOManager) -> None:
    @dg.asset
    def odd() -> object:
        return object()

    failure = _failure(run(io_manager, odd, raise_on_error=False), "odd")
    assert "Cannot store a value of type builtins.object" in failure
    assert "polars.DataFrame" in failure


def test_full_disk_is_retried_and_leaves_the_last_good_version(
    io_manager: ArtifactIOManager, catalog: Catalog, backend: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter(["good", "late", "late"])

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def text() -> str:
        return next(values)

    run(io_manager, text)
    with monkeypatch.context() as full:

        def fail(*_: object) -> None:
            raise StorageFullError("the test's disk")

        full.setattr(backend, "write_stream", fail)
        result = run(io_manager, text, raise_on_error=False)
        assert [e for e in result.all_events if e.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY]
    assert catalog.materializations.current("text").version == 1
    with io_manager.artifact(catalog.materializations.current("text").file).open() as stream:
        assert stream.read() == b"good"


def test_damaged_duplicate_fails_the_run_and_the_next_run_heals_it(
    io_manager: ArtifactIOManager, catalog: Catalog, back_door: BackDoor
) -> None:
    @dg.asset
    def numbers() -> pl.DataFrame:  # so large that the footer is read without the rest
        return pl.DataFrame({"x": [math.sin(number) for number in range(50_000)]})

    run(io_manager, numbers)
    file = catalog.materializations.current("numbers").file
    whole = back_door.get(file.storage_path)
    back_door.put(file.storage_path, whole[:-10] + bytes(10))
    failure = _failure(run(io_manager, numbers, raise_on_error=False), "numbers")
    assert "DamagedBytesError" in failure
    assert catalog.files.get_file(file.file_id).state == FileState.DAMAGED
    assert run(io_manager, numbers).success
    assert back_door.get(file.storage_path) == whole
    healed = catalog.materializations.current("numbers").file
    assert (healed.file_id, healed.state, healed.reference_count) == (file.file_id, FileState.STORED, 2)


def test_write_does_not_look_for_bytes_it_has_just_put(
    catalog: Catalog, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset
    def text() -> bytes:
        return b"new"

    looked_for: list[StoragePath] = []
    monkeypatch.setattr(backend, "size_bytes", looked_for.append)
    result = run(ArtifactIOManager(catalog, ArtifactProducer(catalog.files, backend)), text)
    made = catalog.materializations.current("text").file
    assert metadata_of(result, "text")["dagster/uri"].value == backend.uri(made.storage_path)
    assert looked_for == []


@pytest.mark.parametrize("place", [8, 300])
def test_load_of_a_damaged_file_fails(
    io_manager: ArtifactIOManager, catalog: Catalog, back_door: BackDoor, place: int
) -> None:
    @dg.asset
    def height(flights: pl.DataFrame) -> int:
        return flights.height

    run(io_manager, flights)
    file = catalog.materializations.current("flights").file
    data = bytearray(back_door.get(file.storage_path))
    data[place] ^= 1
    back_door.put(file.storage_path, bytes(data))
    for _ in range(2):
        result = run(io_manager, flights, height, selection=[height], raise_on_error=False)
        assert "DamagedBytesError" in _failure(result, "height")


def test_broken_stream_of_batches_leaves_nothing(io_manager: ArtifactIOManager, catalog: Catalog) -> None:
    import pyarrow as pa

    schema = pa.schema([("x", pa.int64())])

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([pa.array([1])], schema)
        raise RuntimeError("the source is gone")

    @dg.asset
    def broken() -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(schema, batches())

    assert not run(io_manager, broken, raise_on_error=False).success
    assert catalog.files.list_files(10) == []


def test_each_partition_holds_its_own_value(io_manager: ArtifactIOManager, catalog: Catalog) -> None:
    days = dg.StaticPartitionsDefinition(["mon", "tue", "../we/d"])

    @dg.asset(partitions_def=days)
    def daily(context: dg.AssetExecutionContext) -> pl.DataFrame:
        return pl.DataFrame({"day": [context.partition_key]})

    @dg.asset(partitions_def=days)
    def same_day(daily: pl.DataFrame) -> str:
        return str(daily["day"][0])

    @dg.asset
    def week(daily: dict[str, Any]) -> int:
        return len(daily)

    for day in days.get_partition_keys():
        result = run(io_manager, daily, same_day, partition_key=day)
        assert result.asset_value("same_day") == day
        assert metadata_of(result, "daily")["dagster/partition_row_count"].value == 1
    assert run(io_manager, daily, week, selection=[week]).asset_value("week") == 3
    assert catalog.materializations.current("daily", "../we/d").version == 1


def test_ops_pass_values(io_manager: ArtifactIOManager, catalog: Catalog) -> None:
    @dg.op
    def one() -> int:
        return 1

    @dg.op
    def add(number: int) -> int:
        return number + 1

    @dg.job(resource_defs={"io_manager": dg.IOManagerDefinition.hardcoded_io_manager(io_manager)})
    def count() -> None:
        add(one())

    assert count.execute_in_process().output_for_node("add") == 2


def test_asset_loads_outside_of_a_run(io_manager: ArtifactIOManager, instance: dg.DagsterInstance) -> None:
    run(io_manager, flights, instance=instance)
    definitions = dg.Definitions(assets=[flights], resources={"io_manager": io_manager})
    loaded: Any = definitions.get_asset_value_loader(instance).load_asset_value("flights", python_type=pl.DataFrame)
    polars.testing.assert_frame_equal(loaded, FRAME)


def test_io_manager_creates_artifacts(io_manager: ArtifactIOManager, producer: ArtifactProducer) -> None:
    file_id = io_manager.create_artifact(io.BytesIO(b"data"), "bin")
    with producer.open(file_id) as stream:
        assert stream.read() == b"data"
    assert io_manager.create_artifacts([NewArtifact(io.BytesIO(b"data"), "bin")]) == [file_id]


def test_factory_opens_catalog_and_storage_from_urls(settings: Any) -> None:
    factory = ArtifactIOManagerFactory(catalog_url=settings.catalog_url, storage_url=settings.storage_url)
    assert dg.materialize([flights], resources={"io_manager": factory}).success


@pytest.mark.parametrize("verify_reads", [True, False])
def test_reads_are_verified_unless_switched_off(
    settings: Settings, storage_url: str, back_door: BackDoor, verify_reads: bool
) -> None:
    @dg.asset
    def text() -> str:
        return "text"

    @dg.asset
    def copy(text: str) -> str:
        return text

    factory = ArtifactIOManagerFactory(
        catalog_url=settings.catalog_url, storage_url=storage_url, verify_reads=verify_reads
    )
    resources: dict[str, Any] = {"io_manager": factory}
    dg.materialize([text, copy], resources=resources)
    with Catalog(settings.catalog_url) as catalog:
        back_door.put(catalog.materializations.current("text").file.storage_path, b"Text")
    result = dg.materialize([text, copy], selection=[copy], resources=resources, raise_on_error=False)
    assert result.success is not verify_reads


@pytest.mark.parametrize(
    ("rows", "kinds"),
    [
        ([{"a": 1, "b": "x"}, {"a": None, "b": None}], ["int", "string"]),
        ([{"a": 1.5, "b": True}, {"a": float("nan"), "b": False}], ["string", "bool"]),
        ([{"a": float("inf"), "b": [1, 2]}], ["string", "string"]),
    ],
)
def test_tables_in_the_ui_hold_only_values_that_it_can_show(
    rows: Sequence[Mapping[str, Any]], kinds: list[str]
) -> None:
    value: Any = table_metadata(rows)
    assert [column.type for column in value.schema.columns] == kinds


def test_table_without_rows_is_shown_as_none() -> None:
    assert table_metadata([]).value == "none"
