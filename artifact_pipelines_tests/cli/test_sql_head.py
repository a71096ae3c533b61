"""SQL over stored tables, from the command line and a notebook."""

import pathlib
from collections.abc import Iterator

import dagster as dg
import polars as pl
import pytest

from artifact_pipelines import ArtifactIOManager, Store, open_store
from artifact_pipelines.catalog.exceptions import NeverMaterializedError, UnknownVersionError
from artifact_pipelines.core.exceptions import InvalidArgumentError, NotFoundError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.storage.factory import open_producer
from artifact_pipelines.tabular.exceptions import QueryError, UnsafeQueryError
from artifact_pipelines.tabular.sql_over_files import sql_over_files
from artifact_pipelines_tests.cli.commands import run, run_json


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Store `flights/table` in two versions, `sales/table` in two partitions, and `note`, which is no table."""
    folder = tmp_path_factory.mktemp("tables")
    settings = Settings(f"sqlite:///{folder / 'catalog.db'}", str(folder / "store"), str(folder / "landing"))
    days = dg.StaticPartitionsDefinition(["mon", "tue"])
    frames = iter(
        [pl.DataFrame({"carrier": ["UA", "AA"], "delay": [5, 7]}), pl.DataFrame({"carrier": ["UA"], "delay": [6]})]
    )

    @dg.asset(key=["flights", "table"])
    def flights() -> pl.DataFrame:
        return next(frames)

    @dg.asset(key=["sales", "table"], partitions_def=days)
    def sales(context: dg.AssetExecutionContext) -> pl.DataFrame:
        return pl.DataFrame({"day": [context.partition_key], "sum": [len(context.partition_key)]})

    @dg.asset
    def note() -> str:
        return "text"

    with open_store(settings.catalog_url, settings.storage_url) as store:
        manager = ArtifactIOManager(store.catalog, open_producer(store.catalog.files, settings.storage_url))
        for _ in range(2):
            dg.materialize([flights, note], resources={"io_manager": manager})
        for day in ("mon", "tue"):
            dg.materialize([sales], resources={"io_manager": manager}, partition_key=day)
        store.catalog.pins_and_tags.tag("flights/table", "golden", version=1)
    return settings


@pytest.fixture(autouse=True)
def environment(tables: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFACT_CATALOG_URL", tables.catalog_url)
    monkeypatch.setenv("ARTIFACT_STORAGE_URL", tables.storage_url)


@pytest.fixture
def store(environment: None) -> Iterator[Store]:
    with open_store() as store:
        yield store


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("flights/table", 2),
        ("flights/table@v1", 1),
        ("flights/table@golden", 1),
        ("sales/table[tue]", 1),
        ("sales/table@v1[mon]", 1),
    ],
)
def test_name_stands_for_a_version(store: Store, name: str, version: int) -> None:
    assert store.find(name).version == version


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("flights/tabl", NeverMaterializedError),
        ("flights/table@v9", UnknownVersionError),
        ("flights/table@other", NotFoundError),
        ("sales/table", NeverMaterializedError),
        ("sales/table[wed]", NeverMaterializedError),
        ("unknown", NeverMaterializedError),
        ("a@b@c", InvalidArgumentError),
        ("", InvalidArgumentError),
    ],
)
def test_name_of_nothing_is_refused(store: Store, name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        store.find(name)


def test_notebook_joins_versions_and_partitions(store: Store) -> None:
    changed = store.sql(
        "SELECT n.carrier, n.delay - o.delay AS more FROM 'flights/table' n JOIN 'flights/table@v1' o USING (carrier)"
    )
    assert changed.to_dicts() == [{"carrier": "UA", "more": 1}]
    assert store.sql("SELECT sum(sum)::INT AS total FROM 'sales/table'").item() == 6
    assert store.sql("SELECT * FROM 'flights/table@v1' WHERE delay > $least", least=6)["carrier"].to_list() == ["AA"]


def test_table_of_all_partitions_has_their_keys_as_its_last_column(store: Store, tmp_path: pathlib.Path) -> None:
    expected = [{"day": day, "sum": 3, "partition": day} for day in ("mon", "tue")]
    assert store.sql("FROM 'sales/table' ORDER BY day").to_dicts() == expected
    assert run_json("head", "sales/table", "--partition", "tue") == [{"day": "tue", "sum": 3}]
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "same.parquet")
    parts = [(tmp_path / "same.parquet", key) for key in ("it's", "de")]  # equal partitions are one file
    with sql_over_files("FROM 'x' ORDER BY partition", lambda _: parts, {}) as answer:
        assert answer.read_all().to_pylist() == [{"a": 1, "partition": "de"}, {"a": 1, "partition": "it's"}]


def test_table_keeps_its_own_column_of_the_name_partition(tmp_path: pathlib.Path) -> None:
    pl.DataFrame({"partition": [1]}).write_parquet(tmp_path / "own.parquet")
    with sql_over_files("FROM 'x'", lambda _: [(tmp_path / "own.parquet", "de")], {}) as answer:
        assert answer.read_all().to_pylist() == [{"partition": 1}]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("WITH T AS (SELECT 1 AS a) SELECT a FROM t", [1]),
        ("WITH x AS (SELECT a + 1 AS a FROM x) SELECT * FROM x", [11]),
        ("WITH X AS (SELECT a + 1 AS a FROM x) SELECT * FROM X", [11]),
        ("WITH x AS (SELECT 5 AS a) SELECT * FROM (WITH x AS (SELECT a + 1 AS a FROM x) FROM x)", [6]),
        ("WITH b AS (FROM x), x AS (SELECT 9 AS a), c AS (FROM x) SELECT b.a + c.a FROM b, c", [19]),
        ("SELECT a FROM X WHERE a IN (WITH x AS (SELECT 10 AS a) SELECT a FROM x)", [10]),
        ("(WITH x AS (SELECT 3 AS a) FROM x) UNION ALL FROM x", [3, 10]),
        ("WITH x AS (SELECT 3 AS a) FROM x UNION ALL FROM x ORDER BY (SELECT max(a) FROM X)", [3, 3]),
        ("WITH RECURSIVE x AS (FROM x UNION ALL SELECT a + 1 FROM X WHERE a < 12) FROM x", [10, 11, 12]),
        ("WITH RECURSIVE y AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM Y WHERE a < 2) FROM y", [1, 2]),
    ],
)
def test_names_of_with_hold_in_any_case_and_where_duckdb_sees_them(
    query: str, expected: list[int], tmp_path: pathlib.Path
) -> None:
    pl.DataFrame({"a": [10]}).write_parquet(tmp_path / "x.parquet")
    tables = {"x": tmp_path / "x.parquet"}
    with sql_over_files(query, lambda name: [(tables[name.lower()], None)], {}) as answer:
        [column] = answer.read_all().columns
    assert sorted(column.to_pylist()) == expected


@pytest.mark.parametrize(
    ("query", "error", "said"),
    [
        ("SELECT x FROM 'flights/table'", QueryError, "'flights/table'"),
        ("SELEC 1", QueryError, "quotes"),
        ("SELECT * FROM 'note'", InvalidArgumentError, "'note' must be a table that is stored as Parquet, not 'txt'"),
        ("SELECT * FROM '/etc/passwd'", NeverMaterializedError, "/etc/passwd"),
        ("SELECT * FROM read_csv('/etc/passwd')", QueryError, "disabled"),
        ("COPY (SELECT 1) TO '/tmp/x.csv'", UnsafeQueryError, "not one SELECT"),
        ("SELECT 1; SELECT 2", UnsafeQueryError, "not one SELECT"),
    ],
)
def test_query_that_cannot_be_answered_or_reaches_out_is_refused(
    store: Store, query: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        store.sql(query)


def test_command_prints_rows_and_writes_them_to_a_file(tmp_path: pathlib.Path) -> None:
    assert run("sql", "FROM 'flights/table@v1' ORDER BY delay").split() == ["carrier", "delay", "UA", "5", "AA", "7"]
    assert run_json("sql", "SELECT 1 AS a, NULL AS b") == [{"a": 1, "b": None}]
    assert run_json("sql", "SELECT $x AS x", "-p", "x=y") == [{"x": "y"}]
    assert "Only the first row is shown" in run("sql", "FROM 'flights/table@v1'", "-n", 1)
    for name in ("x.csv", "x.parquet"):
        assert "2 rows" in run("sql", "FROM 'flights/table@v1'", "-o", tmp_path / name)
    assert pl.read_csv(tmp_path / "x.csv").equals(pl.read_parquet(tmp_path / "x.parquet"))
    assert ".parquet or .csv" in run("sql", "SELECT 1", "-o", tmp_path / "x.txt", code=2)


def test_commands_on_files_take_names(tmp_path: pathlib.Path) -> None:
    assert run_json("head", "flights/table@v1", "-n", 1) == [{"carrier": "UA", "delay": 5}]
    first, second = run_json("show", "flights/table@v1"), run_json("show", "flights/table")
    assert first["file_id"] != second["file_id"]
    assert run_json("show", str(first["file_id"])) == first
    run("get", "flights/table@golden", "-o", tmp_path / "golden.parquet")
    assert pl.read_parquet(tmp_path / "golden.parquet")["carrier"].to_list() == ["UA", "AA"]
