"""What users get wrong with values: a failure that is not retried and says what to do; catalog and store stay as is."""

import io
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pyarrow as pa
import pydantic
import pytest

from artifact_pipelines import ArtifactIOManager, Store
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import NeverMaterializedError
from artifact_pipelines.io_manager.metadata import MOST_COLUMNS
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import StorageUnavailableError
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines_tests.handlers.test_columns import UNSUPPORTED
from artifact_pipelines_tests.io_manager.conftest import failure_of
from artifact_pipelines_tests.storage.back_door import BackDoor

RETRY = dg.RetryPolicy(max_retries=2)
FRAME = pl.DataFrame({"carrier": ["UA", "AA"], "delay": [5, None]})


class Model(pydantic.BaseModel):
    n: int


@pytest.fixture
def io_manager(catalog: Catalog, producer: ArtifactProducer) -> ArtifactIOManager:
    return ArtifactIOManager(catalog, producer)


@dg.asset
def frame() -> pl.DataFrame:
    return FRAME


@dg.asset
def text() -> str:
    return "text"


@dg.asset
def record() -> dict[str, str]:
    return {"n": "many"}


@dg.asset
def packed() -> Any:
    stream = io.BytesIO("naïve".encode("latin-1"))
    stream.name = "x.csv"
    return stream


@dg.asset
def called_parquet() -> Any:
    stream = io.BytesIO(b"no such thing")
    stream.name = "x.parquet"
    return stream


def run(io_manager: ArtifactIOManager, *assets: Any, **options: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(assets, resources={"io_manager": io_manager}, raise_on_error=False, **options)


def failure(result: dg.ExecuteInProcessResult, step: str) -> str:
    [event] = [event for event in result.get_step_failure_events() if event.step_key == step]
    return str(event.step_failure_data.error_display_string)


def is_retried(result: dg.ExecuteInProcessResult) -> bool:
    return any(event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY for event in result.all_events)


WRITTEN: dict[str, tuple[Callable[[], Any], str]] = {
    **{
        name: (UNSUPPORTED[name], "UnsupportedColumnError: Column 'odd'") for name in ("object", "union", "lazy object")
    },
    "columns of one name": (
        lambda: pa.table([[1], [2]], names=["a", "a"]),
        "DuplicateColumnsError: More than one .*'a'",
    ),
    "no JSON": (lambda: {"x": object()}, "UnstorableValueError: Cannot store as JSON: x, of type object"),
    "a closed stream": (lambda: _closed(), "InvalidArgumentError: stream must be open.*'_io.BytesIO'"),
    "a text stream": (lambda: io.StringIO("x"), "InvalidArgumentError: stream must be binary.*'_io.StringIO'"),
    "text of half a character": (
        lambda: "hunter2\ud800",
        "UnstorableValueError: .* UTF-8: the value, of type str, .* 7 ",
    ),
    "an unknown type": (lambda: {1, 2}, "UnsupportedTypeError: Cannot store a value of type builtins.set"),
    "a folder": (lambda: pathlib.Path("/"), "SourceUnreadableError"),
    "a path with NUL": (lambda: pathlib.Path("/a\0b.csv"), r"SourceUnreadableError: /a\\x00b.csv cannot be read"),
}


def _closed() -> io.BytesIO:
    stream = io.BytesIO()
    stream.close()
    return stream


@pytest.mark.parametrize("name", WRITTEN)
def test_what_cannot_be_stored_is_not_retried_and_changes_nothing(
    io_manager: ArtifactIOManager, catalog: Catalog, back_door: BackDoor, name: str
) -> None:
    make, problem = WRITTEN[name]
    values = iter([lambda: "good", make])

    @dg.asset(retry_policy=RETRY)
    def value() -> Any:
        return next(values)()

    run(io_manager, value)
    before = (back_door.everything(), catalog.files.list_files(10), catalog.materializations.current("value"))
    result = run(io_manager, value)
    assert re.search(problem, failure(result, "value"))
    assert "hunter2" not in failure(result, "value")
    assert not is_retried(result)
    assert (back_door.everything(), catalog.files.list_files(10), catalog.materializations.current("value")) == before


LOADED: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "text as a frame": (text, pl.DataFrame, {}, "WrongFileTypeError: .*'txt' and cannot be read as polars.DataFrame"),
    "a frame as text": (frame, str, {}, "WrongFileTypeError: .*'parquet' .*: polars.DataFrame or LazyFrame"),
    "an unknown type": (frame, complex, {}, "UnsupportedTypeError: Cannot load a value of type builtins.complex"),
    "a record of another form": (record, Model, {}, "ContentMismatchError: .*n: Input should be a valid integer"),
    "another encoding": (packed, str, {}, "ContentMismatchError: .*not UTF-8"),
    "what is called parquet": (called_parquet, pa.Table, {}, "ContentMismatchError: .*Parquet magic bytes not found"),
    "an unknown column": (frame, pl.DataFrame, {"columns": ["dely"]}, "UnknownColumnError: .*'carrier', 'delay'"),
    "columns that are no list": (frame, pl.DataFrame, {"columns": "delay"}, "InvalidArgumentError: columns must be"),
}


@pytest.mark.parametrize("name", LOADED)
def test_what_cannot_be_loaded_is_not_retried(store: Store, name: str) -> None:
    io_manager = ArtifactIOManager(store.catalog, store._producer)
    source, annotation, metadata, problem = LOADED[name]

    def user(given: Any) -> None:
        raise AssertionError("it was loaded")

    user.__annotations__["given"] = annotation
    asset = dg.asset(user, ins={"given": dg.AssetIn(source.key, metadata=metadata)}, retry_policy=RETRY)
    result = run(io_manager, source, asset)
    assert re.search(problem, failure(result, "user"))
    assert not is_retried(result)


def test_a_damaged_file_is_not_retried(io_manager: ArtifactIOManager, catalog: Catalog, back_door: BackDoor) -> None:
    @dg.asset(retry_policy=RETRY)
    def user(text: str) -> None: ...

    run(io_manager, text)
    back_door.put(catalog.materializations.current("text").file.storage_path, b"TEXT")
    result = run(io_manager, text, user, selection=[user])
    assert "DamagedBytesError" in failure(result, "user")
    assert not is_retried(result)


def test_a_store_that_does_not_answer_is_tried_again(
    io_manager: ArtifactIOManager, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset(retry_policy=RETRY)
    def user(text: str) -> str:
        return text

    run(io_manager, text)

    def fail(*_: object) -> None:
        raise StorageUnavailableError("the test's store", "it is away")

    with monkeypatch.context() as away:
        away.setattr(backend, "read_stream", fail)
        result = run(io_manager, text, user, selection=[user])
    assert is_retried(result)
    assert run(io_manager, text, user, selection=[user]).success


def test_a_query_that_fails_is_told_as_it_is(io_manager: ArtifactIOManager, catalog: Catalog) -> None:
    @dg.asset
    def wrong() -> pl.LazyFrame:
        return FRAME.lazy().select(pl.col("nothing"))

    assert "ColumnNotFoundError" in failure(run(io_manager, wrong), "wrong")
    with pytest.raises(NeverMaterializedError):
        catalog.materializations.current("wrong")


@pytest.mark.parametrize("value", [pl.DataFrame(), FRAME.clear(), FRAME.clear().lazy(), pa.table({})])
def test_no_rows_and_no_columns_pass_from_asset_to_asset(io_manager: ArtifactIOManager, value: Any) -> None:
    @dg.asset
    def empty() -> Any:
        return value

    @dg.asset
    def shape(empty: pl.DataFrame) -> list[int]:
        return [*empty.shape]

    columns = len(value.lazy().collect_schema()) if isinstance(value, pl.DataFrame | pl.LazyFrame) else 0
    result = run(io_manager, empty, shape)
    assert result.asset_value("shape") == [0, columns]
    [event] = result.asset_materializations_for_node("empty")
    assert event.metadata["dagster/row_count"].value == 0


def test_five_thousand_columns_are_stored_and_the_first_are_shown(
    io_manager: ArtifactIOManager, catalog: Catalog
) -> None:
    odd = ["", " ", "a.b", "q\"u'o;te", "🙂\n", "x" * 5000, "*"]
    names = [*odd, *(f"c{number}" for number in range(5000 - len(odd)))]
    wide = pl.DataFrame({name: [number, None] for number, name in enumerate(names)})

    @dg.asset
    def made() -> pl.DataFrame:
        return wide

    @dg.asset
    def same(made: pl.DataFrame) -> bool:
        return made.equals(wide)

    result = run(io_manager, made, same)
    assert result.asset_value("same") is True
    [event] = result.asset_materializations_for_node("made")
    metadata: Mapping[str, Any] = event.metadata
    assert metadata["artifact/columns_shown"].value == "5,000 columns, first 100 shown"
    assert len(metadata["dagster/column_schema"].value.columns) == MOST_COLUMNS
    assert len(metadata["artifact/columns"].records) == MOST_COLUMNS
    assert len(metadata["artifact/preview"].records[0].data) == MOST_COLUMNS
    assert len(dg.serialize_value(event)) < 150_000
    schema = catalog.materializations.current("made").schema
    assert schema is not None
    assert [*schema] == names


def test_very_long_texts_are_stored_and_shown_short(io_manager: ArtifactIOManager) -> None:
    @dg.asset
    def long() -> pl.DataFrame:
        return pl.DataFrame({"text": ["x" * 20_000_000, "y"]})

    @dg.asset
    def lengths(long: pl.DataFrame) -> list[int]:
        return long["text"].str.len_bytes().to_list()

    result = run(io_manager, long, lengths)
    assert result.asset_value("lengths") == [20_000_000, 1]
    [event] = result.asset_materializations_for_node("long")
    assert len(dg.serialize_value(event)) < 10_000


_FAR = pa.array([0, 2**62], pa.int64())
_BEYOND: Mapping[str, tuple[str, Callable[[], Any]]] = {
    "times": ("timestamp[s]", lambda: pa.table({"ok": [1, 2], "when": _FAR.cast(pa.timestamp("s"))})),
    "durations": ("duration[s]", lambda: pa.table({"ok": [1, 2], "when": _FAR.cast(pa.duration("s"))})),
    "lists": (
        "list<item: timestamp[s]>",
        lambda: pa.table({"when": pa.ListArray.from_arrays([0, 1, 2], _FAR.cast(pa.timestamp("s")))}),
    ),
    "parts of days": ("date64[ms]", lambda: pa.table({"when": pa.array([0, 5], pa.int64()).cast(pa.date64())})),
    "infinity": ("timestamp[s]", lambda: duckdb.sql("SELECT 'infinity'::TIMESTAMP_S AS \"when\"")),
}


@pytest.mark.parametrize(("kind", "make"), _BEYOND.values(), ids=_BEYOND)
def test_a_time_beyond_what_is_stored_is_refused_by_name(
    kind: str, make: Callable[[], Any], io_manager: ArtifactIOManager, catalog: Catalog, backend: IStorageBackend
) -> None:
    @dg.asset
    def far() -> Any:
        return make()

    result = dg.materialize([far], resources={"io_manager": io_manager}, raise_on_error=False)
    said = failure_of(result)
    assert "ColumnValueError" in said
    assert f"Column 'when' of type {kind} holds a value that cannot be stored" in said
    assert "cast the column to int64" in said
    assert (catalog.files.list_files(1), list(backend.list_files())) == ([], [])
    assert catalog.materializations.list_current() == []


def test_misspelled_metadata_of_an_asset_are_refused_before_anything_is_stored(
    io_manager: ArtifactIOManager, catalog: Catalog
) -> None:
    @dg.asset(metadata={"artifact/publsh": "after_checks"})
    def misspelled() -> int:
        return 1

    result = dg.materialize([misspelled], resources={"io_manager": io_manager}, raise_on_error=False)
    said = failure_of(result)
    assert "metadata artifact/… of asset misspelled must be one of artifact/dataset, artifact/publish" in said
    assert "not 'artifact/publsh'" in said
    assert catalog.files.list_files(9) == []


def test_what_cannot_be_loaded_is_said_of_an_input_a_version_and_a_file(io_manager: ArtifactIOManager) -> None:
    @dg.asset
    def table() -> pl.DataFrame:
        return pl.DataFrame({"x": [1]})

    @dg.asset(ins={"rows": dg.AssetIn("table")})
    def total(rows: int) -> int:
        return rows

    result = dg.materialize([table, total], resources={"io_manager": io_manager}, raise_on_error=False)
    assert "WrongFileTypeError: Input rows (table version 1, file 1): " in failure_of(result)
