"""The project of a newcomer, and the commands of the environment where the wheel is installed."""

import importlib.metadata
import json
import os
import pathlib
import subprocess
from typing import Any

from artifact_pipelines_tests.web_server import PATIENCE_S


class Newcomer:
    """A project that `init` made, and the commands of the environment where the wheel is installed."""

    def __init__(self, python: pathlib.Path, folder: pathlib.Path) -> None:
        self.folder = folder
        self.log = folder / "dev.log"
        self._python = python
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("ARTIFACT_", "PYTHON", "DAGSTER"))
        }
        self.environment |= {"DAGSTER_HOME": str(folder), "PATH": f"{python.parent}:{os.environ['PATH']}"}

    def command(self, name: str, *arguments: str) -> list[str]:
        [entry] = importlib.metadata.entry_points(group="console_scripts", name=name)
        code = f"import sys; from {entry.module} import {entry.attr} as main; sys.argv[0] = {name!r}; main()"
        return [str(self._python), "-c", code, *arguments]

    def run(self, name: str, *arguments: str, cwd: pathlib.Path | None = None) -> str:
        done = subprocess.run(
            self.command(name, *arguments),
            cwd=cwd or self.folder,
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
