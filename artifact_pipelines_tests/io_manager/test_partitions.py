"""Partitions as inputs: the same graph with Dagster's own IO manager and with ours, and what only ours can do."""

import pathlib
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import polars as pl
import polars.testing
import pyarrow as pa
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import FileId, FileInfo, LoadedInput
from artifact_pipelines.handlers.interfaces import ReadRequest
from artifact_pipelines.handlers.table_handlers import PolarsHandler
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines_tests.catalog.filled import inputs_of
from artifact_pipelines_tests.io_manager.conftest import failure_of

ABC = dg.StaticPartitionsDefinition(["c", "a", "b"])  # not in alphabetical order
DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-08")
HOURS = dg.HourlyPartitionsDefinition("2024-01-01-00:00", end_date="2024-01-01-02:00")
WEEKS = dg.WeeklyPartitionsDefinition("2024-01-01", end_date="2024-01-08", day_offset=1)
NAMES = dg.DynamicPartitionsDefinition(name="names")
KEYS_OF_NAMES = ["zoe", "adam", "mia"]
GRID = dg.MultiPartitionsDefinition({"letter": ABC, "number": dg.StaticPartitionsDefinition(["2", "1"])})
KINDS: Sequence[dg.PartitionsDefinition[Any]] = (ABC, DAYS, HOURS, NAMES, GRID)


@pytest.fixture
def instance(instance: dg.DagsterInstance) -> dg.DagsterInstance:
    instance.add_dynamic_partitions("names", KEYS_OF_NAMES)
    return instance


def dagsters(folder: pathlib.Path) -> dg.FilesystemIOManager:
    """Return Dagster's default IO manager."""
    return dg.FilesystemIOManager(base_dir=str(folder))


class Graph:
    """An upstream asset whose partitions a function of the key makes, and a downstream asset that shows what it got."""

    def __init__(
        self,
        io_manager: Any,
        instance: dg.DagsterInstance,
        partitions: dg.PartitionsDefinition[Any],
        value: Any = len,
    ) -> None:
        @dg.asset(partitions_def=partitions, backfill_policy=dg.BackfillPolicy.single_run())
        def up(context: dg.AssetExecutionContext) -> Any:
            keys = context.partition_keys
            return value(keys[0]) if len(keys) == 1 else {key: value(key) for key in keys}

        self.up = up
        self.resources = {"io_manager": io_manager}
        self.instance = instance
        self.keys = partitions.get_partition_keys(dynamic_partitions_store=instance)

    def fill(self, keys: Sequence[str] | None = None) -> None:
        """Make all partitions in one run, which Dagster's IO manager cannot do, or some in a run each."""
        if keys is None:
            first_and_last = (self.keys[0], self.keys[-1])
            names = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
            self._make(tags=dict(zip(names, first_and_last, strict=True)))
        for key in keys or ():
            self._make(partition_key=key)

    def _make(self, **options: Any) -> None:
        assert dg.materialize([self.up], resources=self.resources, instance=self.instance, **options).success

    def load(self, annotation: Any = Any, key: str | None = None, **asset_in: Any) -> Any:
        """Return what the downstream asset gets, or the failure's text."""
        into, result = self.run(annotation, key, **asset_in)
        return into[0] if result.success else failure_of(result)

    def run(
        self,
        annotation: Any = Any,
        key: str | None = None,
        partitions: dg.PartitionsDefinition[Any] | None = None,
        consume: Any = lambda value: value,
        **asset_in: Any,
    ) -> tuple[list[Any], dg.ExecuteInProcessResult]:
        into: list[Any] = []

        def down(up: Any) -> None:
            into.append(consume(up))

        down.__annotations__["up"] = annotation
        asset = dg.asset(ins={"up": dg.AssetIn(**asset_in)}, partitions_def=partitions)(down)
        result = dg.materialize(
            [self.up, asset],
            selection=[asset],
            resources=self.resources,
            instance=self.instance,
            partition_key=key,
            raise_on_error=False,
        )
        return into, result


LOADS: Mapping[str, tuple[Any, Any, Any, str | None]] = {
    "static, one": (ABC, ABC, None, "a"),
    "static, all": (ABC, None, None, None),
    "static, the last": (ABC, None, dg.LastPartitionMapping(), None),
    "static, mapped": (
        ABC,
        dg.StaticPartitionsDefinition(["vowel", "rest"]),
        dg.StaticPartitionMapping({"a": "vowel", "b": "rest", "c": "rest"}),
        "rest",
    ),
    "static, named": (ABC, None, dg.SpecificPartitionsPartitionMapping(["b"]), None),
    "daily, one": (DAYS, DAYS, None, "2024-01-03"),
    "daily, a week": (DAYS, WEEKS, dg.TimeWindowPartitionMapping(), "2024-01-01"),
    "daily, all for one": (DAYS, ABC, dg.AllPartitionMapping(), "a"),
    "daily, the day before": (DAYS, DAYS, dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1), "2024-01-03"),
    "hourly, two hours": (HOURS, HOURS, dg.TimeWindowPartitionMapping(start_offset=-1), "2024-01-01-01:00"),
    "dynamic, one": (NAMES, NAMES, None, "mia"),
    "dynamic, all": (NAMES, None, None, None),
    "grid, one": (GRID, GRID, None, "a|2"),
    "grid, all": (GRID, None, None, None),
    "grid, a column": (GRID, ABC, dg.MultiToSingleDimensionPartitionMapping("letter"), "b"),
    "grid from a dimension": (ABC, GRID, dg.MultiToSingleDimensionPartitionMapping("letter"), "c|1"),
}


def keyed(key: str) -> dict[str, str]:
    return {"key": key}


@pytest.fixture(scope="module")
def dagsters_folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Partitions of all kinds that Dagster's IO manager has stored, each in a folder named by its place in `KINDS`."""
    folder = tmp_path_factory.mktemp("dagsters")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("names", KEYS_OF_NAMES)
        for place, partitions in enumerate(KINDS):
            graph = Graph(dagsters(folder / str(place)), instance, partitions, value=keyed)
            graph.fill(graph.keys)
    return folder


@pytest.mark.parametrize("case", LOADS)
def test_partitions_load_like_with_dagsters_io_manager(
    case: str, ours: ArtifactIOManager, instance: dg.DagsterInstance, dagsters_folder: pathlib.Path
) -> None:
    partitions, downstream, mapping, key = LOADS[case]
    theirs = dagsters(dagsters_folder / str(KINDS.index(partitions)))
    graphs = [Graph(io_manager, instance, partitions, value=keyed) for io_manager in (ours, theirs)]
    graphs[0].fill()
    loaded = []
    for graph in graphs:
        into, result = graph.run(key=key, partitions=downstream, partition_mapping=mapping)
        assert result.success
        loaded.append(into)
    assert loaded[0] == loaded[1]
    assert loaded[0][0]


def test_partitions_come_in_the_order_of_their_definition(
    ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    letters = dg.StaticPartitionsDefinition([f"{number * 7 % 12}" for number in range(12)])
    graph = Graph(ours, instance, letters)
    graph.fill()
    mapping = dg.StaticPartitionMapping(dict.fromkeys(letters.get_partition_keys(), "x"))
    into, _ = graph.run(key="x", partitions=dg.StaticPartitionsDefinition(["x"]), partition_mapping=mapping)
    assert list(into[0]) == list(letters.get_partition_keys())


def test_multi_dimensional_partitions_load_under_their_keys(
    ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    graph = Graph(ours, instance, GRID, value=lambda key: key)
    graph.fill()
    loaded = graph.load(dict[str, str])
    assert {key.keys_by_dimension["letter"] for key in loaded} == {"a", "b", "c"}
    assert all(key == value for key, value in loaded.items())


@pytest.mark.parametrize("keys", [["a"], ["a", "b", "c"]])
def test_dict_annotation_gives_a_dict_for_one_partition_too(
    keys: list[str], ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    graph = Graph(ours, instance, ABC, value=lambda key: pl.DataFrame({"key": [key]}))
    graph.fill()
    only = dg.SpecificPartitionsPartitionMapping(keys)
    loaded = graph.load(dict[str, pl.LazyFrame], partition_mapping=only)
    assert {key: frame.collect().item() for key, frame in loaded.items()} == {key: key for key in keys}
    assert isinstance(graph.load(Mapping[str, Artifact], partition_mapping=only)[keys[0]], Artifact)
    assert list(graph.load(dict[str, Any] | None, partition_mapping=only)) == sorted(keys, key="cab".index)


def test_dict_annotation_without_partitions_gives_a_json_value(
    ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    @dg.asset
    def plain() -> dict[str, int]:
        return {"a": 1}

    @dg.asset
    def got(plain: dict[str, int]) -> int:
        return plain["a"]

    result = dg.materialize([plain, got], resources={"io_manager": ours}, instance=instance)
    assert result.asset_value("got") == 1


def test_bare_dict_annotation_gives_one_value_or_all_values_by_key(
    ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    graph = Graph(ours, instance, ABC, value=lambda key: {"is": key})
    graph.fill()
    assert graph.load(dict, partition_mapping=dg.LastPartitionMapping()) == {"is": "b"}
    assert graph.load(dict) == {key: {"is": key} for key in "abc"}


def test_one_partition_that_holds_a_dict_is_not_put_into_another(
    ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    json_values = Graph(ours, instance, ABC, value=lambda key: {"rows": 1})
    json_values.fill()
    assert json_values.load(dict[str, Any], partition_mapping=dg.LastPartitionMapping()) == {"rows": 1}
    assert json_values.load(dict[str, Any]) == {key: {"rows": 1} for key in "cab"}
    refused = json_values.load(dict[str, str], partition_mapping=dg.LastPartitionMapping())
    assert "the input is partitioned: dict is the value of one partition" in refused
    tables = Graph(ours, instance, ABC, value=lambda key: {"train": pl.DataFrame({"x": [1]})})
    tables.fill()
    assert list(tables.load(dict[str, pl.DataFrame], partition_mapping=dg.LastPartitionMapping())) == ["train"]


class Watched(PolarsHandler):
    """Notes the requests that it gets."""

    def __init__(self) -> None:
        self.requests: list[ReadRequest] = []

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        self.requests.append(request)
        return super().read(artifact, request)


def test_iterator_annotation_reads_each_partition_on_demand(
    own_catalog: Catalog, own_producer: ArtifactProducer, instance: dg.DagsterInstance
) -> None:
    handler = Watched()
    graph = Graph(
        ArtifactIOManager(own_catalog, own_producer, [handler]),
        instance,
        ABC,
        value=lambda key: pl.DataFrame({"key": [key]}),
    )
    graph.fill()
    read: list[tuple[str, int]] = []

    def consume(frames: Iterator[pl.DataFrame]) -> None:
        read.extend((frame.item(), len(handler.requests)) for frame in frames)

    _, result = graph.run(Iterator[pl.DataFrame], consume=consume, dagster_type=dg.Any)
    assert result.success
    assert read == [("c", 1), ("a", 2), ("b", 3)]


@pytest.mark.parametrize("keys", [["a"], ["c", "a"]])
def test_iterator_of_pairs_annotation_yields_partition_keys(
    keys: list[str], ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    graph = Graph(ours, instance, ABC, value=lambda key: key * 2)
    graph.fill()
    only = {"partition_mapping": dg.SpecificPartitionsPartitionMapping(keys), "dagster_type": dg.Any}
    assert list(graph.load(Iterator[tuple[str, str]], **only)) == [(key, key * 2) for key in keys]
    assert list(graph.load(Iterator[str], **only)) == [key * 2 for key in keys]


@pytest.mark.local
def test_damage_met_by_an_iterator_fails_without_a_retry(
    ours: ArtifactIOManager, instance: dg.DagsterInstance, own_catalog: Catalog, settings: Settings
) -> None:
    graph = Graph(ours, instance, ABC, value=lambda key: key)
    graph.fill()
    path = own_catalog.materializations.current("up", "a").file.storage_path
    stored = pathlib.Path(settings.storage_url) / str(path)
    stored.chmod(0o644)
    stored.write_bytes(b"?")
    _, result = graph.run(Iterator[str], consume=list, dagster_type=dg.Any)
    [event] = result.get_step_failure_events()
    assert "DamagedBytesError" in failure_of(result)
    assert event.step_failure_data.user_failure_data is not None


def as_rows(table: Any) -> list[tuple[Any, ...]]:
    if isinstance(table, duckdb.DuckDBPyRelation):
        table = table.to_arrow_table()
    if isinstance(table, pa.Table | pd.DataFrame):
        table = pl.DataFrame(table)
    rows: list[tuple[Any, ...]] = table.lazy().collect().rows()
    return rows


def test_table_annotation_concatenates_partitions_with_a_key_column(
    ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    graph = Graph(ours, instance, ABC, value=lambda key: pl.DataFrame({"x": [key, None]}))
    graph.fill()
    for kind in (pl.LazyFrame, pl.DataFrame, pa.Table, pd.DataFrame, duckdb.DuckDBPyRelation):
        table = graph.load(kind)
        assert isinstance(table, kind)
        assert as_rows(table) == [("c", "c"), (None, "c"), ("a", "a"), (None, "a"), ("b", "b"), (None, "b")]
    assert graph.load(pl.DataFrame, metadata={"artifact/partition_column": "letter"}).columns == ["x", "letter"]
    text = graph.load(int)
    assert "PartitionsAnnotationError: Input 'up' covers 3 partitions of asset up" in text
    assert "Annotate it dict[str, " in text


def test_key_column_of_multi_dimensional_partitions_is_text(
    ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    graph = Graph(ours, instance, GRID, value=lambda key: pl.DataFrame({"x": [1]}))
    graph.fill()
    frame = graph.load(pl.DataFrame)
    assert frame["partition"].to_list() == list(GRID.get_partition_keys())


def test_lazy_table_of_partitions_is_read_when_collected(ours: ArtifactIOManager, instance: dg.DagsterInstance) -> None:
    graph = Graph(ours, instance, ABC, value=lambda key: pl.DataFrame({"x": [key], "y": [1]}))
    graph.fill()
    frame = graph.load(pl.LazyFrame)
    plan = frame.select("x", "partition").explain()
    assert plan.count("SCAN") == 3
    assert "PROJECT 1/2 COLUMNS" in plan


def test_partitions_with_different_types_are_refused(ours: ArtifactIOManager, instance: dg.DagsterInstance) -> None:
    graph = Graph(ours, instance, ABC, value=lambda key: pl.DataFrame({"x": ["1" if key == "b" else 1]}))
    graph.fill()
    text = graph.load(pl.LazyFrame)
    assert "PartitionSchemaError: Asset up: column 'x' is String in partition 'b' and is Int64 in partition 'c'" in text


@pytest.mark.parametrize("annotation", [pl.LazyFrame, dict[str, pl.DataFrame]])
def test_columns_project_every_partition(
    annotation: Any, own_catalog: Catalog, own_producer: ArtifactProducer, instance: dg.DagsterInstance
) -> None:
    handler = Watched()
    graph = Graph(
        ArtifactIOManager(own_catalog, own_producer, [handler]),
        instance,
        ABC,
        value=lambda key: pl.DataFrame({"x": [key], "y": [1]}),
    )
    graph.fill()
    graph.load(annotation, metadata={"columns": ["x"]})
    assert [request.columns for request in handler.requests] == [("x",)] * 3


def test_missing_partitions_are_counted_and_named_in_the_error(
    ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    fortnight = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-16")
    graph = Graph(ours, instance, fortnight)
    graph.fill(["2024-01-01", "2024-01-03"])
    text = graph.load(dict[str, int])
    assert "MissingPartitionsError: Asset up has no value for 13 of 15 partitions: '2024-01-02', " in text
    assert "'2024-01-12' and 3 more" in text
    assert "2024-01-13" not in text
    assert "allow_missing_partitions" in text


@pytest.mark.parametrize("there", [[], ["c", "b"]])
@pytest.mark.parametrize("mapping", [None, dg.SpecificPartitionsPartitionMapping(["a"])])
def test_allowed_missing_partitions_are_skipped_like_with_dagsters_io_manager(
    there: list[str],
    mapping: Any,
    ours: ArtifactIOManager,
    instance: dg.DagsterInstance,
    tmp_path: pathlib.Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    loaded = []
    for io_manager in (ours, dagsters(tmp_path / "dagsters")):
        graph = Graph(io_manager, instance, ABC)
        graph.fill(there)
        loaded.append(graph.load(partition_mapping=mapping, metadata={"allow_missing_partitions": True}))
        assert "allow_missing_partitions" in capfd.readouterr().err
    assert loaded[0] == loaded[1]


def test_allowed_missing_partitions_are_skipped_for_every_annotation(
    ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    graph = Graph(ours, instance, ABC, value=lambda key: pl.DataFrame({"x": [key]}))
    some: dict[str, Any] = {"metadata": {"allow_missing_partitions": True}}
    assert graph.load(pl.LazyFrame | None, **some) is None
    assert graph.load(dict[str, pl.DataFrame], **some) == {}
    assert list(graph.load(Iterator[pl.DataFrame], dagster_type=dg.Any, **some)) == []
    graph.fill(["b"])
    assert graph.load(pl.DataFrame, **some).rows() == [("b", "b")]
    assert list(graph.load(dict[str, pl.DataFrame], **some)) == ["b"]
    assert "NeverMaterializedError" in graph.load(partition_mapping=dg.SpecificPartitionsPartitionMapping(["a"]))


@pytest.mark.parametrize(
    ("mapping", "missing"),
    [
        (None, "3 of 3 partitions: 'c', 'a', 'b'"),
        (dg.SpecificPartitionsPartitionMapping(["a"]), "1 of 1 partitions: 'a'"),
    ],
)
def test_error_for_all_partitions_missing_explains_how_to_get_none(
    mapping: Any, missing: str, ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    graph = Graph(ours, instance, ABC)
    some: dict[str, Any] = {"partition_mapping": mapping, "metadata": {"allow_missing_partitions": True}}
    text = graph.load(int, **some)
    assert f"MissingPartitionsError: Asset up has no value for {missing}. Materialize one of them" in text
    assert "builtins.int] to receive None" in text
    assert graph.load(int | None, **some) is None


def test_error_for_no_earlier_day_explains_how_to_get_none(
    ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    before = dg.AssetIn(partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1))

    @dg.asset(partitions_def=DAYS, ins={"total": before})
    def total(total: int) -> int:
        return total

    options: Any = {"resources": {"io_manager": ours}, "instance": instance, "raise_on_error": False}
    text = failure_of(dg.materialize([total], partition_key="2024-01-01", **options))
    assert "MissingPartitionsError: The input covers no partition of asset total" in text
    assert "Optional[builtins.int] to receive None" in text


def test_asset_that_depends_on_its_own_earlier_day_starts_with_none(
    ours: ArtifactIOManager, instance: dg.DagsterInstance, tmp_path: pathlib.Path
) -> None:
    before = dg.AssetIn(partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1))

    @dg.asset(partitions_def=DAYS, ins={"total": before})
    def total(total: int | None) -> int:
        return 1 if total is None else total + 1

    for io_manager in (ours, dagsters(tmp_path / "dagsters")):
        for day, expected in (("2024-01-01", 1), ("2024-01-02", 2), ("2024-01-03", 3)):
            run = dg.materialize([total], resources={"io_manager": io_manager}, instance=instance, partition_key=day)
            assert run.asset_value("total") == expected


def test_async_asset_gets_partitions_under_their_own_keys(
    ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    graph = Graph(ours, instance, ABC, value=lambda key: key)
    graph.fill(["c", "b"])  # UPathIOManager would give the key of a missing one to the next

    @dg.asset(ins={"up": dg.AssetIn(metadata={"allow_missing_partitions": True})})
    async def down(up: dict[str, str]) -> dict[str, str]:
        return up

    result = dg.materialize([graph.up, down], selection=[down], resources=graph.resources, instance=instance)
    assert result.asset_value("down") == {"c": "c", "b": "b"}


@pytest.mark.parametrize(
    ("keys", "annotation"), [("a", Any), ("ab", Any), ("ab", dict), ("ab", dict[str, int]), ("cab", dict[str, int])]
)
def test_partition_that_holds_none_is_left_out_like_with_dagsters_io_manager(
    keys: str, annotation: Any, ours: ArtifactIOManager, instance: dg.DagsterInstance, tmp_path: pathlib.Path
) -> None:
    loaded = []
    for io_manager in (ours, dagsters(tmp_path / "dagsters")):
        graph = Graph(io_manager, instance, ABC, value=lambda key: None if key == "a" else 1)
        graph.fill(graph.keys)
        loaded.append(graph.load(annotation, partition_mapping=dg.SpecificPartitionsPartitionMapping([*keys])))
    assert loaded[0] == loaded[1]


def test_one_table_of_partitions_leaves_out_those_that_hold_none(
    ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    graph = Graph(ours, instance, ABC, value=lambda key: None if key == "a" else pl.DataFrame({"x": [key]}))
    graph.fill(graph.keys)
    for kind in (pl.LazyFrame, pa.Table, pd.DataFrame, duckdb.DuckDBPyRelation):
        assert as_rows(graph.load(kind)) == [("c", "c"), ("b", "b")]
        assert list(graph.load(dict[str, kind])) == ["c", "b"]  # type: ignore[valid-type]


def test_running_table_starts_with_the_stored_columns_where_there_are_some(
    ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    before = dg.AssetIn(partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1))

    def make(annotation: Any) -> dg.AssetsDefinition:
        @dg.asset(partitions_def=DAYS, ins={"total": before})
        def total(context: dg.AssetExecutionContext, total: annotation) -> pl.DataFrame:
            day = pl.DataFrame({"day": [context.partition_key]})
            return day if total is None else pl.concat([total, day])

        return total

    def run(annotation: Any, day: str) -> dg.ExecuteInProcessResult:
        options: Any = {"resources": {"io_manager": ours}, "instance": instance, "raise_on_error": False}
        return dg.materialize([make(annotation)], partition_key=day, **options)

    assert "MissingPartitionsError" in failure_of(run(pl.DataFrame, "2024-01-01"))
    assert run(pl.DataFrame | None, "2024-01-01").success
    assert run(pl.DataFrame, "2024-01-02").asset_value("total").height == 2
    again = run(pl.DataFrame, "2024-01-01")
    assert again.asset_value("total").to_dict(as_series=False) == {"day": ["2024-01-01"]}


def test_loaded_partitions_are_recorded_as_inputs(
    ours: ArtifactIOManager, instance: dg.DagsterInstance, own_catalog: Catalog
) -> None:
    graph = Graph(ours, instance, ABC, value=lambda key: key)
    graph.fill()

    @dg.asset
    def down(up: dict[str, str]) -> int:
        return len(up)

    dg.materialize([graph.up, down], selection=[down], resources=graph.resources, instance=instance)
    catalog = own_catalog.materializations
    loaded = inputs_of(own_catalog, catalog.current("down").materialization_id)
    expected = [LoadedInput.of(catalog.current("up", key)) for key in "cab"]
    assert sorted(loaded, key=str) == sorted(expected, key=str)


ODD_KEYS = ["../../etc/passwd", "/abs", "..", ".", "a/b", "a.b", "ü€漢🙂", "x" * 1000, 'it\'s "q"', " ", "%2F", "*"]


def test_partition_names_never_become_paths(
    catalog: Catalog, producer: ArtifactProducer, instance: dg.DagsterInstance, back_door: Any
) -> None:
    odd = dg.StaticPartitionsDefinition(ODD_KEYS)
    graph = Graph(ArtifactIOManager(catalog, producer), instance, odd, value=keyed)
    graph.fill(ODD_KEYS)
    assert graph.load(dict[str, dict[str, str]]) == {key: {"key": key} for key in ODD_KEYS}
    names = [str(catalog.materializations.current("up", key).file.storage_path) for key in ODD_KEYS]
    there = [name.removeprefix("a/store/") for name in back_door.everything()]
    assert [name for name in there if "/" in name] == sorted(names)


@pytest.mark.parametrize(("characters", "fits"), [(800, True), (900, False)])
def test_name_too_long_for_a_database_is_refused_before_storing(
    catalog: Catalog, producer: ArtifactProducer, instance: dg.DagsterInstance, characters: int, fits: bool
) -> None:
    long = "".join(chr(number) for number in random.Random(0).sample(range(0x4E00, 0x9FA5), characters))

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition([long]), retry_policy=dg.RetryPolicy(max_retries=1))
    def up() -> int:
        return 1

    resources = {"io_manager": ArtifactIOManager(catalog, producer)}
    result = dg.materialize([up], resources=resources, partition_key=long, raise_on_error=False, instance=instance)
    assert result.success == fits
    assert len(catalog.files.list_files(9)) == fits
    if not fits:
        assert "partition key must be at most 2,500 bytes" in failure_of(result)
        assert not any(event.event_type_value == "STEP_UP_FOR_RETRY" for event in result.all_events)


def test_unusual_names_of_dynamic_partitions_are_harmless(
    ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    odd = ["a|b", "new\nline", "tab\tand\x00nul", "'; DROP TABLE files; --"]
    instance.delete_dynamic_partition("names", "zoe")
    instance.add_dynamic_partitions("names", odd[:2] + odd[3:])
    graph = Graph(ours, instance, NAMES, value=lambda key: {"key": key})
    graph.fill()
    loaded = graph.load(dict[str, dict[str, str]])
    assert set(loaded) == {"adam", "mia", odd[0], odd[1], odd[3]}
    assert all(value == {"key": key} for key, value in loaded.items())


def test_many_partitions_load_with_one_catalog_query(
    ours: ArtifactIOManager, instance: dg.DagsterInstance, own_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = Graph(ours, instance, ABC, value=lambda key: pl.DataFrame({"key": [key]}))
    graph.fill()
    asked: list[Any] = []
    find, get_file = own_catalog.materializations.find, own_catalog.files.get_file

    def count(asset: str, partitions: Sequence[str | None], *options: Any) -> Any:
        asked.append(partitions)
        return find(asset, partitions, *options)

    def count_file(file_id: FileId) -> FileInfo:
        asked.append(file_id)
        return get_file(file_id)

    monkeypatch.setattr(own_catalog.materializations, "find", count)
    monkeypatch.setattr(own_catalog.files, "get_file", count_file)
    for kind in (pl.DataFrame, pl.LazyFrame, bytes):
        graph.load(dict[str, kind])  # type: ignore[valid-type]
        assert asked == [("c", "a", "b")]
        asked.clear()


def test_streamed_frame_of_partitions_keeps_their_order(ours: ArtifactIOManager, instance: dg.DagsterInstance) -> None:
    graph = Graph(
        ours, instance, ABC, value=lambda key: pl.DataFrame({"x": range(300_000)}).with_columns(y=pl.lit(key))
    )
    graph.fill()
    frame = graph.load(pl.LazyFrame).collect(engine="streaming")
    expected = pl.concat([pl.DataFrame({"x": range(300_000)}).with_columns(partition=pl.lit(key)) for key in "cab"])
    polars.testing.assert_frame_equal(frame.select("x", "partition"), expected)
