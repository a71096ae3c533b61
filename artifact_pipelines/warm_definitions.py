"""Loads the definitions of a code server, once for all runs: imported last by the process that is copied for each run.

One idea: a copy of a process has only one of its threads, and shares its connections with all other copies, which
SQLite forbids. So loading may leave neither behind. If the definitions of a project do, this process starts anew
without having loaded them, and each run loads them itself. The threads of the engines, which were imported before, do
no harm: they look after memory and spilled files, or are started anew in a copy.
"""

import atexit
import contextlib
import fcntl
import gc
import json
import os
import pathlib
import stat
import sys
from collections.abc import Iterator

import dagster as dg
import duckdb
from dagster._core.code_pointer import CodePointer
from dagster._core.definitions import reconstruct
from dagster._core.definitions.repository_definition import RepositoryDefinition, RepositoryLoadData
from dagster._grpc.server import LoadedRepositories

from artifact_pipelines.instance.dagster_internals import LoadableTargetOrigin, deserialize_value
from artifact_pipelines.tabular.parsed_query import close_parser
from artifact_pipelines.warm_runs import SERVER


def _load(arguments: list[str], origin: LoadableTargetOrigin) -> None:
    """Load the definitions as the server does, and give them to each run that asks for them."""
    sys.argv = arguments  # as the server has them: they decide whether a broken YAML file is an error
    with _silenced():  # the server says it
        loaded = LoadedRepositories(origin, container_image=None, entry_point=[], container_context=None)
    known = {each.pointer: loaded.definitions_by_name[name] for name, each in loaded.reconstructables_by_name.items()}
    load = reconstruct.reconstruct_repository_def_from_pointer

    def find(pointer: CodePointer, repository_load_data: RepositoryLoadData | None = None) -> RepositoryDefinition:
        data = repository_load_data
        has_state = data and (data.cacheable_asset_data or data.reconstruction_metadata or data.defs_state_info)
        return load(pointer, data) if has_state or pointer not in known else known[pointer]

    reconstruct.reconstruct_repository_def_from_pointer = find


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Let nothing be written to standard error; `sys.stderr` stays what it is, because loggers keep it."""
    kept = os.dup(2)
    with pathlib.Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _threads_and_connections() -> tuple[int, int]:
    own = pathlib.Path("/proc/self")
    descriptors = [int(each.name) for each in (own / "fd").iterdir()]
    return len([*(own / "task").iterdir()]), sum(map(_is_connection, descriptors))


def _is_connection(descriptor: int) -> bool:
    """True for a socket, and for a file that is written at any place: that of a database."""
    try:
        mode, flags = os.fstat(descriptor).st_mode, fcntl.fcntl(descriptor, fcntl.F_GETFL)
    except OSError:  # that of the listing
        return False
    is_log = bool(flags & os.O_APPEND)
    is_written = flags & os.O_ACCMODE != os.O_RDONLY
    return stat.S_ISSOCK(mode) or (stat.S_ISREG(mode) and is_written and not is_log)


if SERVER in os.environ:
    before = _threads_and_connections()
    server = json.loads(os.environ.pop(SERVER))
    with contextlib.suppress(dg.DagsterError):  # each run says what is wrong
        _load(server[0], deserialize_value(server[1], LoadableTargetOrigin))
    close_parser()
    duckdb.default_connection().close()  # which names of types have opened, and the next one opens again
    if any(now > then for now, then in zip(_threads_and_connections(), before, strict=True)):
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - itself
    # It has nothing to tidy up, and DuckDB's complaints at its end are no one's. Copies end without this, before 3.14.
    atexit.register(os._exit, 0)
    gc.collect()
    gc.freeze()  # so that a collection in a run does not copy the memory of all definitions
