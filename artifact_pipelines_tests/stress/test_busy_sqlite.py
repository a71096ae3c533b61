"""Many processes use one SQLite catalog at once. They wait for its locks, and no caller notices."""

import pathlib

import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.catalog.tables import file_references, files
from artifact_pipelines_tests.stress import acts
from artifact_pipelines_tests.stress.children import run_at_once


def test_many_processes_can_create_the_catalog_at_once(tmp_path: pathlib.Path, is_stress: bool) -> None:
    processes = 16 if is_stress else 8
    for number in range(10 if is_stress else 1):
        outcomes = run_at_once([(acts.open_catalog, f"sqlite:///{tmp_path}/{number}.db")] * processes)
        assert [(outcome.exit_code, outcome.error) for outcome in outcomes] == [(0, None)] * processes


def test_no_caller_sees_a_lock_and_counts_stay_right(tmp_path: pathlib.Path, is_stress: bool) -> None:
    url = f"sqlite:///{tmp_path}/catalog.db"
    Catalog(url).close()
    processes, seconds = (16, 60.0) if is_stress else (6, 1.0)
    outcomes = run_at_once([(acts.lease_at_random, url, seed, seconds) for seed in range(processes)])
    assert [(outcome.exit_code, outcome.error) for outcome in outcomes] == [(0, None)] * processes
    held, leased = (sum(outcome.acknowledged[0][i] for outcome in outcomes) for i in (0, 1))
    assert leased > 100
    engine = make_engine(url)
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(file_references)).scalar_one() == held
        assert connection.execute(sa.select(sa.func.sum(files.c.reference_count))).scalar_one() == held
    engine.dispose()
