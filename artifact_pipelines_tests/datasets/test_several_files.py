"""Files that were joined by `cat`, or cut off, are refused, although readers take a part of them for the whole."""

import io
import pathlib
import zipfile
from collections.abc import Callable

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifact_pipelines.datasets.exceptions import UnparsableSourceError
from artifact_pipelines_tests.datasets.reading import read


def parquet(values: list[object]) -> bytes:
    data = io.BytesIO()
    pq.write_table(pa.table({"x": values}), data, use_dictionary=False, compression="none")
    return data.getvalue()


def indexed(values: list[object]) -> bytes:
    data = io.BytesIO()
    table = pa.table({"x": values})
    pq.write_table(table, data, use_dictionary=False, compression="none", write_page_index=True)
    return data.getvalue()


def by_polars(values: list[object]) -> bytes:
    data = io.BytesIO()
    pl.DataFrame({"x": values}).write_parquet(data, row_group_size=1)
    return data.getvalue()


def arrow_file(values: list[object]) -> bytes:
    data = io.BytesIO()
    with pa.ipc.new_file(data, pa.table({"x": values}).schema) as writer:
        writer.write_table(pa.table({"x": values}))
    return data.getvalue()


def arrow_stream(values: list[object]) -> bytes:
    data = io.BytesIO()
    with pa.ipc.new_stream(data, pa.table({"x": values}).schema) as writer:
        writer.write_table(pa.table({"x": values}), max_chunksize=1)
    return data.getvalue()


def zipped(values: list[object]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(f"{values[0]}.csv", "x\n" + "".join(f"{value}\n" for value in values))
    return data.getvalue()


@pytest.mark.parametrize(
    ("file_type", "write"),
    [
        ("parquet", parquet),
        ("parquet", indexed),
        ("parquet", by_polars),
        ("arrow", arrow_file),
        ("arrows", arrow_stream),
        ("zip", zipped),
    ],
)
def test_files_that_were_joined_are_refused(
    tmp_path: pathlib.Path, file_type: str, write: Callable[[list[object]], bytes]
) -> None:
    assert read(tmp_path, write([1, 2]), file_type)["x"].to_pylist() == [1, 2]
    with pytest.raises(UnparsableSourceError, match="several|such as a second stream"):
        read(tmp_path, write([1, 2]) + write([3, 4]), file_type)


@pytest.mark.parametrize("write", [parquet, arrow_file])
def test_value_that_holds_the_marks_of_two_files_is_a_value(
    tmp_path: pathlib.Path, write: Callable[[list[object]], bytes]
) -> None:
    values: list[object] = ["PAR1PAR1", "ARROW1ARROW1"]
    assert read(tmp_path, write(values), write.__name__.removesuffix("_file"))["x"].to_pylist() == values


@pytest.mark.parametrize("write", [parquet, indexed, by_polars, arrow_file])
@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n\0\0", b"--- b.parquet ---\n"])
@pytest.mark.parametrize("second", [["c"], [], ["a longer value, which makes the second file the larger one" * 20]])
def test_seam_is_found_behind_values_that_look_like_one(
    tmp_path: pathlib.Path, write: Callable[[list[object]], bytes], between: bytes, second: list[object]
) -> None:
    data = write(["PAR1PAR1", "ARROW1ARROW1"]) + between + write(second)
    with pytest.raises(UnparsableSourceError, match="several files"):
        read(tmp_path, data, "arrow" if write is arrow_file else "parquet")


@pytest.mark.parametrize("write", [parquet, indexed])
@pytest.mark.parametrize("inner", [parquet, indexed, by_polars])
def test_value_that_holds_whole_files_is_a_value(
    tmp_path: pathlib.Path, write: Callable[[list[object]], bytes], inner: Callable[[list[object]], bytes]
) -> None:
    values: list[object] = [inner([b"1"]) + inner([b"3"]), b"x"]
    assert read(tmp_path, write(values), "parquet")["x"].to_pylist() == values


def test_file_behind_one_that_was_cut_off_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UnparsableSourceError, match="several files"):
        read(tmp_path, parquet(["a", "b"])[:-8] + parquet(["c", "d"]), "parquet")


@pytest.mark.parametrize("inner", [["a", "b"], [b"1", b"2"]])
def test_value_that_holds_arrow_files_is_a_value(tmp_path: pathlib.Path, inner: list[object]) -> None:
    values: list[object] = [arrow_file(inner) * 2, arrow_stream(inner) * 2]
    assert read(tmp_path, arrow_file(values), "arrow")["x"].to_pylist() == values
    assert read(tmp_path, arrow_stream(values), "arrows")["x"].to_pylist() == values


def test_list_of_contents_that_lacks_a_batch_is_refused(tmp_path: pathlib.Path) -> None:
    data = io.BytesIO()
    table = pa.table({"x": [1]})
    with pa.ipc.new_file(data, table.schema) as writer:
        for _ in range(2):
            writer.write_table(table)
    count = data.getvalue().rindex(b"\2\0\0\0", 0, -10)
    lacking = data.getvalue()[:count] + b"\1" + data.getvalue()[count + 1 :]
    assert pa.ipc.open_file(lacking).read_all().num_rows == 1
    with pytest.raises(UnparsableSourceError, match="it has more data than its list of contents"):
        read(tmp_path, lacking, "arrow")


def test_list_of_contents_behind_missing_bytes_is_refused(tmp_path: pathlib.Path) -> None:
    whole = arrow_file(["a" * 1000])
    with pytest.raises(UnparsableSourceError, match="damaged"):
        read(tmp_path, whole[:400] + whole[-400:], "arrow")


@pytest.mark.parametrize("options", ["", ", ROW_GROUP_SIZE 2048", ", COMPRESSION zstd, PARQUET_VERSION v2"])
def test_files_of_duckdb_that_were_joined_are_refused(tmp_path: pathlib.Path, options: str) -> None:
    path = tmp_path / "made"
    duckdb.sql(f"COPY (SELECT (range % 7)::VARCHAR x FROM range(5000)) TO '{path}' (FORMAT parquet{options})")
    assert len(read(tmp_path, path.read_bytes(), "parquet")) == 5000
    with pytest.raises(UnparsableSourceError, match="several files"):
        read(tmp_path, path.read_bytes() * 2, "parquet")


def test_stream_that_is_cut_off_between_two_batches_is_refused(tmp_path: pathlib.Path) -> None:
    data = io.BytesIO()
    with pa.ipc.new_stream(data, pa.table({"x": [1]}).schema) as writer:
        writer.write_table(pa.table({"x": [1]}))
        cut = data.getvalue()
    assert pa.ipc.open_stream(cut).read_all()["x"].to_pylist() == [1]
    with pytest.raises(UnparsableSourceError, match="the mark of its end is missing"):
        read(tmp_path, cut, "arrows")


def test_link_in_an_archive_is_refused(tmp_path: pathlib.Path) -> None:
    data, link = io.BytesIO(), zipfile.ZipInfo("x.csv")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(link, "other.csv")
    with pytest.raises(UnparsableSourceError, match="'x.csv' is a link"):
        read(tmp_path, data.getvalue(), "zip")


def test_damaged_offsets_are_found_before_they_are_used(tmp_path: pathlib.Path) -> None:
    offsets = b"\0\0\0\0\2\0\0\0\4\0\0\0"
    data = arrow_file(["aa", "bb"])
    assert data.count(offsets) == 1
    with pytest.raises(UnparsableSourceError, match="its data are damaged"):
        read(tmp_path, data.replace(offsets, offsets[:-4] + b"\xff\x7f\0\0"), "arrow")
