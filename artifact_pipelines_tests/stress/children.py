"""Child processes that can be killed, or have a call fail, at any system call.

A server that has imported everything forks them, so a child costs milliseconds. Strace attaches while the child waits
at its gate, so the counted calls include none of the process's start.
"""

import contextlib
import ctypes
import dataclasses
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from artifact_pipelines.core.exceptions import ArtifactError

TIMEOUT_S = 120
_SET_PTRACER = 0x59616D61  # linux/prctl.h: a process that is no ancestor may trace this one only with its permission
_CALL = re.compile(r"^(\d+) +([a-z0-9_]+)\(", re.MULTILINE)

fork_server = multiprocessing.get_context("forkserver")
fork_server.set_forkserver_preload(
    ["pytest", "alembic.migration", "artifact_pipelines.storage.backends.s3", "artifact_pipelines_tests.stress.acts"]
)


class Gate:
    """The child's end of the connection: it waits here for its start, and reports results that were promised to it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def wait(self) -> None:
        self._connection.send("ready")
        self._connection.recv()

    def acknowledge(self, promise: object) -> None:
        with self._lock:
            self._connection.send(promise)


Act = Callable[..., None]


@dataclasses.dataclass(frozen=True)
class Call:
    """The n-th system call of one name by a child's main thread."""

    name: str
    n: int

    def __str__(self) -> str:
        return f"{self.name}-{self.n}"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a child ended.

    Attributes:
        acknowledged: The results that it reported until then.
        error: Name of the package's error that it raised, if any; `reason` is its message.
        calls: System calls of its main thread, in order, if they were traced.
    """

    exit_code: int | None
    acknowledged: Sequence[Any]
    error: str | None = None
    reason: str = ""
    calls: Sequence[Call] = ()

    @property
    def was_killed(self) -> bool:
        return self.exit_code == -9


class Child:
    """A process that runs a function of `acts.py`."""

    def __init__(self, act: Act, *arguments: object) -> None:
        self._connection, theirs = fork_server.Pipe()
        # An earlier test may have started the server in another environment.
        started = (theirs, dict(os.environ), act, arguments)
        self.process: ForkServerProcess = fork_server.Process(target=_run, args=started, daemon=True)
        self.process.start()
        theirs.close()

    def wait_until_ready(self) -> None:
        assert self._receive() == "ready"

    def go(self) -> None:
        self._connection.send("go")

    def kill(self) -> None:
        """Kill it with SIGKILL, and wait until it is dead. Any thread may call this."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        multiprocessing.connection.wait([self.process.sentinel], TIMEOUT_S)

    def outcome(self) -> Outcome:
        """Wait for the end of the process."""
        said = []
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                said.append(self._receive())
        self.process.join(TIMEOUT_S)
        promises = [item for item in said if not isinstance(item, _Failure)]
        failure = next((item for item in said if isinstance(item, _Failure)), _Failure(None))
        return Outcome(self.process.exitcode, promises, failure.name, failure.reason)

    def _receive(self) -> Any:
        if not self._connection.poll(TIMEOUT_S):
            self.process.kill()
            raise TimeoutError(f"the child reported nothing for {TIMEOUT_S} s")
        return self._connection.recv()


@dataclasses.dataclass(frozen=True)
class _Failure:
    name: str | None
    reason: str = ""


def _run(connection: Connection, environment: Mapping[str, str], act: Act, arguments: Sequence[object]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    ctypes.CDLL(None).prctl(_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
    gate = Gate(connection)
    try:
        act(gate, *arguments)
    except ArtifactError as error:
        gate.acknowledge(_Failure(type(error).__name__, str(error)))
        os._exit(1)
    os._exit(0)  # skip the exit of the interpreter: its calls belong to no act


def run_at_once(acts: Sequence[tuple[Any, ...]]) -> Sequence[Outcome]:
    """Run acts with their arguments in separate processes that start at the same moment."""
    children = [Child(*act) for act in acts]
    for child in children:
        child.wait_until_ready()
    for child in children:
        child.go()
    return [child.outcome() for child in children]


def run_traced(calls: Sequence[str], inject: str | None, act: Act, *arguments: object) -> Outcome:
    """Run an act under strace from its gate on.

    Args:
        calls: Names of the system calls to record; names unknown on this machine are skipped.
        inject: The fault and its call, as for `strace -e inject=`.
        act: A function of `acts.py`.
        *arguments: Its arguments after the gate.
    """
    child = Child(act, *arguments)
    child.wait_until_ready()
    with tempfile.NamedTemporaryFile("r", prefix="strace-") as log:
        traced = ",".join(f"?{name}" for name in calls)
        command = f"strace -f -o {log.name} -e trace={traced} -e signal=none -p {child.process.pid}".split()
        command += ["-e", f"inject={inject}"] if inject else []
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
            assert strace.stderr is not None
            first = strace.stderr.readline()
            assert "attached" in first, f"strace cannot trace a child here: {first}"
            child.go()
            outcome = child.outcome()
            strace.communicate(timeout=TIMEOUT_S)
        return dataclasses.replace(outcome, calls=_calls(pathlib.Path(log.name), child.process.pid))


def run_killed(call: Call, act: Act, *arguments: object) -> Outcome:
    """Run an act and kill it (SIGKILL) at a call, before the call does anything."""
    return run_traced([call.name], f"{call.name}:signal=KILL:when={call.n}", act, *arguments)


def _calls(log: pathlib.Path, pid: int | None) -> Sequence[Call]:
    counts: dict[str, int] = {}
    found = []
    for thread, name in _CALL.findall(log.read_text(encoding="utf-8", errors="replace")):
        if int(thread) == pid:
            counts[name] = counts.get(name, 0) + 1
            found.append(Call(name, counts[name]))
    return found
