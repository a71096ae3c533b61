"""The statements that a database gets: what they are, what happens between them, and how it answers them."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog import hot_path


@contextlib.contextmanager
def at_each_statement(moment: str, act: Callable[..., None]) -> Iterator[None]:
    """Call a function before or after each statement; its third and fourth argument are its text and parameters."""
    run = hot_path.run_on_driver

    def watched(connection: sa.Connection, text: str, values: Any = ()) -> Sequence[tuple[Any, ...]]:
        if moment == "before":
            act(connection, None, text, values)
        found = run(connection, text, values)
        if moment == "after":
            act(connection, None, text, values)
        return found

    sa.event.listen(sa.Engine, f"{moment}_cursor_execute", act)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hot_path, "run_on_driver", watched)
            yield
    finally:
        sa.event.remove(sa.Engine, f"{moment}_cursor_execute", act)


def statements_of(ask: Callable[[], object]) -> Sequence[tuple[str, Any]]:
    """Return the statements, with their parameters, that databases execute during a call."""
    executed: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        executed.append((statement, parameters))

    with at_each_statement("before", note):
        ask()
    return executed


def plans_of(engine: sa.Engine, ask: Callable[[], object]) -> Sequence[str]:
    """Return how the database of an engine executes each query of a call.

    PostgreSQL reads a whole table, or sorts, only if it must.
    """
    queries = [(text, parameters) for text, parameters in statements_of(ask) if text.startswith("SELECT")]
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            connection.exec_driver_sql("SET LOCAL enable_sort = off")
        return [
            "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {text}", parameters))
            for text, parameters in queries
        ]
