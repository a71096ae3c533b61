"""Jobs on Dask, in a module of their own because Dask takes seconds to import."""

import dagster as dg
import dagster_dask

from artifact_pipelines.dask_executor import dask_executor

CONFIG = {"cluster": {"existing": {"address": "tcp://scheduler"}}}


@dg.op
def work() -> None:
    pass


@dg.job(executor_def=dask_executor.configured(CONFIG, name="dask"))
def on_ours() -> None:
    work()


@dg.job(executor_def=dagster_dask.dask_executor.configured(CONFIG, name="dask"))
def on_dagsters() -> None:
    work()
