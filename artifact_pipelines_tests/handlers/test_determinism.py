"""Equal tables become equal bytes and have one logical hash, whatever the threads, processes and chunks."""

import io
import itertools
import os
import pathlib
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from artifact_pipelines.storage.staging import hash_stream
from artifact_pipelines.tabular import parquet
from artifact_pipelines_tests.handlers.writing import write_value
from artifact_pipelines_tests.tabular.test_logical_hash import GOLDEN, hash_of

GROUP_ROWS = 6_144
ROWS = 9_500  # two thirds of them, which some queries keep, are more than a row group
FRAME = (
    pl.DataFrame({"id": range(ROWS)})
    .with_columns(
        share=pl.col("id").cast(pl.Float64).sin(),
        text=pl.when(pl.col("id") % 11 != 0).then(pl.format("row {}", pl.col("id") % 977)),
        moment=(pl.col("id") * 1_000_000).cast(pl.Datetime("us", "UTC")),
        kind=pl.format("kind {}", pl.col("id") // 5_000).cast(pl.Categorical),
        list=pl.when(pl.col("id") % 5 != 0).then(pl.concat_list("id", pl.col("id") % 7)),
        texts=pl.concat_list(pl.format("{}", "id"), pl.lit("x")),
        record=pl.struct("id", pl.concat_list("id", "id").alias("pair")),
        array=pl.concat_list("id", "id").list.to_array(2),
    )
    .with_columns(
        lists=pl.concat_list(pl.concat_list("list"), pl.concat_list("list")),
        records=pl.concat_list(pl.when(pl.col("id") % 3 != 0).then(pl.struct("id", "list", "texts"))),
        null_record=pl.when(pl.col("id") % 3 != 0).then(pl.struct("id", "list", "texts", "array")),
        null_array=pl.when(pl.col("id") % 3 != 0).then("array"),
    )
)


@pytest.fixture(autouse=True)
def small_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", GROUP_ROWS)


def written(value: Any) -> tuple[str, str | None]:
    sink = io.BytesIO()
    logical_hash = write_value(value, sink)
    return hash_stream(io.BytesIO(sink.getvalue())).content_hash, logical_hash


def in_pieces(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    cuts = sorted(random.Random(seed).sample(range(1, frame.height), 20))
    return pl.concat([frame[start:end] for start, end in itertools.pairwise([0, *cuts, frame.height])], rechunk=False)


def values(folder: pathlib.Path, seed: int) -> dict[str, Any]:
    """Return the same tables in layouts chosen by the seed."""
    path = folder / "source.parquet"
    if not path.exists():
        FRAME.drop("kind").write_parquet(path, row_group_size=1_000)
    pieces, plain = in_pieces(FRAME, seed), FRAME.drop("kind")
    table = pieces.to_arrow()
    connection = duckdb.connect(config={"threads": 1 + seed % 2})
    scanned = connection.sql(f"SELECT * FROM '{path}' WHERE id % 3 < 2")
    return {
        "polars.DataFrame": pieces,
        "polars.LazyFrame": pieces.lazy(),
        "polars.LazyFrame of a scan": pl.scan_parquet(path).filter(pl.col("id") % 3 < 2),
        "pyarrow.Table": table,
        "pyarrow.RecordBatchReader": pa.RecordBatchReader.from_batches(table.schema, table.to_batches(200 + seed)),
        "pyarrow.Dataset": pyarrow.dataset.dataset(path),
        "duckdb.DuckDBPyRelation": connection.from_arrow(plain.to_arrow()),
        "duckdb.DuckDBPyRelation of a scan": scanned,
    }


_WRITE = """
import pathlib, sys
import polars as pl
seed = int(sys.argv[2])
pl.Series([f"kind {n}" for n in range(3, -1, -1)][seed % 4:], dtype=pl.Categorical)  # sets another order of categories
from artifact_pipelines.tabular import parquet
from artifact_pipelines_tests.handlers.test_determinism import GROUP_ROWS, values, written
parquet.ROW_GROUP_ROWS = GROUP_ROWS
for name, value in values(pathlib.Path(sys.argv[1]), seed).items():
    print(name, *written(value), sep="|")
"""


@pytest.mark.parametrize(("threads", "seed"), [("1", 2), pytest.param("2", 3, marks=pytest.mark.long)])
def test_bytes_do_not_depend_on_threads_processes_or_chunks(tmp_path: pathlib.Path, threads: str, seed: int) -> None:
    here = {name: written(value) for name, value in values(tmp_path, 1).items()}
    environment = {**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": threads, "TZ": "Asia/Tokyo"}
    environment["POLARS_IDEAL_MORSEL_SIZE"] = "3000"
    command = [sys.executable, "-c", _WRITE, str(tmp_path), str(seed)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    there = dict(line.split("|", 1) for line in printed.splitlines() if "|" in line)  # a library may print other lines
    assert there == {name: "|".join(map(str, hashes)) for name, hashes in here.items()}


def test_lazy_frame_is_written_like_the_same_frame() -> None:
    assert written(FRAME) == written(FRAME.lazy()) == written(in_pieces(FRAME, 5).lazy())


def test_memory_around_a_table_and_under_nulls_does_not_change_the_bytes() -> None:
    sink = io.BytesIO()
    write_value(FRAME, sink)
    around = pl.concat([FRAME.head(1), FRAME], rechunk=True).slice(1)
    assert written(pl.read_parquet(sink.getvalue())) == written(around) == written(FRAME)
    table = FRAME.to_arrow()
    sliced = pa.concat_tables([table.slice(0, 1), table]).combine_chunks().slice(1)
    assert written(sliced) == written(in_pieces(FRAME, 1).to_arrow()) == written(table)


def test_all_libraries_give_a_table_one_logical_hash() -> None:
    plain = FRAME.drop("kind")
    with duckdb.connect(config={"threads": 2}) as connection:
        tables = [plain, plain.lazy(), plain.to_arrow(), plain.to_arrow().to_reader(1_000)]
        assert len({written(table)[1] for table in [*tables, connection.from_arrow(plain.to_arrow())]}) == 1


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_of_a_relation_stay_in_order(tmp_path: pathlib.Path, threads: int) -> None:
    FRAME.select("id").write_parquet(tmp_path / "x.parquet", row_group_size=400)
    with duckdb.connect(config={"threads": threads}) as connection:
        sink = io.BytesIO()
        relation = connection.sql(f"SELECT id FROM '{tmp_path / 'x.parquet'}' WHERE id % 3 < 2")
        write_value(relation, sink)
    assert pl.read_parquet(sink.getvalue())["id"].is_sorted()


def test_order_of_a_dictionary_does_not_change_the_bytes() -> None:
    def table(order: str) -> pa.Table:
        codes = pa.array([order.index(letter) for letter in "xyzy"], pa.int8())
        column = pa.DictionaryArray.from_arrays(codes, list(order))
        nested = pa.ListArray.from_arrays([0, 1, 2, 3, 4], column)
        return pa.table({"text": column, "list": nested})

    assert written(table("xyz")) == written(table("zyxw"))


def test_time_zone_of_a_duckdb_connection_does_not_change_the_bytes() -> None:
    made = set()
    for zone in ("UTC", "America/New_York"):
        with duckdb.connect() as connection:
            connection.sql(f"SET TimeZone = '{zone}'")
            made.add(written(connection.sql("SELECT to_timestamp(1) AS moment, [to_timestamp(2)] AS list")))
    assert len(made) == 1


_ENUM = pl.Series(["a", None, "b"], dtype=pl.Enum(["b", "a"]))
STORED: dict[str, Callable[[], Any]] = {
    "pyarrow.Table": lambda: GOLDEN.drop_columns(["wide"]),
    "pyarrow.RecordBatchReader": lambda: GOLDEN.drop_columns(["wide"]).to_reader(),
    "polars.DataFrame": lambda: pl.DataFrame(GOLDEN.drop_columns(["wide"])).with_columns(enum=_ENUM),
    "polars.LazyFrame": lambda: pl.LazyFrame(GOLDEN.drop_columns(["wide"])).with_columns(enum=_ENUM),
    "duckdb.DuckDBPyRelation": lambda: duckdb.connect().sql(
        "SELECT 1::HUGEINT a, uuid() b, '{}'::JSON c, MAP{'a': 1} d, TIMESTAMP_S '2020-01-01' e, "
        "'a'::ENUM('b', 'a') f, TIMESTAMPTZ '2020-01-01 00:00:00+00' g, [1, 2]::INT[2] h, "
        "NULL i, {'a': [NULL, 1.5]} j, TIME '01:02:03' k"
    ),
}


@pytest.mark.parametrize("name", STORED)
def test_logical_hash_of_a_written_table_is_that_of_the_table_read_back(name: str) -> None:
    value, sink = STORED[name](), io.BytesIO()
    logical_hash = write_value(value, sink)
    assert logical_hash == hash_of(pq.read_table(sink))
