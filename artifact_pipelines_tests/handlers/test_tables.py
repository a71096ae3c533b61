"""Tables: only requested columns are read, and unstorable columns are refused before a byte is written."""

import contextlib
import functools
import io
import pathlib
import re
from collections.abc import Callable
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest

from artifact_pipelines.core.exceptions import ArtifactError, InvalidArgumentError
from artifact_pipelines.handlers.exceptions import ContentMismatchError, UnknownColumnError
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.handlers.table_handlers import ArrowHandler, readable_as
from artifact_pipelines.tabular.exceptions import (
    ColumnValueError,
    DuckDBNamesError,
    DuplicateColumnsError,
    UnsupportedColumnError,
)
from artifact_pipelines_tests.handlers.writing import keep, round_trip, stored, write_value, written

ODD = pl.DataFrame(
    {"a.b": [1], "a": [{"b": 2}], "q\"u'o;te": [3], "ünï 🙂\n": [5], "x" * 5000: [6], "*": [7], "^a.*$": [8], "A": [9]}
)
TABLES: list[tuple[Any, Callable[[Any], dict[str, list[Any]]]]] = [
    (pl.DataFrame, lambda frame: frame.to_dict(as_series=False)),
    (pl.LazyFrame, lambda frame: frame.collect().to_dict(as_series=False)),
    (pa.Table, lambda table: table.to_pydict()),
    (pa.RecordBatch, lambda batch: batch.to_pydict()),
    (pa.RecordBatchReader, lambda reader: reader.read_all().to_pydict()),
    (pyarrow.dataset.Dataset, lambda dataset: dataset.to_table().to_pydict()),
    (duckdb.DuckDBPyRelation, lambda relation: relation.to_arrow_table().to_pydict()),
]


@pytest.mark.parametrize(("kind", "columns_of"), TABLES)
def test_only_requested_columns_are_read_in_requested_order(folder: pathlib.Path, kind: Any, columns_of: Any) -> None:
    artifact = stored(folder, ODD)
    for name in ODD.columns:
        second = "*" if name == "A" else "a"  # DuckDB ignores case
        found = columns_of(TypeHandlers().read(artifact, kind, [name, second, name]))
        wanted = dict.fromkeys([name, second])
        assert [*found.items()] == [(column, ODD[column].to_list()) for column in wanted]


@pytest.mark.parametrize(
    ("columns", "requested"),
    [(ODD.columns, None), (ODD.columns, ["a", "*", "A"]), (["x", ""], None), (["x", ""], [""])],
)
def test_columns_that_duckdb_would_rename_are_refused_by_duckdb_only(
    folder: pathlib.Path, columns: list[str], requested: list[str] | None
) -> None:
    artifact = stored(folder, pl.DataFrame({name: [number] for number, name in enumerate(columns)}))
    with pytest.raises(DuckDBNamesError, match="ignores the case of names .* be read with polars"):
        TypeHandlers().read(artifact, duckdb.DuckDBPyRelation, requested)
    for kind, columns_of in TABLES[:-1]:
        assert list(columns_of(TypeHandlers().read(artifact, kind))) == columns
    assert TypeHandlers().read(artifact, duckdb.DuckDBPyRelation, [columns[0]]).columns == [columns[0]]


def test_zero_columns_may_be_requested_except_from_duckdb(folder: pathlib.Path) -> None:
    artifact = stored(folder, ODD)
    for kind, columns_of in TABLES[:-1]:
        assert columns_of(TypeHandlers().read(artifact, kind, [])) == {}
    assert TypeHandlers().read(artifact, pa.Table, []).num_rows == ODD.height
    with pytest.raises(InvalidArgumentError, match="columns must be at least one.* DuckDB"):
        TypeHandlers().read(artifact, duckdb.DuckDBPyRelation, [])


@pytest.mark.parametrize("kind", [kind for kind, _ in TABLES])
def test_unknown_column_is_refused_with_a_list_of_columns(folder: pathlib.Path, kind: Any) -> None:
    artifact = stored(folder, pl.DataFrame({"carrier": ["UA"], "delay": [1]}))
    with pytest.raises(UnknownColumnError, match="no column 'dely'. It has: 'carrier', 'delay'"):
        TypeHandlers().read(artifact, kind, ["carrier", "dely"])


def test_list_of_very_many_columns_is_cut(folder: pathlib.Path) -> None:
    artifact = stored(folder, pl.DataFrame({f"c{number}": [1] for number in range(5000)}))
    with pytest.raises(UnknownColumnError, match="'c49' and 4,950 more"):
        TypeHandlers().read(artifact, pl.DataFrame, ["x"])


@pytest.mark.parametrize("columns", ["delay", [1], {"delay"}, 5])
def test_columns_must_be_a_list_of_names(folder: pathlib.Path, columns: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="a list of column names"):
        TypeHandlers().read(stored(folder, ODD), pl.DataFrame, columns)


def _frame(kind: Any) -> pl.DataFrame:
    return pl.DataFrame({"fine": [1], "odd": [None]}, schema={"fine": pl.Int64, "odd": kind})


def _table(kind: pa.DataType) -> pa.Table:
    return pa.table({"fine": pa.array([1]), "odd": pa.nulls(1, kind)})


def _lists_of_objects() -> pl.LazyFrame:
    made = pl.col("x").map_elements(lambda number: [object()], return_dtype=pl.List(pl.Object))
    return pl.LazyFrame({"x": [1]}).select(made.alias("odd"))


_UNION = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1]), pa.array(["a"])])

UNSUPPORTED: dict[str, Callable[[], Any]] = {
    "object": lambda: pl.DataFrame({"fine": [1], "odd": [object()]}, schema={"fine": pl.Int64, "odd": pl.Object}),
    "lazy object": lambda: _frame(pl.Object).lazy(),
    "list of objects": lambda: _lists_of_objects(),  # collecting it would abort the process
    "struct of arrays of int128": lambda: (
        _frame(pl.Int8).lazy().cast({"odd": pl.Struct({"x": pl.Array(pl.Int128, 1)})})
    ),
    "int128": lambda: _frame(pl.Int128),
    "uint128": lambda: _frame(pl.UInt128),
    "empty struct": lambda: _frame(pl.Struct({})),
    "list of empty structs": lambda: _frame(pl.List(pl.Struct({}))),
    "array of width 0": lambda: _frame(pl.Array(pl.Int8, 0)),
    "union": lambda: pa.table({"fine": [1], "odd": _UNION}),
    "struct of a union": lambda: pa.table({"odd": pa.StructArray.from_arrays([_UNION], ["x"])}),
    "interval": lambda: _table(pa.month_day_nano_interval()),
    "list of intervals": lambda: _table(pa.list_(pa.month_day_nano_interval())),
    "map to intervals": lambda: _table(pa.map_(pa.string(), pa.month_day_nano_interval())),
    "run-end encoded": lambda: _table(pa.run_end_encoded(pa.int32(), pa.int64())),
    "list view": lambda: _table(pa.list_view(pa.int64())),
    "large list view": lambda: _table(pa.large_list_view(pa.int64())),
    "decimal256": lambda: _table(pa.decimal256(70, 2)),
    "dictionary of lists": lambda: _table(pa.dictionary(pa.int8(), pa.list_(pa.int8()))),
    "arrow's empty struct": lambda: _table(pa.struct([])),
    "map in polars": lambda: _frame(pl.Map(pl.String, pl.Int128)),
    "map in polars with keys of structs": lambda: _frame(pl.Map(pl.Struct({"k": pl.Int8}), pl.Int8)),
    "field in polars with NUL": lambda: _frame(pl.List(pl.Struct({"a\0b": pl.Int8}))),
    "field with NUL": lambda: _table(pa.struct([("a\0b", pa.int8())])),
    "fields of one name": lambda: _table(pa.struct([("a", pa.int8()), ("a", pa.int8())])),
    "decimal of a negative scale": lambda: _table(pa.decimal128(5, -2)),
    "decimal of a small precision": lambda: _table(pa.list_(pa.decimal32(5, 7))),
    "binary of width 0": lambda: _table(pa.binary(0)),
    "list of width 0": lambda: _table(pa.list_(pa.int8(), 0)),
    "unknown time zone": lambda: _table(pa.timestamp("us", "Mars/Base")),
    "time zone that is no hour": lambda: _table(pa.dictionary(pa.int8(), pa.timestamp("us", "+25:00"))),
    "map with keys of structs": lambda: _table(pa.map_(pa.struct([("k", pa.int8())]), pa.int8())),
    "map with keys of lists": lambda: _table(pa.list_(pa.map_(pa.list_(pa.int8()), pa.int8()))),
    "duckdb's interval": lambda: duckdb.connect().sql("SELECT 1 AS fine, INTERVAL 1 DAY AS odd"),
    "duckdb's union": lambda: duckdb.connect().sql("SELECT 1 AS fine, union_value(k := 1) AS odd"),
    "a dataset's interval": lambda: pyarrow.dataset.dataset(_table(pa.month_day_nano_interval())),
    "a reader's interval": lambda: _table(pa.month_day_nano_interval()).to_reader(),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unstorable_column_is_named_before_a_byte_is_written(name: str) -> None:
    value, sink = UNSUPPORTED[name](), io.BytesIO()
    with pytest.raises(UnsupportedColumnError, match="Column 'odd' of type .* Nothing was stored") as caught:
        write_value(value, sink)
    assert sink.getvalue() == b""
    assert caught.value.remedy.endswith(".")


def _relation(value: str) -> duckdb.DuckDBPyRelation:
    return duckdb.connect().sql(f"SELECT 1 AS fine, {value} AS odd")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("'10:00:00+01'::TIMETZ", "TIME WITH TIME ZONE"),
        ("1::UHUGEINT", "UHUGEINT"),
        ("'101'::BIT", "BIT"),
        ("10::BIGNUM", "BIGNUM"),
        ("1::VARIANT", "VARIANT"),
        ("['1'::BIT]", "BIT[]"),
        ("[10::BIGNUM]::BIGNUM[1]", "BIGNUM[1]"),
        ("{'a': MAP {'k': [1::UHUGEINT]}}", "STRUCT(a MAP(VARCHAR, UHUGEINT[]))"),
    ],
)
def test_duckdb_type_that_arrow_would_change_is_refused(value: str, kind: str) -> None:
    relation, sink = _relation(value), io.BytesIO()
    said = (
        f"Column 'odd' of type {re.escape(kind)} cannot be stored as Parquet. Nothing was stored. CAST it to .* VARCHAR"
    )
    with pytest.raises(UnsupportedColumnError, match=said):
        write_value(relation, sink)
    assert sink.getvalue() == b""


class _Full(io.BytesIO):
    def write(self, data: object) -> int:
        raise OSError("No space left on device")


@pytest.mark.parametrize(
    ("query", "sink"),
    [
        ("SELECT range, union_value(k := 1) AS odd FROM range(1_000_000)", io.BytesIO()),
        ("SELECT range, range AS range FROM range(1_000_000)", io.BytesIO()),
        ("SELECT range FROM range(1_000_000)", _Full()),
        ("SELECT error(range::VARCHAR) FROM range(1_000_000)", io.BytesIO()),
    ],
)
def test_failed_relation_leaves_its_connection_free(query: str, sink: io.BytesIO) -> None:
    connection = duckdb.connect()
    relation = connection.sql(query)
    with pytest.raises((ArtifactError, OSError, duckdb.Error)) as caught:  # while it is referenced, so is the reader
        write_value(relation, sink)
    assert connection.sql("SELECT 1").fetchall() == [(1,)], caught


_NINES = "9" * 38


@pytest.mark.parametrize("form", ["{}", "[{}]", "{{'a': {}}}"])
def test_hugeint_of_up_to_38_digits_is_stored(folder: pathlib.Path, form: str) -> None:
    for fine in (_NINES, f"-{_NINES}", "NULL"):
        relation = _relation(form.format(f"{fine}::HUGEINT"))
        assert round_trip(folder, relation, duckdb.DuckDBPyRelation).fetchall() == relation.fetchall()
    for odd in (f"({_NINES}::HUGEINT + 1)", f"(-{_NINES}::HUGEINT - 1)"):
        relation = _relation(form.format(odd))
        with pytest.raises(ColumnValueError, match="Column 'odd' .* Nothing was stored. .* to VARCHAR"):
            write_value(relation, io.BytesIO())


_DAY_US = 86_400_000_000
TIMES = {
    "in microseconds": pa.array([None, 0, _DAY_US], pa.time64("us")),
    "in nanoseconds": pa.array([_DAY_US * 1_000], pa.time64("ns")),
    "in milliseconds": pa.array([86_400_000], pa.time32("ms")),
    "in seconds": pa.array([90_000], pa.time32("s")),
    "before midnight": pa.array([-1], pa.time64("us")),
    "in lists": pa.array([[0, _DAY_US]], pa.list_(pa.time64("us"))),
}


@pytest.mark.parametrize("times", TIMES)
def test_time_outside_of_a_day_is_refused(times: str) -> None:
    table = pa.table({"odd": TIMES[times]})
    with pytest.raises(ColumnValueError, match="Column 'odd' .* within a day.* Nothing was stored. Fix the value"):
        write_value(table, io.BytesIO())


def test_first_and_last_time_of_a_day_are_stored(folder: pathlib.Path) -> None:
    relation = _relation("unnest(['00:00', '23:59:59.999999', NULL]::TIME[])")
    assert round_trip(folder, relation, duckdb.DuckDBPyRelation).fetchall() == relation.fetchall()
    odd = _relation("'24:00:00'::TIME")
    with pytest.raises(ColumnValueError, match="within a day"):
        write_value(odd, io.BytesIO())


FAR_DAYS = (95_000_000, -95_000_000, 2_932_897, -719_163, 0, None)  # the third is in year 10000, the fourth in year 0
FAR = {
    "dates": pa.array(FAR_DAYS, pa.date32()),
    "milliseconds": pa.array([day and day * 86_400_000 for day in FAR_DAYS], pa.timestamp("ms")),
    "microseconds": pa.array([day and day * 86_400_000_000 for day in FAR_DAYS], pa.timestamp("us", "Europe/Berlin")),
    "nanoseconds": pa.array([2**63 - 1, -(2**63) + 1, None], pa.timestamp("ns", "Europe/Berlin")),
    "lists": pa.array([[day] for day in FAR_DAYS], pa.list_(pa.date32())),
}


@pytest.mark.parametrize("name", FAR)
def test_dates_of_any_year_come_back_through_every_reader(folder: pathlib.Path, name: str) -> None:
    artifact, numbers = stored(folder, pa.table({"x": FAR[name]})), FAR[name]
    read = functools.partial(TypeHandlers().read, artifact)
    assert read(pa.Table)["x"].combine_chunks().equals(numbers)
    assert read(pl.DataFrame).to_arrow()["x"].combine_chunks().cast(numbers.type).equals(numbers)
    assert repr(read(pl.DataFrame)) == repr(read(pl.LazyFrame).collect())
    assert read(duckdb.DuckDBPyRelation).to_arrow_table()["x"].null_count == numbers.null_count
    assert "x" in str(read(duckdb.DuckDBPyRelation))
    facts = ArrowHandler().facts(artifact)
    assert (len(facts["preview"]), facts["columns"][0].name) == (len(numbers), "x")
    with contextlib.suppress(ContentMismatchError):  # Python has years 1 to 9999 only
        assert len(read(pd.DataFrame)) == len(numbers)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([2**31 - 1], pa.date32()),
        pa.array([-(2**31) + 1, None], pa.date32()),
        pa.array([2**63 - 1, None, 0], pa.timestamp("us")),
        pa.array([-(2**63) + 1], pa.timestamp("us", "UTC")),
        pa.array([2**60], pa.timestamp("ms")),
        pa.array([[2**31 - 1]], pa.list_(pa.date32())),
        pl.Series([2**31 - 1], dtype=pl.Int32).cast(pl.Date),
        "'infinity'::DATE",
        "'-infinity'::TIMESTAMP",
        "'infinity'::TIMESTAMPTZ",
    ],
)
def test_infinite_date_is_refused(values: Any) -> None:
    table: Any
    if isinstance(values, str):
        table = _relation(values)
    else:
        table = values.to_frame("odd") if isinstance(values, pl.Series) else pa.table({"odd": values})
    with pytest.raises(ColumnValueError, match="Column 'odd' .* years away .* Nothing was stored. Use null"):
        write_value(table, io.BytesIO())


@pytest.mark.parametrize("name", ["x\0y", "__filename", "__fragment_index", "__batch_index", "__last_in_fragment"])
@pytest.mark.parametrize("make", [pl.DataFrame, pl.LazyFrame, pa.table, lambda columns: pa.table(columns).to_reader()])
def test_column_name_that_a_reader_cannot_handle_is_refused(make: Callable[[Any], Any], name: str) -> None:
    value, sink = make({"fine": [1], name: [2]}), io.BytesIO()
    with pytest.raises(UnsupportedColumnError, match="Rename it"):
        write_value(value, sink)
    assert sink.getvalue() == b""


_TWICE = pa.array([[("b", 1)], None, [("a", 1), ("a", 2)]], pa.map_(pa.string(), pa.int64()))
MAPS: dict[str, pa.Array] = {
    "map": _TWICE,
    "list of maps": pa.ListArray.from_arrays([0, 1, 3], _TWICE),
    "struct of a map": pa.StructArray.from_arrays([_TWICE], ["map"]),
    "map of numbers": pa.MapArray.from_arrays([0, 2], pa.array([0.0, -0.0]), pa.array([1, 2])),
}


@pytest.mark.parametrize("name", MAPS)
def test_map_with_duplicate_key_is_refused(name: str) -> None:
    value = pa.table({"fine": range(len(MAPS[name])), "odd": MAPS[name]})
    with pytest.raises(
        ColumnValueError, match="Column 'odd' .* has a duplicate key. Nothing was stored. Keep one of the entries"
    ):
        write_value(value, io.BytesIO())


def test_same_key_in_several_maps_is_stored(folder: pathlib.Path) -> None:
    pairs = [[("a", 1), ("b", 2)], None, [], [("b", 3), ("a", 4)]]
    covered = pa.MapArray.from_arrays(
        [0, 1, 3, 4], ["a", "b", "b", "a"], [1, 2, 3, 4], mask=pa.array([False, True, False])
    )
    for maps in (pa.array(pairs, pa.map_(pa.string(), pa.int64())), covered, covered.slice(1)):
        found = round_trip(folder, pa.table({"x": maps}), duckdb.DuckDBPyRelation).fetchall()
        assert [None if row is None else dict(row) for row in maps.to_pylist()] == [row for (row,) in found]


@pytest.mark.parametrize(
    "kind",
    [
        *(pa.decimal128(38, 2), pa.decimal32(5, 2), pa.duration("ns"), pa.time64("ns"), pa.float16(), pa.null()),
        *(pa.string_view(), pa.binary(3), pa.list_(pa.int8(), 2), pa.map_(pa.string(), pa.list_(pa.int64()))),
        *(pa.dictionary(pa.int8(), pa.string()), pa.struct([("x", pa.list_(pa.date32()))]), pa.timestamp("us", "UTC")),
        *(pa.timestamp("us", "+02:00"), pa.struct([("a", pa.int8()), ("A", pa.int8()), ("", pa.int8())])),
    ],
)
def test_unusual_types_are_stored_and_read_by_all(folder: pathlib.Path, kind: pa.DataType) -> None:
    artifact = stored(folder, _table(kind))
    assert TypeHandlers().find_writer(_table(kind))[0].facts(artifact)["row_count"] == 1
    for reads, columns_of in TABLES:
        assert columns_of(TypeHandlers().read(artifact, reads)).keys() == {"fine", "odd"}


@pytest.mark.parametrize(
    "value",
    [
        lambda: pa.table([[1], [2], [3], [4], [5]], names=["a", "b", "a", "b", "c"]),
        lambda: pa.record_batch([[1], [2], [3], [4]], names=["a", "b", "a", "b"]),
        lambda: duckdb.connect().sql("SELECT 1 AS a, 2 AS b, 3 AS a, 4 AS b"),
    ],
)
def test_columns_of_one_name_are_refused_by_name(value: Callable[[], Any]) -> None:
    with pytest.raises(DuplicateColumnsError, match="called 'a', 'b'. Nothing was stored"):
        write_value(value(), io.BytesIO())


@pytest.mark.parametrize("value", [pl.DataFrame(), pl.LazyFrame(), pa.table({}), pa.RecordBatch.from_pydict({})])
def test_table_without_columns_is_stored_and_read(folder: pathlib.Path, value: Any) -> None:
    artifact = stored(folder, value)
    assert TypeHandlers().find_writer(value)[0].facts(artifact)["columns"] == ()
    for kind, columns_of in TABLES[:-1]:
        assert columns_of(TypeHandlers().read(artifact, kind)) == {}
    with pytest.raises(ContentMismatchError, match="Need at least one"):
        TypeHandlers().read(artifact, duckdb.DuckDBPyRelation)


def _no_columns(rows: int) -> pa.Table:
    return pa.table({"a": range(rows)}).select([])


@pytest.mark.parametrize("rows", [1, 300_000])
@pytest.mark.parametrize(
    "make",
    [
        lambda rows: pl.DataFrame(height=rows),
        lambda rows: pl.LazyFrame({"a": range(rows)}).drop("a"),
        _no_columns,
        lambda rows: _no_columns(rows).to_batches()[0],
        lambda rows: pa.RecordBatchReader.from_batches(pa.schema([]), _no_columns(rows).to_batches(max_chunksize=1000)),
        lambda rows: pyarrow.dataset.dataset(pa.table({"a": range(rows)})).replace_schema(pa.schema([])),
    ],
    ids=["DataFrame", "LazyFrame", "Table", "RecordBatch", "RecordBatchReader", "Dataset"],
)
def test_rows_without_columns_keep_their_number(folder: pathlib.Path, make: Callable[[int], Any], rows: int) -> None:
    artifact = stored(folder, make(rows))
    handlers = TypeHandlers()
    assert handlers.find_writer(pa.table({}))[0].facts(artifact)["row_count"] == rows
    assert handlers.read(artifact, pl.DataFrame).height == rows
    assert handlers.read(artifact, pl.LazyFrame).collect().height == rows
    assert handlers.read(artifact, pa.Table).num_rows == rows
    assert handlers.read(artifact, pa.RecordBatch).num_rows == rows
    assert handlers.read(artifact, pa.RecordBatchReader).read_all().num_rows == rows
    assert handlers.read(artifact, pyarrow.dataset.Dataset).count_rows() == rows
    with pytest.raises(ContentMismatchError, match="Need at least one"):
        handlers.read(artifact, duckdb.DuckDBPyRelation)


def test_rows_without_columns_are_equal_bytes_from_polars_and_arrow(folder: pathlib.Path) -> None:
    assert written(pl.DataFrame(height=3)) == written(_no_columns(3)) != written(_no_columns(2))


@pytest.mark.parametrize("value", [ODD.clear(), ODD.clear().lazy(), ODD.clear().to_arrow()])
def test_table_without_rows_keeps_its_columns(folder: pathlib.Path, value: Any) -> None:
    artifact = stored(folder, value)
    facts = TypeHandlers().find_writer(value)[0].facts(artifact)
    assert (facts["row_count"], [column.name for column in facts["columns"]]) == (0, ODD.columns)
    for kind, columns_of in TABLES:
        columns = ODD.columns[:-1]  # DuckDB ignores the case of the last one
        assert columns_of(TypeHandlers().read(artifact, kind, columns)) == {name: [] for name in columns}
    assert round_trip(folder, value, pl.DataFrame).schema == ODD.schema


def test_malformed_parquet_is_a_typed_error(folder: pathlib.Path) -> None:
    artifact = keep(folder, b"PAR1 and so on PAR1", "parquet")
    for kind, _ in TABLES:
        if kind is not pl.LazyFrame:  # it is read when it is collected
            with pytest.raises(ContentMismatchError, match="cannot be read as"):
                TypeHandlers().read(artifact, kind)
        with pytest.raises(ArtifactError):
            TypeHandlers().read(artifact, kind, ["a"])


@pytest.mark.parametrize("error", [MemoryError("full"), OSError("away"), duckdb.IOException("away")])
def test_temporary_error_is_not_reported_as_a_mismatch(folder: pathlib.Path, error: Exception) -> None:
    with pytest.raises(type(error)), readable_as(stored(folder, "x"), "a table"):
        raise error
