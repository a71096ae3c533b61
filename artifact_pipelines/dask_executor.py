"""Runs steps on the workers of a Dask cluster; comes with `pip install artifact-pipelines[dask]`.

One idea: Dask computes a task once for all that ask for its name, and dagster-dask names the task of a step after job
and step. So two runs of one job at the same time, as in a backfill, would share the steps of the first one, and the
second one would end well without having done anything. Here the names also have the run.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dask import dask_executor as _dagsters
from dagster_dask.executor import DaskExecutor

from artifact_pipelines.instance.dagster_internals import PlanOrchestrationContext


class _PlanOfRun(PlanOrchestrationContext):
    @property
    def job_name(self) -> str:
        return f"{super().job_name}.{self.run_id}"


class RunsApart(DaskExecutor):  # type: ignore[misc]
    """Dagster's executor on Dask, with tasks that belong to one run."""

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Yield the events of a run's steps, as they end."""
        given = plan_context
        of_run = _PlanOfRun(given.plan_data, given.log, given.executor, given.output_capture, given.resume_from_failure)
        yield from super().execute(of_run, execution_plan)


@dg.executor(
    name="dask",
    config_schema=_dagsters.config_schema,
    requirements=dg.multiple_process_executor_requirements(),
)
def dask_executor(context: dg.InitExecutorContext) -> RunsApart:
    """Return the executor; its configuration is that of dagster-dask's `dask_executor`."""
    [(kind, configuration)] = context.executor_config["cluster"].items()  # type: ignore[attr-defined]
    return RunsApart(kind, configuration)


def on_scheduler(variable: str = "DASK_SCHEDULER_ADDRESS") -> dg.ExecutorDefinition:
    """Return the executor on a scheduler that runs, whose address an environment variable holds."""
    return dask_executor.configured({"cluster": {"existing": {"address": {"env": variable}}}}, name="dask")
