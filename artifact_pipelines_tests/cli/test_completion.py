"""The command completion."""

import click
import click.testing
import pytest

from artifact_pipelines.cli.main import main
from artifact_pipelines_tests.cli.commands import run


@pytest.mark.usefixtures("towns")
def test_shells_complete_commands_and_names_of_assets(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "_ARTIFACT_PIPELINES_COMPLETE=bash_complete" in run("completion", "bash")
    monkeypatch.setenv("COMP_WORDS", "artifact-pipelines show tow")
    monkeypatch.setenv("COMP_CWORD", "2")
    completed = click.testing.CliRunner().invoke(
        main, env={"_ARTIFACT_PIPELINES_COMPLETE": "bash_complete"}, prog_name="artifact-pipelines"
    )
    assert [line.split(",")[1] for line in completed.output.split()] == ["towns/report", "towns/table"]
