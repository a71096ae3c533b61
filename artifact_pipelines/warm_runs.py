"""Lets a code server start runs from a process that has imported everything already.

One idea: a run is a process, and importing Dagster and the engines costs it more than making a small table. Dagster's
code server starts the process by `multiprocessing` with the method `spawn`, from nothing. Python's method `forkserver`
copies a process that waits with its imports done, and has no other work that a copy could disturb. It belongs to its
code server: a reload of the definitions starts another one, so no run sees old code.
"""

import multiprocessing
import sys
from multiprocessing import forkserver

_CODE_SERVER = ["api", "grpc"]
PRELOADED = (
    "dagster._cli.api",
    "dagster._grpc.impl",
    "dagster._core.storage.sqlite_storage",
    "artifact_pipelines.definitions",
    "artifact_pipelines.dataset_pipeline",
)
"""Importing these must start no thread: a copy of the process would lack it."""


def start_runs_warm() -> None:
    """Let this process start runs from a process with its imports done, if it is a code server on Linux."""
    if sys.platform != "linux" or sys.argv[1:3] != _CODE_SERVER:
        return
    warm = multiprocessing.get_context("forkserver")
    warm.set_forkserver_preload([*PRELOADED])
    forkserver.ensure_running()
    # Dagster asks this object for the process of each run.
    multiprocessing.get_context("spawn").Process = warm.Process  # type: ignore[misc, assignment]
