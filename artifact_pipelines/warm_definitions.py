"""Loads the definitions of a code server, once for all runs: imported last by the process that is copied for each run.

One idea: a copy of a process has only one of its threads, so nothing here may leave one behind. The threads of the
engines that are imported before are no harm: they look after memory and spilled files, or are started anew in a copy.
If the definitions start another thread, the process begins again without them, and each run loads them itself.
"""

import atexit
import contextlib
import gc
import io
import json
import os
import pathlib
import sys

import dagster as dg
import duckdb
from dagster._core.code_pointer import CodePointer
from dagster._core.definitions import reconstruct
from dagster._core.definitions.repository_definition import RepositoryDefinition, RepositoryLoadData
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._grpc.server import LoadedRepositories
from dagster._serdes import deserialize_value

from artifact_pipelines.tabular.parsed_query import close_parser
from artifact_pipelines.warm_runs import SERVER


def _load(arguments: list[str], origin: LoadableTargetOrigin) -> None:
    """Load the definitions as the server does, and give them to each run that asks for them."""
    sys.argv = arguments  # as the server has them: they decide whether a broken YAML file is an error
    with contextlib.redirect_stderr(io.StringIO()):  # the server says it
        loaded = LoadedRepositories(origin, container_image=None, entry_point=[], container_context=None)
    known = {each.pointer: loaded.definitions_by_name[name] for name, each in loaded.reconstructables_by_name.items()}
    load = reconstruct.reconstruct_repository_def_from_pointer

    def find(pointer: CodePointer, repository_load_data: RepositoryLoadData | None = None) -> RepositoryDefinition:
        data = repository_load_data
        has_state = data and (data.cacheable_asset_data or data.reconstruction_metadata or data.defs_state_info)
        return load(pointer, data) if has_state or pointer not in known else known[pointer]

    reconstruct.reconstruct_repository_def_from_pointer = find


def _count_threads() -> int:
    return len([*pathlib.Path("/proc/self/task").iterdir()])


if SERVER in os.environ:
    threads = _count_threads()
    server = json.loads(os.environ[SERVER])
    with contextlib.suppress(dg.DagsterError):  # each run says what is wrong
        _load(server[0], deserialize_value(server[1], LoadableTargetOrigin))
    close_parser()
    duckdb.default_connection().close()  # which names of types have opened, and the next one opens again
    if _count_threads() > threads:
        del os.environ[SERVER]
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - itself
    atexit.register(os._exit, 0)  # it has nothing to tidy up, and DuckDB's complaints at its end are no one's
    gc.collect()
    gc.freeze()  # so that a collection in a run does not copy the memory of all definitions
