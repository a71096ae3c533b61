"""Files that were joined by `cat`, or cut off, are refused, although readers take a part of them for the whole."""

import io
import pathlib
import zipfile
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet
import pytest

from artifact_pipelines.datasets.exceptions import UnparsableSourceError
from artifact_pipelines_tests.datasets.reading import read


def parquet(values: list[object]) -> bytes:
    data = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"x": values}), data, use_dictionary=False, compression="none")
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
    [("parquet", parquet), ("arrow", arrow_file), ("arrows", arrow_stream), ("zip", zipped)],
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
