"""Lets a code server start runs from a process that has imported everything and loaded the definitions already.

One idea: a run is a process, and importing Dagster and the engines and loading the definitions cost it more than making
a small table. Dagster's code server starts the process by `multiprocessing` with the method `spawn`, from nothing.
Python's method `forkserver` copies a process that waits with all of that done (`warm_definitions`), and has no other
work that a copy could disturb. It belongs to its code server: a reload of the definitions starts another one, so no run
sees old code.
"""

import itertools
import json
import multiprocessing
import os
import sys
from multiprocessing import forkserver

from artifact_pipelines.instance.dagster_internals import LoadableTargetOrigin, serialize_value

SERVER = "ARTIFACT_WARM_SERVER"
"""Variable that says what the server loads: its arguments, and where the definitions are."""
PRELOADED = (
    "dagster._cli.api",
    "dagster._grpc.impl",
    "dagster._grpc.server",
    "dagster._core.storage.sqlite_storage",
    "artifact_pipelines.definitions",
    "artifact_pipelines.dataset_pipeline",
    "artifact_pipelines.analysis.profile.engine",
    "artifact_pipelines.analysis.profile.markdown",
    "artifact_pipelines.report.page",
    "alembic.migration",
)
"""The engines that they import start threads that outlive a copy, or that it does not need; see `warm_definitions`."""


def start_runs_warm() -> None:
    """Let this process start runs from a process that is ready for them, if it is a code server on Linux."""
    # Not `sys.argv`: a run gets that of its server.
    is_server = ("api", "grpc") in itertools.pairwise(sys.orig_argv)
    if sys.platform != "linux" or not is_server:
        return
    warm = multiprocessing.get_context("forkserver")
    warm.set_forkserver_preload([*PRELOADED, "artifact_pipelines.warm_definitions"])
    os.environ[SERVER] = json.dumps([sys.argv, serialize_value(LoadableTargetOrigin.get())])
    try:
        forkserver.ensure_running()
    finally:
        del os.environ[SERVER]
    # Dagster asks this object for the process of each run.
    multiprocessing.get_context("spawn").Process = warm.Process  # type: ignore[misc, assignment]
