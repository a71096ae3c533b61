"""Runs commands as a shell does."""

import json
from typing import Any

import click.testing

from artifact_pipelines.cli.main import main


def run(*arguments: object, code: int = 0) -> str:
    """Run a command and return its output. Fails unless it exits with the code."""
    result = click.testing.CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


def run_json(*arguments: object) -> Any:
    """Run a command with `--json` and return the value that it prints."""
    return json.loads(run(*arguments, "--json"))
