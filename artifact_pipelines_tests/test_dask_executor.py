"""Two runs of one job at the same time each do their work on Dask, although Dask computes a name once."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import dagster as dg
import pytest

from artifact_pipelines_tests.project import NO_LOGS


class Cluster:
    """A scheduler where every earlier run still holds its results: it computes each task once for all that name it."""

    results: ClassVar[dict[str, Any]] = {}

    def __init__(self, address: str) -> None:
        assert address == "tcp://scheduler"

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, function: Callable[..., Any], *arguments: Any, key: str, resources: object) -> str:
        if key not in self.results:
            self.results[key] = function(*arguments)
        return key


def completed(keys: Iterable[str], with_results: bool) -> Iterator[tuple[str, Any]]:
    return ((key, Cluster.results[key]) for key in keys)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    import dask.distributed

    Cluster.results = {}
    monkeypatch.setattr(dask.distributed, "Client", Cluster)
    monkeypatch.setattr(dask.distributed, "as_completed", completed)


def work_done(job: str) -> list[int]:
    """Run a job twice, and return how often the log of each run says that the step succeeded."""
    from artifact_pipelines_tests import dask_jobs

    with dg.instance_for_test(NO_LOGS) as instance:
        runs = []
        for _ in range(2):
            with dg.execute_job(dg.reconstructable(getattr(dask_jobs, job)), instance=instance) as result:
                runs.append(result.run_id)
        kind = dg.DagsterEventType.STEP_SUCCESS
        return [len(instance.get_records_for_run(run, of_type=kind).records) for run in runs]


@pytest.mark.usefixtures("cluster")
def test_each_run_does_its_own_work() -> None:
    assert work_done("on_ours") == [1, 1]


@pytest.mark.usefixtures("cluster")
def test_executor_of_dagster_still_needs_ours() -> None:
    """If this fails, Dagster names tasks by run: remove `artifact_pipelines.dask_executor`."""
    assert work_done("on_dagsters") == [1, 0]
