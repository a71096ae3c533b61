"""The project of a newcomer, and the commands of the environment where the wheel is installed."""

import importlib.metadata
import json
import os
import pathlib
import subprocess
from collections.abc import Sequence
from typing import Any

from artifact_pipelines_tests.web_server import PATIENCE_S

PROGRAMS = ("artifact-pipelines", "dagster", "dg")


class Newcomer:
    """A project that `init` made, and the commands of the environment where the wheel is installed."""

    def __init__(self, python: pathlib.Path, folder: pathlib.Path) -> None:
        self.folder = folder
        self.log = folder / "dev.log"
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("ARTIFACT_", "PYTHON", "DAGSTER"))
        }
        self.environment |= {
            "DAGSTER_HOME": str(folder),
            "HOME": str(folder.parent),
            "PATH": f"{python.parent}:{os.environ['PATH']}",
        }
        for name in PROGRAMS:
            [entry] = importlib.metadata.entry_points(group="console_scripts", name=name)
            program = python.parent / name
            program.write_text(f"#!{python}\nfrom {entry.module} import {entry.attr} as main\nmain()\n")
            program.chmod(0o755)

    def run(self, name: str, *arguments: str, cwd: pathlib.Path | None = None) -> str:
        return self._finish([name, *arguments], cwd or self.folder)

    def shell(self, script: str) -> str:
        """Run a script of a shell in the project. The first command that fails ends it."""
        return self._finish(["bash", "-ec", script], self.folder)

    def _finish(self, command: Sequence[str], folder: pathlib.Path) -> str:
        done = subprocess.run(
            command,
            cwd=folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def versions(self, asset: str) -> list[dict[str, Any]]:
        try:
            return list(json.loads(self.run("artifact-pipelines", "history", asset, "--json")))
        except AssertionError:  # not made yet
            return []
