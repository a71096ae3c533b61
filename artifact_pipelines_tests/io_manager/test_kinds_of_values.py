"""End to end: every kind of value passes from asset to asset in real runs, and its facts are shown."""

import io
import json
import pathlib
import re
import tempfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import dagster as dg
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest

from artifact_pipelines import FileDescription, ReadRequest, open_store, register_type_handler
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import NeverMaterializedError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import StoragePath
from artifact_pipelines.handlers.registry import unregister_type_handler
from artifact_pipelines.instance.page import MOST_COLUMNS
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import StorageUnavailableError
from artifact_pipelines.storage.factory import open_backend
from artifact_pipelines_tests.handlers.sample_values import FRAME, VALUES, Model, Point
from artifact_pipelines_tests.io_manager.conftest import failure_of
from artifact_pipelines_tests.storage.back_door import FolderBackDoor

RETRY = dg.RetryPolicy(max_retries=2)


class Words(str):
    __slots__ = ()


def _path() -> pathlib.Path:
    path = pathlib.Path(tempfile.mkdtemp()) / "x.csv"
    path.write_bytes(b"data")
    return path


def _read(stream: BinaryIO) -> bytes:
    with stream:
        return stream.read()


KINDS: list[tuple[Callable[[], Any], Any, Callable[[Any], Any], Any]] = [
    *[
        (VALUES[name], kind, rows, 3)
        for name, kind, rows in (
            ("polars.DataFrame", pl.DataFrame, lambda frame: frame.height),
            ("polars.LazyFrame", pl.LazyFrame, lambda lazy: lazy.collect().height),
            ("pyarrow.Table", pa.Table, lambda table: table.num_rows),
            ("pyarrow.RecordBatchReader", pa.RecordBatchReader, lambda reader: reader.read_all().num_rows),
            ("pyarrow.Dataset", pyarrow.dataset.Dataset, lambda dataset: dataset.count_rows()),
        )
    ],
    (VALUES["duckdb.DuckDBPyRelation"], duckdb.DuckDBPyRelation, lambda relation: len(relation.fetchall()), 1000),
    (lambda: pd.DataFrame({"x": [1]}, index=["a"]), pd.DataFrame, lambda frame: list(frame.index), ["a"]),
    (VALUES["polars.Series"], pl.Series, lambda series: (series.name, list(series)), ("text", ["a", None, "ü"])),
    (lambda: pd.Series([1.5], index=["a"]), pd.Series, lambda series: (series.name, list(series.index)), (None, ["a"])),
    (VALUES["numpy.ndarray"], np.ndarray, lambda array: array.tolist(), [[0, 1, 2], [3, 4, 5]]),
    (VALUES["numpy.ndarray"], np.memmap, type, np.memmap),
    (lambda: b"data", bytes, bytes, b"data"),
    (lambda: "text", str, str, "text"),
    (lambda: Words("text"), Words, type, Words),
    (_path, pathlib.Path, lambda path: path.read_bytes(), b"data"),
    (lambda: io.BytesIO(b"data"), BinaryIO, _read, b"data"),
    (lambda: "text", Artifact, lambda artifact: artifact.info.file_type, "txt"),
    (lambda: {"a": [1, None]}, dict, dict, {"a": [1, None]}),
    (VALUES["dataclass"], Point, lambda point: point, Point(1, {"a": 1, "b": 2})),
    (VALUES["pydantic.BaseModel"], Model, lambda model: model.n, 3),
]


def test_every_kind_of_value_passes_from_asset_to_asset(ours: ArtifactIOManager) -> None:
    found: dict[int, Any] = {}

    def made_and_used(number: int) -> tuple[dg.AssetsDefinition, dg.AssetsDefinition]:
        make, kind, seen_of, _ = KINDS[number]

        def use(given: Any) -> None:
            found[number] = seen_of(given)

        use.__annotations__["given"] = kind
        made = dg.asset(lambda: make(), name=f"made_{number}")
        return made, dg.asset(use, name=f"used_{number}", ins={"given": dg.AssetIn(made.key)})

    pairs = [made_and_used(number) for number in range(len(KINDS))]
    assert dg.materialize([asset for pair in pairs for asset in pair], resources={"io_manager": ours}).success
    assert [found[number] for number in range(len(KINDS))] == [expected for *_, expected in KINDS]


def made_event(ours: ArtifactIOManager, value: Any) -> dg.AssetMaterialization:
    @dg.asset
    def made() -> Any:
        return value

    [event] = dg.materialize([made], resources={"io_manager": ours}).asset_materializations_for_node("made")
    return event


def test_facts_of_a_table_are_shown(ours: ArtifactIOManager) -> None:
    far = duckdb.sql("SELECT DATE '10000-01-01' AS x")
    for value, rows, shown in (
        (FRAME, 3, {"number": 3, "text": "a"}),
        (pl.DataFrame(), 0, None),
        (far, 1, {"x": "10000-01-01"}),
    ):
        metadata: Mapping[str, Any] = made_event(ours, value).metadata
        assert metadata["dagster/row_count"].value == rows
        if shown:
            assert shown.items() <= metadata["artifact/preview"].records[0].data.items()


def test_numbers_are_shown_as_numbers_and_short_lists_on_one_line(ours: ArtifactIOManager) -> None:
    shown = [made_event(ours, value).metadata["artifact/preview"] for value in (0.5, 7, True, [1, "ä"])]
    kinds = [dg.FloatMetadataValue, dg.IntMetadataValue, dg.BoolMetadataValue, dg.TextMetadataValue]
    assert [type(one) for one in shown] == kinds
    assert [one.value for one in shown] == [0.5, 7, True, '[1, "ä"]']
    assert isinstance(made_event(ours, 2**70).metadata["artifact/preview"], dg.TextMetadataValue)


def test_json_is_shown_with_few_lines(ours: ArtifactIOManager) -> None:
    value = {"name": "```", "days": list(range(1, 61)), "rows": [{"id": 1, "text": "x" * 80}, {"id": 2}], "none": []}
    shown = made_event(ours, value).metadata["artifact/preview"]
    assert isinstance(shown, dg.MarkdownMetadataValue)
    fence, *lines, end = str(shown.value).splitlines()
    assert (fence, end) == ("```", "```")
    assert json.loads("\n".join(lines)) == {**value, "name": "~~~"}
    assert len(lines) < 20
    assert max(map(len, lines)) <= 105


def test_first_levels_of_a_deep_value_are_shown(ours: ArtifactIOManager) -> None:
    deep: Any = 1
    for _ in range(190):
        deep = [deep]
    metadata = made_event(ours, [{"a": 1}, deep]).metadata
    assert metadata["artifact/preview"].value == '[{"a": 1}, [[[[[[[[["…"]]]]]]]]]]'


def test_first_of_five_thousand_columns_are_shown(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    odd = ["", " ", "a.b", "q\"u'o;te", "🙂\n", "x" * 5000, "*"]
    names = [*odd, *(f"c{number}" for number in range(5000 - len(odd)))]
    event = made_event(ours, pl.DataFrame({name: [number, None] for number, name in enumerate(names)}))
    metadata: Mapping[str, Any] = event.metadata
    assert metadata["artifact/columns_shown"].value == "5,000 columns, first 100 shown"
    assert len(metadata["dagster/column_schema"].value.columns) == MOST_COLUMNS
    assert len(metadata["artifact/preview"].records) == MOST_COLUMNS
    assert len(dg.serialize_value(event)) < 150_000
    schema = own_catalog.materializations.current("made").schema
    assert schema is not None
    assert [*schema] == names


def test_very_long_text_is_shown_short(ours: ArtifactIOManager) -> None:
    event = made_event(ours, pl.DataFrame({"text": ["x" * 2_000_000, "y"]}))
    assert len(dg.serialize_value(event)) < 10_000


class Polygon:
    def __init__(self, *corners: int) -> None:
        self.corners = corners


class PolygonHandler:
    writes: tuple[str, ...] = (f"{__name__}.Polygon",)
    reads: tuple[str, ...] = (f"{__name__}.Polygon",)
    file_types = ("corners",)

    def describe(self, value: Polygon) -> FileDescription:
        return FileDescription("corners")

    def write(self, value: Polygon, sink: BinaryIO) -> None:
        sink.write(bytes(value.corners))

    def read(self, artifact: Artifact, request: ReadRequest) -> Polygon:
        with artifact.open() as stream:
            return Polygon(*stream.read())

    def facts(self, artifact: Artifact) -> dict[str, Any]:
        return {"preview": "a polygon"}


def test_registered_type_passes_from_asset_to_asset_and_into_a_notebook(
    ours: ArtifactIOManager, settings: Settings
) -> None:
    @dg.asset
    def polygon() -> Polygon:
        return Polygon(1, 2, 3)

    @dg.asset
    def corners(polygon: Polygon) -> list[int]:
        return [*polygon.corners]

    handler = PolygonHandler()
    with open_store() as store:
        register_type_handler(handler)  # also for a store that is already open
        try:
            assert dg.materialize([polygon, corners], resources={"io_manager": ours}).success
            assert store.load("corners", list) == [1, 2, 3]
            assert store.load("polygon", Polygon | None).corners == (1, 2, 3)
        finally:
            unregister_type_handler(handler)


def is_retried(result: dg.ExecuteInProcessResult) -> bool:
    return any(event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY for event in result.all_events)


def _closed() -> io.BytesIO:
    stream = io.BytesIO()
    stream.close()
    return stream


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "column": (lambda: pl.DataFrame({"odd": [object()]}), "UnsupportedColumnError: Column 'odd'"),
    "value of a column": (
        lambda: pa.table({"odd": pa.array([2**62]).cast(pa.timestamp("s"))}),
        "ColumnValueError: Column 'odd'",
    ),
    "JSON": (lambda: [{"hunter2": object()}], "UnstorableValueError: Cannot store as JSON: 0.hunter2, of type object"),
    "stream": (_closed, "InvalidArgumentError: stream must be open"),
    "type": (lambda: slice(1), "UnsupportedTypeError: Cannot store a value of type builtins.slice"),
    "folder": (lambda: pathlib.Path("/"), "UnstorablePathError: Cannot store /: it is a folder"),
    "nothing": (lambda: pathlib.Path("/no/file"), "UnstorablePathError: Cannot store /no/file: there is no such file"),
    "object": (Polygon, 'UnsupportedTypeError: (.|\n)*class PolygonHandler:\n    writes = reads = \\("'),
    "path": (lambda: pathlib.Path("/a\0b.csv"), r"SourceUnreadableError: /a\\x00b.csv cannot be read"),
}


@pytest.mark.local
@pytest.mark.parametrize("name", REFUSED)
def test_refused_value_fails_without_retry_and_changes_nothing(
    ours: ArtifactIOManager, own_catalog: Catalog, settings: Settings, name: str
) -> None:
    make, message = REFUSED[name]
    values = iter([lambda: "good", make])

    @dg.asset(retry_policy=RETRY)
    def value() -> Any:
        return next(values)()

    def run() -> dg.ExecuteInProcessResult:
        return dg.materialize([value], resources={"io_manager": ours}, raise_on_error=False)

    back_door = FolderBackDoor(pathlib.Path(settings.storage_url))
    assert run().success
    before = (back_door.everything(), own_catalog.files.list_files(10), own_catalog.materializations.current("value"))
    result = run()
    assert re.search(message, failure_of(result))
    assert not is_retried(result)
    after = (back_door.everything(), own_catalog.files.list_files(10), own_catalog.materializations.current("value"))
    assert after == before


@pytest.mark.parametrize(
    ("value", "annotation", "metadata", "message"),
    [
        ("text", pl.DataFrame, {}, "WrongFileTypeError: Input given .*'txt' and cannot be read as polars.DataFrame"),
        (FRAME, slice, {}, "UnsupportedTypeError: .*Cannot load a value of type builtins.slice"),
        ({"day": "hunter2"}, Model, {}, "ContentMismatchError: .*day: Input should be a valid date"),
        (FRAME, pl.DataFrame, {"columns": ["nmber"]}, "UnknownColumnError: .*'number', 'text'"),
        (FRAME, pl.DataFrame, {"columns": "number"}, "InvalidArgumentError: .*columns must be"),
    ],
)
def test_unreadable_input_fails_without_retry_and_shows_no_value(
    ours: ArtifactIOManager, value: Any, annotation: Any, metadata: dict[str, Any], message: str
) -> None:
    @dg.asset
    def made() -> Any:
        return value

    def used(given: Any) -> None:
        raise AssertionError("it was loaded")

    used.__annotations__["given"] = annotation
    asset = dg.asset(used, ins={"given": dg.AssetIn("made", metadata=metadata)}, retry_policy=RETRY)
    result = dg.materialize([made, asset], resources={"io_manager": ours}, raise_on_error=False)
    [event] = result.get_step_failure_events()
    assert re.search(message, failure_of(result))
    assert "hunter2" not in dg.serialize_value(event)
    assert not is_retried(result)


@pytest.mark.local
def test_damaged_file_fails_without_retry(ours: ArtifactIOManager, own_catalog: Catalog, settings: Settings) -> None:
    @dg.asset
    def text() -> str:
        return "text"

    @dg.asset(retry_policy=RETRY)
    def user(text: str) -> None: ...

    dg.materialize([text], resources={"io_manager": ours})
    file = own_catalog.materializations.current("text").file
    FolderBackDoor(pathlib.Path(settings.storage_url)).put(file.storage_path, b"TEXT")
    result = dg.materialize([text, user], resources={"io_manager": ours}, selection=[user], raise_on_error=False)
    assert "DamagedBytesError" in failure_of(result)
    assert not is_retried(result)


def test_unavailable_store_is_retried(
    own_catalog: Catalog, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = open_backend(settings.storage_url)
    ours = ArtifactIOManager(own_catalog, ArtifactProducer(own_catalog.files, backend))

    @dg.asset
    def text() -> str:
        return "text"

    @dg.asset(retry_policy=RETRY)
    def user(text: str) -> str:
        return text

    dg.materialize([text], resources={"io_manager": ours})
    failures, read_stream = iter([True]), backend.read_stream

    def fail_once(path: StoragePath) -> Any:
        if next(failures, False):
            raise StorageUnavailableError("the test's store", "it is away")
        return read_stream(path)

    monkeypatch.setattr(backend, "read_stream", fail_once)
    result = dg.materialize([text, user], resources={"io_manager": ours}, selection=[user], raise_on_error=False)
    assert result.success
    assert is_retried(result)


def test_failing_query_raises_its_own_error(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    @dg.asset
    def wrong() -> pl.LazyFrame:
        return FRAME.lazy().select(pl.col("nothing"))

    result = dg.materialize([wrong], resources={"io_manager": ours}, raise_on_error=False)
    assert "ColumnNotFoundError" in failure_of(result)
    with pytest.raises(NeverMaterializedError):
        own_catalog.materializations.current("wrong")


def test_stream_is_closed_after_it_is_stored(
    ours: ArtifactIOManager, own_catalog: Catalog, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "x.csv.gz").write_bytes(b"packed")
    given = []

    @dg.asset
    def made() -> Any:
        given.append((tmp_path / "x.csv.gz").open("rb"))
        return given[-1]

    for _ in range(2):  # the second one is a duplicate
        assert dg.materialize([made], resources={"io_manager": ours}).success
    assert all(stream.closed for stream in given)
    info = own_catalog.materializations.current("made").file
    assert (info.file_type, info.compression_type, info.size_bytes) == ("csv", "gzip", 6)


def test_broken_stream_is_retried_and_leaves_nothing(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    class Broken(io.RawIOBase):
        def readinto(self, buffer: Any) -> int:
            raise ConnectionResetError("the line went dead")

        def readable(self) -> bool:
            return True

    streams = iter([Broken(), io.BytesIO(b"data")])

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def made() -> Any:
        return next(streams)

    result = dg.materialize([made], resources={"io_manager": ours})
    assert result.success
    assert is_retried(result)
    assert [file.size_bytes for file in own_catalog.files.list_files(10)] == [4]


def test_row_order_any_keeps_the_version_when_rows_move(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    def materialize(frame: pl.DataFrame, metadata: dict[str, str]) -> Any:
        @dg.asset(metadata=metadata)
        def rows() -> pl.DataFrame:
            return frame

        assert dg.materialize([rows], resources={"io_manager": ours}).success
        return own_catalog.materializations.current("rows")

    unordered = {"artifact/row_order": "any"}
    first, moved, shorter = (materialize(frame, unordered) for frame in (FRAME, FRAME.reverse(), FRAME.head(2)))
    assert first.file.content_hash != moved.file.content_hash
    assert (first.data_version, first.version) == (moved.data_version, moved.version) == (first.data_version, 1)
    assert shorter.version == 2
    assert materialize(FRAME.reverse(), {}).data_version != materialize(FRAME, {}).data_version


def test_misspelled_asset_metadata_are_refused_before_anything_is_stored(
    ours: ArtifactIOManager, own_catalog: Catalog
) -> None:
    for metadata, message in (
        ({"artifact/publsh": "after_checks"}, "not 'artifact/publsh'"),
        ({"artifact/row_order": "random"}, "artifact/row_order must be 'any'"),
        ({"artifact/row_order": "any"}, "not a table"),
    ):

        @dg.asset(metadata=metadata)
        def misspelled() -> int:
            return 1

        result = dg.materialize([misspelled], resources={"io_manager": ours}, raise_on_error=False)
        assert message in failure_of(result)
    assert own_catalog.files.list_files(9) == []
