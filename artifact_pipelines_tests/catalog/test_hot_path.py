"""Statements that are compiled once give the same rows and errors as SQLAlchemy's execution of them."""

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import reading, writing
from artifact_pipelines.catalog.hot_path import Prepared, is_among
from artifact_pipelines.catalog.tables import files, retention_policies
from artifact_pipelines.core.types import Content, FileDescription

ALL = sa.select(files).order_by(files.c.file_id)
AMONG = Prepared(sa.select(files.c.file_id).where(is_among(files.c.file_id, "ids")).order_by(files.c.file_id))
INSERT = Prepared(sa.insert(retention_policies).returning(retention_policies.c.policy))


@pytest.fixture
def file_ids(catalog: Catalog) -> list[int]:
    wanted = [(Content(f"{n:064x}", n), FileDescription("csv", metadata={"n": n})) for n in range(3)]
    return sorted(lease.file.file_id for lease in catalog.files.acquire_all(wanted, "blake3"))


@pytest.mark.usefixtures("file_ids")
def test_rows_are_those_of_sqlalchemy(engine: sa.Engine) -> None:
    with reading(engine) as connection:
        expected = [tuple(row) for row in connection.execute(ALL)]
        found = Prepared(ALL).run(connection)
    assert list(map(tuple, found)) == expected
    assert found[1].metadata == {"n": 1}
    assert found[1].created_at.tzinfo is not None


def test_any_number_of_ids_is_one_parameter(engine: sa.Engine, file_ids: list[int]) -> None:
    with reading(engine) as connection:
        for some in ([], file_ids[:1], file_ids, [*file_ids, *range(10_000, 50_000)]):
            assert [file_id for (file_id,) in AMONG.run(connection, ids=some)] == [i for i in some if i in file_ids]


@pytest.mark.usefixtures("catalog")
def test_statements_of_both_kinds_share_one_transaction(engine: sa.Engine) -> None:
    with pytest.raises(ZeroDivisionError), writing(engine) as connection:
        assert INSERT.run(connection, asset_key="a", policy={"keep": 1})[0].policy == {"keep": 1}
        connection.execute(sa.insert(retention_policies).values(asset_key="b", policy={}))
        raise ZeroDivisionError
    with writing(engine) as connection:
        rows = [{"asset_key": key, "policy": {"of": key}} for key in "cd"]
        assert [row.policy for row in INSERT.run_each(connection, rows)] == [{"of": "c"}, {"of": "d"}]
    with reading(engine) as connection:
        assert connection.scalars(sa.select(retention_policies.c.asset_key)).all() == ["c", "d"]


@pytest.mark.usefixtures("catalog")
def test_errors_are_those_of_sqlalchemy(engine: sa.Engine) -> None:
    with pytest.raises(sa.exc.IntegrityError), writing(engine) as connection:
        for _ in range(2):
            INSERT.run(connection, asset_key="a", policy={})


@pytest.mark.usefixtures("catalog")
def test_forgotten_parameter_is_no_null(engine: sa.Engine) -> None:
    with pytest.raises(KeyError), reading(engine) as connection:
        AMONG.run(connection)
