"""Talks to a running web server of Dagster, and knows the processes that belong to it."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any

PATIENCE_S = 240


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def answer(address: str, query: str, **variables: object) -> Any:
    """Ask Dagster's web server, as its pages do."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["data"]


def wait_until(is_done: Callable[[], object], logs: pathlib.Path, patience_s: float = PATIENCE_S) -> None:
    """Wait for a condition. If it does not come true, show the end of each log in a folder, or of one log."""
    end = time.monotonic() + patience_s
    while not is_done():
        if time.monotonic() > end:
            files = sorted(logs.glob("*.log")) if logs.is_dir() else [logs]
            raise AssertionError("\n".join(f"{file.name}:\n{file.read_text()[-3000:]}" for file in files))
        time.sleep(1)


def stop(process: subprocess.Popen[bytes], how: signal.Signals, patience_s: float = 30) -> int:
    """Signal a process that leads a session, and end the whole session if it does not end. Return its exit code."""
    process.send_signal(how)
    try:
        return process.wait(patience_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait(patience_s)


def processes_with(variables: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Yield process ID and command of each process that has these variables in its environment."""
    wanted = {f"{name}={value}".encode() for name, value in variables.items()}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if wanted <= set((folder / "environ").read_bytes().split(b"\0")):
                yield int(folder.name), (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
