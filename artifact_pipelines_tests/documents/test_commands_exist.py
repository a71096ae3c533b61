"""Each command of ours in the documents and in messages exists, with its options."""

import functools
import pathlib
import re
import shlex
from collections.abc import Mapping
from typing import Any

import click
import pytest
from dagster._cli import create_dagster_cli
from dagster_dg_cli.cli import create_dg_cli

from artifact_pipelines.cli.main import main
from artifact_pipelines_tests.documents.reading import DOCUMENTS, PROGRAM, ROOT, commands_of, commands_of_messages

SOURCES = sorted((ROOT / "artifact_pipelines").rglob("*.py"))


_PROGRAMS: Mapping[str, Any] = {"artifact-pipelines": lambda: main, "dg": create_dg_cli, "dagster": create_dagster_cli}


@functools.cache
def program(name: str) -> click.Command:
    made: click.Command = _PROGRAMS[name]()
    return made


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def check(command: str) -> None:
    """Fail unless each alternative of a command exists, and has its options."""
    name, _, rest = command.partition(" ")
    if name == "make":
        words = [word for word in rest.split() if "=" not in word]
        assert set(words) <= targets(), command
        return
    above: list[click.Command] = [program(name)]
    plain = re.sub(r"\[[^\]]*\]", lambda choice: choice[0].replace("|", " "), rest)
    plain = re.sub(r"[\[\]]|\.\.\.|…", " ", plain)
    if name == "dg" and plain.startswith("scaffold "):
        return  # its subcommands are the components that a project has; the test of the first week runs it
    for number, form in enumerate(re.split(r" \| (?![^']*'(?:[^']*'[^']*')*[^']*$)", plain)):
        words = shlex.split(form)
        if number and not words:
            continue
        if number and not any(_subcommand(group, words[0]) for group in above):
            pytest.fail(f"{command}: {words[0]} is no command")
        group = next(group for group in reversed(above) if number == 0 or _subcommand(group, words[0]))
        above = [*above[: above.index(group)], group]
        while words and (found := _subcommand(group, words[0])):
            group, words = found, words[1:]
            if isinstance(group, click.Group):
                above.append(group)
        if isinstance(group, click.Group):
            assert not words or words[0].startswith("-"), f"{command}: {words[0]} is no command"
        options = [option for parameter in group.params for option in (*parameter.opts, *parameter.secondary_opts)]
        asked = [word.partition("=")[0] for word in words if word.startswith("-") and len(word) > 1]
        assert set(asked) <= {*options, "--help", "--version"}, command


def _subcommand(group: click.Command, word: str) -> click.Command | None:
    return group.get_command(click.Context(group), word) if isinstance(group, click.Group) else None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_each_command_in_a_document_exists_with_its_options(document: pathlib.Path) -> None:
    for command in commands_of(document):
        if re.match(f"{PROGRAM} ", command):
            check(command)


def test_each_command_in_a_message_exists_with_its_options() -> None:
    found = [command for source in SOURCES for command in commands_of_messages(source)]
    assert len(found) > 50
    for command in found:
        check(command)


@pytest.mark.parametrize("wrong", ["make nothing", "dg check nothing", "artifact-pipelines gc --gentle | pin A"])
def test_wrong_command_is_found(wrong: str) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(wrong)
