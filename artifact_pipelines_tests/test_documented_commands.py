"""Each command in the documents and in messages exists, with its options; those about `flights` are run.

The tutorial's commands are run by a test of their own, in order. Here, a command is found at the start of a line of a
code block, or between backticks. It may be a form: `[…]` can be left out, `a | b` are commands to choose from, and what
follows two blanks or a `#` says what it does.
"""

import functools
import pathlib
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import click
import click.testing
import dagster as dg
import pytest
from dagster._cli import create_dagster_cli
from dagster_dg_cli.cli import create_dg_cli

from artifact_pipelines.cli.main import main
from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.project import CSV, Project

ROOT = pathlib.Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = sorted((ROOT / "artifact_pipelines").rglob("*.py"))
_PROGRAM = r"(?:artifact-pipelines|dagster|dg|make)"
_BLOCK = re.compile(r"^ *```\w*[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_LINE = re.compile(rf"^ *(?:\$ )?(?:cd \w+ && )?(?:\w+=\S+ )*({_PROGRAM} .*)$", re.MULTILINE)
_SPAN = re.compile(rf"`({_PROGRAM} [^`]+)`")
_FORM = re.compile(r"[\[\]|…<>]|\.\.\.|\b[A-Z_]{2,}\b|\bN\b")
_NOT_RUN = ("--open", "serve", "import", "init", "restore", "rebuild", "infer", "drop")
"""Those that open a browser, do not end, or need a project, a file or an empty catalog."""


def commands_of(file: pathlib.Path) -> Iterator[str]:
    """Yield the commands and forms in a file."""
    text = file.read_text()
    if file.suffix == ".md":
        for block in _BLOCK.findall(text):
            for line in _LINE.findall(block.replace("\\\n", " ")):
                yield re.split(r"  +|\s#", line)[0].strip()
        text = _BLOCK.sub("", text).replace("\n", " ")
    for span in _SPAN.findall(text):
        yield span.split(" {", 1)[0] if file.suffix == ".py" else span  # a message fills in a name


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
        check(command)


def test_each_command_in_a_message_exists_with_its_options() -> None:
    found = [command for source in SOURCES for command in commands_of(source)]
    assert len(found) > 50
    for command in found:
        check(command)


@pytest.mark.parametrize("wrong", ["make nothing", "dg check nothing", "artifact-pipelines gc --gentle | pin A"])
def test_wrong_command_is_found(wrong: str) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(wrong)


def runnable() -> list[str]:
    """Return the commands of the documents that are about a store with `flights`, in their order."""
    documents = [document for document in DOCUMENTS if document.name != "tutorial.md"]
    found = dict.fromkeys(command for document in documents for command in commands_of(document))
    ours = [command for command in found if command.startswith("artifact-pipelines ")]
    return [
        command
        for command in ours
        if not _FORM.search(command.replace("SELECT", "")) and not set(command.split()) & set(_NOT_RUN)
    ]


def test_commands_about_flights_do_what_they_say(
    settings: Settings, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))  # `doctor` asks for it
    (tmp_path / "dagster.yaml").touch()
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(settings, instance, report=True)
        for number in range(3):
            project.drop(CSV + f"DL,{number + 7},1\n")
            project.settle()
    for command in runnable():
        result = click.testing.CliRunner().invoke(main, shlex.split(command)[1:])
        assert result.exit_code == 0, f"{command}: {result.output}"
