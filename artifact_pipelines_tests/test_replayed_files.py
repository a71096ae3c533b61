"""Files that are replayed from the quarantine, with real sensors and runs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import pytest

from artifact_pipelines import open_store
from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.project import Project

PLAIN: Mapping[str, Any] = {"samples": {}, "analyses": {}}
BAD = "carrier,number,delay\nUA,3,x\n"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def _versions() -> Sequence[tuple[int, str, bool]]:
    """Return the number of each version, its file, and whether it has a table."""
    with open_store() as store:
        found = store.catalog.datasets.versions("flights")
    return [(each.number, each.raw.source["file"], each.table is not None) for each in reversed(found)]


@pytest.mark.parametrize("files", ["latest", "all"])
def test_replay_of_a_file_that_is_still_bad_makes_no_version(
    settings: Settings, instance: dg.DagsterInstance, files: str
) -> None:
    project = Project(settings, instance, files=files, **PLAIN)
    for name, text in {"a": "carrier,number,delay\nUA,1,5\n", "b": BAD, "c": "carrier,number,delay\nUA,2,5\n"}.items():
        project.drop(text, f"flights_{name}.csv")
        project.settle()
    before = _versions()
    assert before == [(1, "flights_a.csv", True), (2, "flights_b.csv", False), (3, "flights_c.csv", True)]

    def replay() -> str:
        job = project.definitions.resolve_job_def("flights_replay")
        assert job.execute_in_process(instance=instance).success
        return project.settle()[1]["artifact_landing"]

    assert "flights_b.csv: quarantined (RefusedValueError: flights_b.csv, line 2, column 'delay': 'x'" in replay()
    assert _versions() == before
    project.declare(files=files, columns={"delay": "VARCHAR"}, **PLAIN)
    project.settle()
    assert "flights_b.csv: ingested" in replay()
    assert _versions()[-1] == (4, "flights_b.csv", True)
