"""A site made of exactly the files in `deploy/`, on this machine: what systemd does with its units, done by hand."""

import os
import pathlib
import shlex
import shutil
import signal
import string
import subprocess
import sys
from collections.abc import Mapping, Sequence

from artifact_pipelines_tests.web_server import PATIENCE_S, processes_with, stop

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = CHECKOUT / "deploy"
STOP_S = 60
"""`TimeoutStopSec` of the units."""
_INSTALLED = "/opt/dagster/.venv/bin/"


def read_environment(file: pathlib.Path) -> dict[str, str]:
    """Return the variables of a file, as systemd and compose read it."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def commands_of(unit: str, environment: Mapping[str, str]) -> Sequence[Sequence[str]]:
    """Return the commands of a systemd unit, with its variables filled in."""
    lines = (DEPLOY / "systemd" / f"{unit}.service").read_text().splitlines()
    commands = [shlex.split(line.removeprefix("ExecStart=")) for line in lines if line.startswith("ExecStart=")]
    return [[string.Template(word).substitute(environment) for word in command] for command in commands]


class Host:
    """Another machine of a site, with folders of its own. Only PostgreSQL and S3 are the same."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.name = folder.name
        self.folder = folder
        places = {"DAGSTER_HOME": folder, "DAGSTER_COMPUTE_LOGS": folder / "logs", "TMPDIR": folder / "tmp"}
        self.values = {name: str(place) for name, place in places.items()}
        for place in places.values():
            place.mkdir(parents=True)


class Site:
    """Processes, configuration and environment of one site.

    Args:
        folder: Takes configuration, logs and what the site keeps on disk.
        project: Folder of a project that `artifact-pipelines init` made.
        values: The variables of `env.template` that differ at this site.
    """

    def __init__(self, folder: pathlib.Path, project: pathlib.Path, values: Mapping[str, str]) -> None:
        template = read_environment(DEPLOY / "env.template")
        assert values.keys() <= template.keys(), "each variable of a site stands in the template"
        self.environment = {**template, **values}
        assert "CHANGE_ME" not in str(self.environment), "the site has a value for each of them"
        self.home = pathlib.Path(self.environment["DAGSTER_HOME"])
        self.project = project
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True)
        self.home.mkdir()
        for name in ("dagster.yaml", "workspace.yaml"):
            shutil.copy(DEPLOY / name, self.home)
        # In place of installing package and project in /opt/dagster.
        installed = {"PYTHONPATH": f"{CHECKOUT}:{project}", "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        self._variables = self.environment | installed
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, *command: str, **more: str) -> str:
        """Run an installed command to its end, in the environment of the site, and return what it printed."""
        program = pathlib.Path(sys.executable).parent / command[0].removeprefix(_INSTALLED)
        done = subprocess.run(
            [str(program), *command[1:]],
            cwd=self.home,
            env=self._variables | more,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run_unit(self, unit: str) -> None:
        """Run the commands of a unit of type oneshot, one after the other."""
        for command in commands_of(unit, self.environment):
            self.run(*command)

    def start_unit(self, unit: str, host: Host | None = None, without: Sequence[str] = ()) -> None:
        """Start the process of a unit, perhaps on another host, or without some words of its command."""
        [words] = commands_of(unit, self.environment | (host.values if host else {}))
        command = [word for word in words if word not in without]
        program = pathlib.Path(sys.executable).parent / command[0].removeprefix(_INSTALLED)
        name = f"{unit}-{host.name}" if host else unit
        with (self.logs / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [str(program), *command[1:]],
                cwd=host.folder if host else self.home,
                env=self._variables | (host.values if host else {}),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def is_running(self) -> bool:
        """True if no process that was started has ended."""
        return all(process.poll() is None for process in self.running.values())

    def stop(self) -> Mapping[str, int]:
        """Stop each process as systemd does, the last one first, and return their exit codes."""
        return {name: stop(self.running.pop(name), signal.SIGTERM, STOP_S) for name in reversed([*self.running])}

    def processes(self) -> Mapping[int, str]:
        """Return the commands of all processes of the site, by process ID."""
        return dict(processes_with({"DAGSTER_HOME": str(self.home)}))

    def kill(self) -> None:
        """End everything that is left."""
        for pid in (*self.processes(), *(process.pid for process in self.running.values())):
            os.kill(pid, signal.SIGKILL)
        for process in self.running.values():
            process.wait(STOP_S)
