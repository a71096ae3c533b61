"""Finds commands and code in the documents.

A command is a line of a code block, or stands between backticks. It may be a form: `[…]` can be left out, `a | b` are
commands to choose from, and what follows two blanks or a `#` says what it does. Between backticks, `gc --dry-run` is
short for `artifact-pipelines gc --dry-run`.
"""

import pathlib
import re
from collections.abc import Iterator

from artifact_pipelines.cli.main import main

ROOT = pathlib.Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAM = r"(?:artifact-pipelines|dagster|dg|make)"
_OTHER = (
    "pip|/opt/\\S+/pip|python3|cd|cp|mkdir|printf|export|eval|curl|openssl|psql|b3sum|install|useradd|systemctl"
    "|journalctl|systemd-analyze|ssh|docker|kubectl|helm|apt-get|dask|dagster-celery"
)
_BLOCK = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_LINE = re.compile(rf"^ *(?:\$ )?((?:\w+=\S+ )*(?:{PROGRAM}|{_OTHER}) .*)$")
_SPAN = re.compile(rf"`((?:{PROGRAM}|{_OTHER}) [^`]+)`")
_SHORT = re.compile(rf"`((?:{'|'.join(sorted(main.commands))}) [^`:=]+)`")


def blocks(file: pathlib.Path, language: str) -> list[str]:
    """Return the code blocks of a document in a language; those of a shell have none, or `console`."""
    return [text for name, text in _BLOCK.findall(file.read_text()) if name == language]


def commands_of(document: pathlib.Path) -> Iterator[str]:
    """Yield the commands and forms in a document."""
    for block in (*blocks(document, ""), *blocks(document, "console")):
        for line in re.sub(r"\\\n *", " ", block).splitlines():
            if found := _LINE.match(line):
                yield from re.split(r"  +|\s#", found[1])[0].strip().split(" && ")
    text = re.sub(r"\s+", " ", _BLOCK.sub("", document.read_text()))
    yield from _SPAN.findall(text)
    for short in _SHORT.findall(text):
        yield f"artifact-pipelines {short}"


def commands_of_messages(source: pathlib.Path) -> Iterator[str]:
    """Yield the commands in the messages and docstrings of a module."""
    for span in re.findall(rf"`({PROGRAM} [^`]+)`", source.read_text()):
        yield span.split(" {", 1)[0]  # a message fills in a name
