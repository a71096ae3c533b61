"""Time as the database has it: hosts disagree, so the catalog's database is the one clock for all of them."""

import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class UtcDateTime(sa.types.TypeDecorator[datetime.datetime]):
    """A time with its zone (UTC) in Python; `timestamptz` on PostgreSQL, ISO text with microseconds on SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime.datetime | None, _dialect: sa.Dialect) -> datetime.datetime | None:
        """SQLite hands back a time without a zone."""
        if value is None:
            return None
        return value.replace(tzinfo=datetime.UTC) if value.tzinfo is None else value.astimezone(datetime.UTC)


class utc_now(FunctionElement[datetime.datetime]):  # noqa: N801 - named like the SQL functions it stands for
    """The database's time now, plus a number of seconds: `utc_now()`, `utc_now(sa.literal(600))`."""

    type = UtcDateTime()
    inherit_cache = True
    name = "utc_now"


@compiles(utc_now, "sqlite")
def _sqlite(element: utc_now, compiler: SQLCompiler, **kwargs: Any) -> str:
    shift = "".join(f", ({compiler.process(seconds, **kwargs)}) || ' seconds'" for seconds in element.clauses)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now'{shift})"


@compiles(utc_now, "postgresql")
def _postgresql(element: utc_now, compiler: SQLCompiler, **kwargs: Any) -> str:
    shift = "".join(f" + make_interval(secs => {compiler.process(s, **kwargs)})" for s in element.clauses)
    return f"(clock_timestamp(){shift})"
