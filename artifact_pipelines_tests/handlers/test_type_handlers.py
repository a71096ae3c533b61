"""The contract of `ITypeHandler`: values come back, and equal values are equal bytes wherever they are written."""

import dataclasses
import datetime
import io
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any, Optional

import duckdb
import polars as pl
import polars.testing
import pyarrow as pa
import pyarrow.dataset
import pydantic
import pytest

from artifact_pipelines.core.types import FileDescription
from artifact_pipelines.handlers.exceptions import ContentMismatchError, UnstorableValueError, WrongFileTypeError
from artifact_pipelines.handlers.registry import BUILT_IN, TypeHandlers
from artifact_pipelines.handlers.type_names import type_names
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.store import Store, open_store
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError
from artifact_pipelines_tests.handlers.writing import write_value

FRAME = pl.DataFrame(
    {
        "number": [3, 1, None],
        "text": ["a", None, "ü"],
        "moment": [datetime.datetime(2013, 1, 1, 5, tzinfo=datetime.UTC), None, None],
        "list": [[1, 2], [], None],
    }
)


@dataclasses.dataclass
class Point:
    x: int
    y: dict[str, int]


@dataclasses.dataclass
class Tags:
    tags: set[str]
    day: datetime.date


class Tagged(pydantic.BaseModel):
    tags: set[str]
    more: list[frozenset[str]]
    points: dict[int, set[str]]


class Model(pydantic.BaseModel):
    day: datetime.date
    n: int = 3


def _relation() -> duckdb.DuckDBPyRelation:
    return duckdb.connect().sql("SELECT range AS number, 'row ' || range AS text FROM range(1000)")


VALUES: dict[str, Callable[[], Any]] = {
    "polars.DataFrame": lambda: FRAME,
    "polars.LazyFrame": lambda: FRAME.lazy(),
    "pyarrow.Table": lambda: FRAME.to_arrow(),
    "pyarrow.RecordBatchReader": lambda: FRAME.to_arrow().to_reader(),
    "pyarrow.RecordBatch": lambda: FRAME.to_arrow().to_batches()[0],
    "pyarrow.Dataset": lambda: pyarrow.dataset.dataset(FRAME.to_arrow()),
    "duckdb.DuckDBPyRelation": _relation,
    "builtins.bytes": lambda: b"\0\xffdata",
    "builtins.bytearray": lambda: bytearray(b"data"),
    "builtins.memoryview": lambda: memoryview(b"data"),
    "stream": lambda: io.BytesIO(b"data"),
    "builtins.str": lambda: "text ü\n",
    "builtins.dict": lambda: {"b": [1, 2.5, None, True], "a": {"ü": "x"}},
    "builtins.list": lambda: [1, "two", []],
    "builtins.tuple": lambda: (1, 2),
    "builtins.bool": lambda: True,
    "builtins.int": lambda: 2**70,
    "builtins.float": lambda: 0.1,
    "builtins.NoneType": lambda: None,
    "set in a dataclass": lambda: Tags({"x", "yy", "zzz"}, datetime.date(2013, 1, 1)),
    "set in a model": lambda: Tagged(
        tags={"x", "yy", "zzz"}, more=[frozenset({"x", "yy", "zzz"})], points={1: {"x", "yy"}}
    ),
    "dataclass": lambda: Point(1, {"b": 2, "a": 1}),
    "pydantic.BaseModel": lambda: Model(day=datetime.date(2013, 1, 1)),
}


def written(value: Any) -> tuple[FileDescription, bytes]:
    description, sink = TypeHandlers().for_value(value).describe(value), io.BytesIO()
    write_value(value, sink)
    return description, sink.getvalue()


def stored(store: Store, value: Any) -> Artifact:
    description, data = written(value)
    file = store.info(store.create_artifact(io.BytesIO(data), description.file_type))
    return Artifact(file, lambda: store._producer.uri(file), lambda verify: store.open(file.file_id, verify))


def round_trip(store: Store, value: Any, annotation: Any) -> Any:
    return TypeHandlers().read(stored(store, value), annotation)


def test_every_type_that_is_written_is_tested() -> None:
    written_types = {name for handler in BUILT_IN for name in handler.writes}
    assert written_types - {"pathlib.Path", "pandas.DataFrame"} == {name for name in VALUES if " " not in name}


@pytest.mark.parametrize("name", VALUES)
def test_equal_values_are_equal_bytes(name: str) -> None:
    assert written(VALUES[name]()) == written(VALUES[name]())


_WRITE = """
import io, sys
from artifact_pipelines_tests.handlers.test_type_handlers import VALUES, written
from artifact_pipelines.storage.staging import hash_stream
for name in VALUES:
    print(name, hash_stream(io.BytesIO(written(VALUES[name]())[1])).content_hash)
"""


@pytest.mark.parametrize("threads", ["1", "2"])
def test_equal_values_are_equal_bytes_in_another_process_with_other_threads(threads: str) -> None:
    from artifact_pipelines.storage.staging import hash_stream

    environment = {**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": threads}
    command = [sys.executable, "-c", _WRITE]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    here = {name: hash_stream(io.BytesIO(written(VALUES[name]())[1])).content_hash for name in VALUES}
    assert dict(line.rsplit(maxsplit=1) for line in printed.splitlines()) == here


@pytest.mark.parametrize(
    "annotation", [pl.DataFrame, None, Any, Annotated[pl.DataFrame, 1], pl.DataFrame | None, "polars.DataFrame"]
)
@pytest.mark.parametrize("name", [name for name in VALUES if name.startswith(("polars", "pyarrow"))])
def test_tables_come_back_as_frames(store: Store, name: str, annotation: Any) -> None:
    polars.testing.assert_frame_equal(round_trip(store, VALUES[name](), annotation), FRAME)


def test_a_table_comes_back_as_every_kind_of_table(store: Store) -> None:
    assert isinstance(round_trip(store, FRAME, pl.LazyFrame), pl.LazyFrame)
    assert round_trip(store, FRAME, pa.Table).num_rows == 3
    assert round_trip(store, FRAME, pa.RecordBatch).num_rows == 3
    assert round_trip(store, FRAME, pa.RecordBatchReader).read_all().num_rows == 3
    assert round_trip(store, FRAME, pyarrow.dataset.Dataset).count_rows() == 3
    assert len(round_trip(store, FRAME, duckdb.DuckDBPyRelation).fetchall()) == 3


def test_the_name_of_a_folder_is_no_column(tmp_path: pathlib.Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'c.db'}", str(tmp_path / "env=prod" / "text=x")) as store:
        for kind in (pl.DataFrame, pl.LazyFrame):
            polars.testing.assert_frame_equal(round_trip(store, FRAME, kind).lazy().collect(), FRAME)
        for kind in (pa.Table, pa.RecordBatchReader, pyarrow.dataset.Dataset):
            assert round_trip(store, FRAME, kind).schema.names == FRAME.columns
        assert round_trip(store, FRAME, duckdb.DuckDBPyRelation).columns == FRAME.columns


def test_a_relation_comes_back(store: Store) -> None:
    assert round_trip(store, _relation(), pl.DataFrame).height == 1000


def test_plain_values_come_back(store: Store) -> None:
    assert round_trip(store, b"\0\xff", bytes) == b"\0\xff"
    assert round_trip(store, b"\0\xff", None) == b"\0\xff"
    assert round_trip(store, "ü", str) == "ü"
    assert round_trip(store, "ü", None) == "ü"
    assert round_trip(store, "ü", bytes) == "ü".encode()
    assert round_trip(store, "ü", bytearray) == bytearray("ü".encode())
    assert round_trip(store, "ü", memoryview) == memoryview("ü".encode())


def test_a_view_of_any_layout_is_stored_as_its_bytes() -> None:
    numbers = memoryview(bytes(range(8)))
    assert written(numbers.cast("I"))[1] == bytes(range(8))
    assert written(numbers[::2])[1] == bytes(range(0, 8, 2))
    assert written(memoryview(b""))[1] == b""


@pytest.mark.local
def test_a_path_of_the_stored_file_and_an_artifact_read_every_file(store: Store) -> None:
    assert round_trip(store, "text", pathlib.Path).read_text() == "text"
    artifact = round_trip(store, "text", Artifact)
    assert artifact.info.file_type == "txt"
    assert artifact.uri().startswith("file:///")
    with artifact.open() as stream:
        assert stream.read() == b"text"


@pytest.mark.parametrize(
    ("name", "file_type", "compression_type"),
    [
        ("x.csv", "csv", None),
        ("X.CSV", "csv", None),
        ("x.csv.gz", "csv", "gzip"),
        ("x.tar.zst", "tar", "zstd"),
        ("x.gz", "bin", "gzip"),
        ("x", "bin", None),
        ("x.ü", "bin", None),
        ("x.a b", "bin", None),
        ("x." + "y" * 40, "bin", None),
    ],
)
def test_the_type_of_a_path_is_its_extension(name: str, file_type: str, compression_type: str | None) -> None:
    path = pathlib.Path(name)
    description = TypeHandlers().for_value(path).describe(path)
    assert (description.file_type, description.compression_type) == (file_type, compression_type)


def test_a_path_is_written_as_it_is(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n")
    assert written(path)[1] == b"a,b\n"


@pytest.mark.parametrize("value", [object(), {1, 2}, print, 1j])
def test_a_value_of_unknown_type_is_an_error_that_names_what_is_supported(value: object) -> None:
    with pytest.raises(UnsupportedTypeError, match=r"polars\.DataFrame.*register a handler"):
        TypeHandlers().for_value(value)


def test_text_that_is_none_is_an_error() -> None:
    with pytest.raises(UnstorableValueError, match="UTF-8"):
        written("\ud800")


@pytest.mark.parametrize("annotation", [set, complex, "SomeForwardReference"])
def test_an_annotation_that_no_handler_gives_is_an_error(store: Store, annotation: Any) -> None:
    with pytest.raises(UnsupportedTypeError, match="Cannot load"):
        round_trip(store, "text", annotation)


def test_an_annotation_that_does_not_fit_the_file_is_an_error_that_says_what_does(store: Store) -> None:
    with pytest.raises(WrongFileTypeError, match=r"is 'txt' and cannot be read as polars.DataFrame") as caught:
        round_trip(store, "text", pl.DataFrame | None)
    assert caught.value.readable == ["parquet"]
    assert {"str", "bytes", "pathlib.Path", "typing.BinaryIO", "artifact_pipelines.Artifact"} <= {
        *caught.value.annotations
    }
    assert not {"dict", "polars.LazyFrame"} & {*caught.value.annotations}


def test_a_union_is_read_as_what_fits_the_file(store: Store) -> None:
    assert round_trip(store, "text", pl.DataFrame | str) == "text"
    assert isinstance(round_trip(store, FRAME, str | pl.LazyFrame | pl.DataFrame), pl.LazyFrame)
    assert round_trip(store, None, pl.DataFrame | None) is None
    assert round_trip(store, "text", Annotated[Optional[str], "a note"]) == "text"  # noqa: UP045


@pytest.mark.parametrize(("kind", "compression"), [(str, "gzip"), (pl.DataFrame, "zstd")])
def test_a_compressed_file_is_not_taken_for_what_is_in_it(store: Store, kind: Any, compression: str) -> None:
    file_type = "csv" if kind is str else "parquet"
    file = store.info(store.create_artifact(io.BytesIO(b"packed"), file_type, compression_type=compression))
    packed = Artifact(file, lambda: "", lambda verify: store.open(file.file_id, verify))
    with pytest.raises(WrongFileTypeError, match=rf"is '{file_type}\.{compression}'"):
        TypeHandlers().read(packed, kind)
    assert TypeHandlers().read(packed) == b"packed"


def test_text_of_another_encoding_is_an_error_that_says_where(store: Store) -> None:
    file = store.info(store.create_artifact(io.BytesIO("naïve".encode("latin-1")), "csv"))
    artifact = Artifact(file, lambda: "", lambda verify: store.open(file.file_id, verify))
    with pytest.raises(ContentMismatchError, match=r"not UTF-8 .* at byte 2.*Annotate bytes"):
        TypeHandlers().read(artifact, str)


def test_an_artifact_itself_is_nothing_to_store(store: Store) -> None:
    with pytest.raises(UnsupportedTypeError):
        TypeHandlers().for_value(stored(store, "text"))


def test_a_subclass_is_written_as_its_base() -> None:
    class Text(str):
        pass

    assert written(Text("x"))[0].file_type == "txt"
    assert "builtins.str" in type_names(Text)


def test_facts_are_told_of_what_is_stored(store: Store) -> None:
    def facts(value: Any) -> Any:
        return TypeHandlers().for_value(value).facts(stored(store, value))

    assert facts(FRAME)["row_count"] == 3
    assert [column.name for column in facts(FRAME)["columns"]] == FRAME.columns
    assert facts(FRAME)["preview"][0]["text"] == "a"
    assert facts("x" * 10_000)["preview"] == "x" * 500
    assert facts({"a": 1}) == {"preview": {"a": 1}}
    assert facts({"a": "x" * 100_000}) == {}
    assert facts(b"data") == {}


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (1_234_567, "1.2 MB")],
)
def test_an_artifact_shows_what_it_is_and_no_place_or_secret(
    size_bytes: int, said: str, ours: ArtifactIOManager, own_producer: ArtifactProducer
) -> None:
    file_id = own_producer.create_artifact(io.BytesIO(b"x"), "csv", compression_type="gzip")
    file = dataclasses.replace(own_producer._catalog.get_file(file_id), size_bytes=size_bytes)
    shown = f"Artifact(file {file_id}, csv.gzip, {said}, blake3 {file.content_hash[:12]}...)"
    assert repr(ours.artifact(file)) == str(ours.artifact(file)) == shown
