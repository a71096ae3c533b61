import duckdb
import pyarrow as pa
import pytest

from artifact_pipelines.tabular.type_names import type_name

DECLARED = ["VARCHAR", "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"]
DECLARED += ["UBIGINT", "FLOAT", "DOUBLE", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMPTZ", "BLOB"]
DECLARED += ["BIGINT[]", "VARCHAR[][]"]


@pytest.mark.parametrize("declared", [*DECLARED, "DECIMAL(10, 2)"])
def test_a_type_is_shown_as_it_is_declared(declared: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        [field] = connection.sql(f"SELECT NULL::{declared} AS a").to_arrow_table().schema
    assert type_name(str(field.type)) == declared


def test_types_that_duckdb_has_no_short_name_for() -> None:
    assert type_name(str(pa.timestamp("us", "Europe/Berlin"))) == "TIMESTAMPTZ (Europe/Berlin)"
    assert type_name(str(pa.dictionary(pa.int32(), pa.large_string()))) == "VARCHAR"
    assert type_name(str(pa.struct({"a": pa.int64()}))) == "struct<a: int64>"
