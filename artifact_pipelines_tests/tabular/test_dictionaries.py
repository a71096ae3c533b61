"""Categories and dictionaries at any depth come back, and their encoding does not change bytes or hash."""

import io
from collections.abc import Callable
from typing import Any

import polars as pl
import polars.testing
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifact_pipelines.storage.hashing import OneThreadHasher
from artifact_pipelines.tabular import parquet
from artifact_pipelines.tabular.parquet import write_batches, write_frame
from artifact_pipelines.tabular.unordered_hash import unordered_hash
from artifact_pipelines_tests.tabular.test_logical_hash import hash_of

ROWS = 3_000
ENUM, CATEGORICAL = pl.Enum(["z", "y", "x"]), pl.Categorical()
TEXTS = [["x", None, "y"][row % 3] for row in range(ROWS)]


def column(kind: Any, value: Any) -> pl.Series:
    return pl.Series("x", [None if row % 5 == 0 else value(row) for row in range(ROWS)], dtype=kind)


FRAMES: dict[str, Callable[[], pl.Series]] = {
    "list of enums": lambda: column(pl.List(ENUM), lambda row: [TEXTS[row], "z"]),
    "list of categories": lambda: column(pl.List(CATEGORICAL), lambda row: TEXTS[row : row + row % 4]),
    "array": lambda: column(pl.Array(ENUM, 1), lambda row: [TEXTS[row]]),
    "struct": lambda: column(
        pl.Struct({"k": ENUM, "c": CATEGORICAL}), lambda row: {"k": TEXTS[row], "c": str(row % 7)}
    ),
    "list of structs": lambda: column(
        pl.List(pl.Struct({"k": CATEGORICAL})), lambda row: [{"k": TEXTS[row]}] * (row % 4)
    ),
    "map": lambda: column(pl.Map(pl.String, CATEGORICAL), lambda row: {"k": TEXTS[row]}),
    "map from categories": lambda: column(pl.Map(ENUM, pl.Int8), lambda row: {"z": row % 7}),
}


def written(frame: pl.DataFrame | pl.LazyFrame) -> tuple[bytes, str | None]:
    sink = io.BytesIO()
    logical_hash = write_frame(frame, sink, OneThreadHasher)
    return sink.getvalue(), logical_hash


@pytest.mark.parametrize("group_bytes", [64 << 20, 1_000])
@pytest.mark.parametrize("name", FRAMES)
def test_nested_categories_come_back(name: str, group_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = FRAMES[name]().to_frame()
    once = hash_of(frame.to_arrow())
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", group_bytes)
    data, logical_hash = written(frame)
    assert logical_hash == once
    assert (pq.ParquetFile(io.BytesIO(data)).num_row_groups > 1) == (group_bytes < 64 << 20)
    polars.testing.assert_frame_equal(pl.read_parquet(data), frame)
    assert pl.scan_parquet(data).collect_schema() == frame.schema
    pieces = pl.concat([frame[:7], frame[7:1_000], frame[1_000:]], rechunk=False)
    for same in (frame.lazy(), pieces, pieces.lazy(), pl.scan_parquet(data)):
        assert written(same) == (data, logical_hash)


def test_categories_of_a_group_by_are_stored() -> None:
    rows = pl.DataFrame({"k": [1, 1], "cat": ["a", "b"]}, schema={"k": pl.Int64, "cat": pl.Categorical})
    grouped = rows.group_by("k").agg("cat")
    polars.testing.assert_frame_equal(pl.read_parquet(written(grouped)[0]), grouped)


def _dictionary(values: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0, None, 1, 0], pa.int8()), values)


def _arrays(values: pa.Array) -> dict[str, pa.Array]:
    rows = _dictionary(values)
    hidden = pa.array([True, False, False, False])
    return {
        "plain": rows,
        "lists": pa.ListArray.from_arrays([0, 1, 3, 3, 4], rows, mask=hidden),
        "arrays": pa.FixedSizeListArray.from_arrays(pa.concat_arrays([rows, rows]), 2),
        "structs": pa.StructArray.from_arrays([rows], ["k"], mask=hidden),
        "maps": pa.MapArray.from_arrays([0, 1, 2, 3, 4], pa.array(["p", "q", "r", "s"]), rows),
    }


@pytest.mark.parametrize(("view", "plain"), [(pa.string_view(), pa.string()), (pa.binary_view(), pa.binary())])
@pytest.mark.parametrize("name", _arrays(pa.array(["x", "y"])))
def test_dictionaries_of_views_equal_those_of_texts(name: str, view: pa.DataType, plain: pa.DataType) -> None:
    table = pa.table({"x": _arrays(pa.array([b"x", b"y"], pa.binary()).cast(view))[name]})
    same = pa.table({"x": _arrays(pa.array([b"x", b"y"], pa.binary()).cast(plain))[name]})
    found = set()
    for batches in (table.to_batches(), table.to_batches(1), table.to_batches(3)):
        sink = io.BytesIO()
        assert write_batches(table.schema, batches, sink, OneThreadHasher) == hash_of(same)
        found.add(sink.getvalue())
    [data] = found
    assert pq.read_table(io.BytesIO(data)).to_pylist() == same.to_pylist()
    assert len(unordered_hash(io.BytesIO(data), OneThreadHasher)) == len(hash_of(same))
