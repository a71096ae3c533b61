"""The contract of `ITypeHandler`: values come back, and equal values are equal bytes, wherever they are written."""

import io
import os
import pathlib
import subprocess
import sys
from typing import Annotated, Any

import duckdb
import polars as pl
import polars.testing
import pyarrow as pa
import pyarrow.dataset
import pytest

from artifact_pipelines.handlers.exceptions import ContentMismatchError, UnstorableValueError
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.staging import hash_stream
from artifact_pipelines_tests.handlers.sample_values import FRAME, VALUES, relation
from artifact_pipelines_tests.handlers.writing import keep, round_trip, stored, written


@pytest.mark.parametrize("name", VALUES)
def test_equal_values_are_equal_bytes(name: str) -> None:
    assert written(VALUES[name]()) == written(VALUES[name]())


_WRITE = """
import io
from artifact_pipelines_tests.handlers.sample_values import VALUES
from artifact_pipelines_tests.handlers.writing import written
from artifact_pipelines.storage.staging import hash_stream
for name in VALUES:
    print(name, hash_stream(io.BytesIO(written(VALUES[name]())[1])).content_hash)
"""


@pytest.mark.parametrize("threads", ["1", pytest.param("2", marks=pytest.mark.long)])
def test_equal_values_are_equal_bytes_in_another_process_with_other_threads(threads: str) -> None:
    environment = {**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": threads}
    command = [sys.executable, "-c", _WRITE]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    here = {name: hash_stream(io.BytesIO(written(VALUES[name]())[1])).content_hash for name in VALUES}
    assert dict(line.rsplit(maxsplit=1) for line in printed.splitlines()) == here


@pytest.mark.parametrize(
    "name", [name for name in VALUES if name.startswith(("polars.", "pyarrow")) and "Series" not in name]
)
def test_every_kind_of_table_comes_back_as_a_frame(folder: pathlib.Path, name: str) -> None:
    artifact = stored(folder, VALUES[name]())
    for annotation in (pl.DataFrame, None, Any, Annotated[pl.DataFrame, 1], pl.DataFrame | None, "polars.DataFrame"):
        polars.testing.assert_frame_equal(TypeHandlers().read(artifact, annotation), FRAME)


def test_table_comes_back_as_every_kind_of_table(folder: pathlib.Path) -> None:
    assert isinstance(round_trip(folder, FRAME, pl.LazyFrame), pl.LazyFrame)
    assert round_trip(folder, FRAME, pa.Table).num_rows == 3
    assert round_trip(folder, FRAME, pa.RecordBatch).num_rows == 3
    assert round_trip(folder, FRAME, pa.RecordBatchReader).read_all().num_rows == 3
    assert round_trip(folder, FRAME, pyarrow.dataset.Dataset).count_rows() == 3
    assert len(round_trip(folder, FRAME, duckdb.DuckDBPyRelation).fetchall()) == 3


def test_folder_names_do_not_become_columns(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "env=prod" / "text=x"
    folder.mkdir(parents=True)
    for kind in (pl.DataFrame, pl.LazyFrame):
        polars.testing.assert_frame_equal(round_trip(folder, FRAME, kind).lazy().collect(), FRAME)
    for kind in (pa.Table, pa.RecordBatchReader, pyarrow.dataset.Dataset):
        assert round_trip(folder, FRAME, kind).schema.names == FRAME.columns
    assert round_trip(folder, FRAME, duckdb.DuckDBPyRelation).columns == FRAME.columns


def test_relation_comes_back(folder: pathlib.Path) -> None:
    assert round_trip(folder, relation(), pl.DataFrame).height == 1000


def test_bytes_and_texts_come_back(folder: pathlib.Path) -> None:
    assert round_trip(folder, b"\0\xff", bytes) == b"\0\xff"
    assert round_trip(folder, b"\0\xff", None) == b"\0\xff"
    assert round_trip(folder, "ü", str) == "ü"
    assert round_trip(folder, "ü", None) == "ü"
    assert round_trip(folder, "ü", bytes) == "ü".encode()
    assert round_trip(folder, "ü", bytearray) == bytearray("ü".encode())
    assert round_trip(folder, "ü", memoryview) == memoryview("ü".encode())


def test_memoryview_of_any_layout_is_stored_as_its_bytes() -> None:
    numbers = memoryview(bytes(range(8)))
    assert written(numbers.cast("I"))[1] == bytes(range(8))
    assert written(numbers[::2])[1] == bytes(range(0, 8, 2))
    assert written(memoryview(b""))[1] == b""


def test_every_file_can_be_read_as_a_path_or_an_artifact(folder: pathlib.Path) -> None:
    assert round_trip(folder, "text", pathlib.Path).read_text() == "text"
    artifact = round_trip(folder, "text", Artifact)
    assert artifact.info.file_type == "txt"
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
def test_file_type_of_a_path_is_its_extension(name: str, file_type: str, compression_type: str | None) -> None:
    path = pathlib.Path(name)
    description = TypeHandlers().find_writer(path)[0].describe(path)
    assert (description.file_type, description.compression_type) == (file_type, compression_type)


def test_file_of_a_path_is_stored_unchanged(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n")
    assert written(path)[1] == b"a,b\n"


def test_text_that_utf_8_cannot_encode_is_refused_without_showing_it() -> None:
    with pytest.raises(UnstorableValueError, match="UTF-8: the value, of type str, .* 7 ") as caught:
        written("hunter2\ud800")
    assert "hunter2" not in str(caught.value)


def test_text_in_another_encoding_is_refused_with_its_position(folder: pathlib.Path) -> None:
    with pytest.raises(ContentMismatchError, match=r"not UTF-8 .* at byte 2.*Annotate bytes"):
        TypeHandlers().read(keep(folder, "naïve".encode("latin-1"), "csv"), str)


def test_facts_describe_the_stored_file(folder: pathlib.Path) -> None:
    def facts(value: Any) -> Any:
        return TypeHandlers().find_writer(value)[0].facts(stored(folder, value))

    assert facts(FRAME)["row_count"] == 3
    assert [column.name for column in facts(FRAME)["columns"]] == FRAME.columns
    assert facts(FRAME)["preview"][0]["text"] == "a"
    assert facts("x" * 10_000)["preview"] == "x" * 500
    assert facts({"a": 1}) == {"preview": {"a": 1}}
    assert facts({"a": "x" * 100_000}) == {}
    assert facts(b"data") == {}


def test_bytes_read_as_a_stream_are_all_of_them(folder: pathlib.Path) -> None:
    with round_trip(folder, io.BytesIO(b"data"), io.BufferedIOBase) as stream:
        assert stream.read() == b"data"
