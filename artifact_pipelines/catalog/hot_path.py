"""Statements of the hot path, which every create, record and load runs.

One idea: a query is written once, as a SQLAlchemy expression, compiled once for each dialect, and runs on the driver's
cursor. SQLAlchemy's own execution takes several times as long as SQLite takes to run the statement.
"""

import collections
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

_Process = Callable[[Any], Any]


class _Ids(sa.types.TypeDecorator[Sequence[int]]):
    """IDs as one parameter, so that the statement is the same for any number of them."""

    impl = sa.JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        is_array = dialect.name == "postgresql"
        return dialect.type_descriptor(postgresql.ARRAY(sa.BigInteger()) if is_array else sa.JSON())


class _IsAmong(FunctionElement[bool]):
    # No type: for a Boolean, SQLAlchemy writes `... = 1` on SQLite, which then uses no index.
    inherit_cache = True
    name = "is_among"


def is_among(column: sa.ColumnElement[int], parameter: str) -> sa.ColumnElement[bool]:
    """True if a column holds one of the IDs that a parameter lists, any number of them."""
    return _IsAmong(column, sa.bindparam(parameter, type_=_Ids()))


@compiles(_IsAmong, "sqlite")
def _sqlite(element: _IsAmong, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, ids = (compiler.process(part, **kwargs) for part in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({ids}))"  # noqa: S608 - a column and a placeholder


@compiles(_IsAmong, "postgresql")
def _postgresql(element: _IsAmong, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, ids = (compiler.process(part, **kwargs) for part in element.clauses)
    return f"{column} = ANY ({ids})"


class Prepared:
    """A statement that is compiled when it first runs on a dialect; module constants, which all threads share."""

    def __init__(self, statement: sa.Select[Any] | sa.UpdateBase) -> None:
        self._statement = statement
        self._compiled: dict[tuple[str, ...], _Compiled] = {}

    def run(self, connection: sa.Connection, **parameters: Any) -> list[Any]:
        """Run it with one value for each parameter, and return its rows: named tuples."""
        key = (connection.dialect.name, *parameters)
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = self._compiled[key] = _Compiled(self._statement, connection.dialect, list(parameters))
        return compiled.rows(run_on_driver(connection, compiled.text, compiled.values(parameters)))

    def run_each(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        """Run it with each of some rows of parameters, at least one; several go to the database in batches."""
        if len(rows) == 1:
            return self.run(connection, **rows[0])
        result = connection.execute(self._statement, rows)
        return result.all() if result.returns_rows else ()


class _Compiled:
    """A statement for one dialect, and what its types do to parameters and results."""

    def __init__(self, statement: Any, dialect: sa.Dialect, parameters: list[str]) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=parameters)
        self.text = str(compiled)
        self._positions = compiled.positiontup if compiled.positional else None
        types = {name: bind.type.dialect_impl(dialect) for name, bind in compiled.binds.items()}
        binders = {name: kind.bind_processor(dialect) for name, kind in types.items()}
        self._binders: dict[str, _Process] = {name: process for name, process in binders.items() if process}
        given = {name: value for name, value in compiled.params.items() if not compiled.binds[name].required}
        self._constants = {name: self._bound(name, value) for name, value in given.items()}
        columns = statement.exported_columns
        processors = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._processors: list[tuple[int, _Process]] = [(at, one) for at, one in enumerate(processors) if one]
        self._as_row = _row_maker(columns.keys())

    def values(self, parameters: Mapping[str, Any]) -> Any:
        """Return the driver's form of parameters."""
        values = self._constants | {name: self._bound(name, value) for name, value in parameters.items()}
        return values if self._positions is None else tuple(values[name] for name in self._positions)

    def rows(self, found: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return the driver's rows as named tuples of our types."""
        return [self._as_row(self._processed(row)) for row in found]

    def _bound(self, name: str, value: Any) -> Any:
        return self._binders[name](value) if name in self._binders else value

    def _processed(self, row: tuple[Any, ...]) -> Sequence[Any]:
        values = list(row)
        for at, process in self._processors:
            values[at] = process(values[at])
        return values


def _row_maker(names: Sequence[str]) -> Callable[[Sequence[Any]], Any]:
    row = collections.namedtuple("row", names)  # type: ignore[misc]  # its fields are known at run time
    return row._make


def run_on_driver(connection: sa.Connection, text: str, values: Any = ()) -> Sequence[tuple[Any, ...]]:
    """Run a statement in the driver's own form, and return its rows. Errors are those that SQLAlchemy raises."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(text, values)
        return cursor.fetchall() if cursor.description else ()
    except connection.dialect.loaded_dbapi.Error as error:
        raise as_sqlalchemy_raises(connection, error, text) from error
    finally:
        cursor.close()


def as_sqlalchemy_raises(connection: sa.Connection, error: Exception, text: str) -> BaseException:
    """Return an error of the driver as SQLAlchemy raises it, and give up the connection if it was lost."""
    dialect = connection.dialect
    base = dialect.loaded_dbapi.Error
    is_lost = dialect.is_disconnect(cast("Any", error), connection.connection.dbapi_connection, None)
    if is_lost:
        connection.invalidate(error)
    options: Any = {"connection_invalidated": is_lost, "dialect": dialect}
    raised: BaseException = sa.exc.DBAPIError.instance(text, None, error, base, **options)
    return raised
