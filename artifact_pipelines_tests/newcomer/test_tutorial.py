"""Every command and file of the tutorial is run, in order, in a new folder.

One idea: a block `console` holds commands after `$`, and below each what it prints; `…` stands for any text. A block
with a title is a file. Instead of `dagster dev`, the test does the work of Dagster's daemon after each command.
"""

import importlib
import os
import pathlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click.testing
import dagster as dg
import pytest

from artifact_pipelines.cli.main import main
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.demo import Daemon
from artifact_pipelines_tests.project import without_waiting

TUTORIAL = (pathlib.Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()


class Reader:
    """Follows the tutorial: types its commands, and writes its files."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._daemon: Daemon | None = None

    def type(self, command: str) -> str:
        """Run a command as a shell does, let Dagster do what follows, and return what the command has printed."""
        program, *arguments = shlex.split(command)
        if program == "cd":
            os.chdir(arguments[0])
            return ""
        if program == "dagster":
            return self._start_dagster()
        if program == "export":
            return ""
        if program == "artifact-pipelines":
            printed = click.testing.CliRunner().invoke(main, arguments)
            assert printed.exit_code == 0, f"{command}: {printed.output}"
            return printed.output
        if program == "dg" and arguments[0] == "launch":
            return self._launch(arguments[-1])
        if program == "dg":
            return self._check_definitions()
        subprocess.run(command, shell=True, check=True)
        if self._daemon:
            self._daemon.settle()
        return ""

    def write(self, name: str, text: str) -> None:
        (pathlib.Path.cwd() / name).write_text(text)

    def _definitions(self) -> dg.Definitions:
        for name in [name for name in sys.modules if name.partition(".")[0] == "my_project"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        loaded: dg.Definitions = importlib.import_module("my_project.definitions").defs()
        return loaded

    def _check_definitions(self) -> str:
        dg.Definitions.validate_loadable(self._definitions())
        return "All definitions loaded successfully."

    def _start_dagster(self) -> str:
        definitions = self._definitions()
        self._daemon = Daemon(definitions, without_waiting(Settings.from_environment()), self._instance)
        return ""

    def _launch(self, asset: str) -> str:
        job = self._definitions().resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(asset_selection=[dg.AssetKey(asset)], instance=self._instance)
        assert result.success
        return ""


def steps() -> Iterator[tuple[str, str, str]]:
    """Yield each command with what it prints, and each file with its text."""
    for info, text in re.findall(r"^```(.*?)\n(.*?)^```", TUTORIAL, re.MULTILINE | re.DOTALL):
        if title := re.search(r'title="(.*?)"', info):
            yield "file", title[1], text
        if info == "console":
            for one in text.removeprefix("$ ").split("\n$ "):
                command, _, printed = one.partition("\n")
                yield "command", command, printed.strip()


def is_like(printed: str, expected: str) -> bool:
    """Return whether the output is the expected one, where `…` is any text, and spaces do not count."""
    pattern = ".*".join(re.escape(" ".join(part.split())) for part in expected.split("…"))
    return re.search(pattern, " ".join(printed.split())) is not None


@pytest.mark.long
@pytest.mark.timeout(900)
def test_tutorial_does_what_it_says(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ARTIFACT_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "first_steps" / "my_project")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "first_steps" / "my_project"))
    with dg.DagsterInstance.ephemeral() as instance:
        reader = Reader(instance)
        done = list(steps())
        assert len(done) > 20
        for kind, what, text in done:
            if kind == "file":
                reader.write(what, text)
            else:
                printed = reader.type(what)
                assert is_like(printed, text), f"$ {what}\nprinted:\n{printed}\nexpected:\n{text}"
