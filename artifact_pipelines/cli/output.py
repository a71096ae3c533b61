"""What commands print: tables that one likes to read, JSON for programs."""

import dataclasses
import datetime
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from artifact_pipelines.core.durations import spell_duration

_ABBREVIATED = ("content_hash", "run_id")
_TITLES = {"content_hash": "content", "run_id": "run", "file_id": "file", "created_at": "created", "age_s": "age"}
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of a table.")


def print_rows(rows: Sequence[Mapping[str, Any]], as_json: bool, empty: str, only_json: Sequence[str]) -> None:
    """Print rows as a table, or as JSON; columns that no row fills are left out of the table."""
    if as_json:
        return print_json(rows)
    if not rows:
        return click.echo(empty)
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    names = [name for name in rows[0] if name not in only_json and any(row[name] is not None for row in rows)]
    for name in names:
        numeric = any(isinstance(row[name], int) for row in rows)
        title = _TITLES.get(name, name.removesuffix("_bytes"))
        # A name is folded rather than cut off.
        table.add_column(title, justify="right" if numeric else "left", no_wrap=name != "asset", overflow="fold")
    for row in rows:
        table.add_row(*(cell(name, row[name]) for name in names))
    return console().print(table)


def console() -> Console:
    """Return the terminal, or a pipe as wide as it takes: what a program reads is never cut off."""
    return Console(markup=False, width=None if sys.stdout.isatty() else 1000)


def cell(name: str, value: object) -> str:
    """Return a value as a table shows it; its name tells what it is."""
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        is_recent = datetime.datetime.now(datetime.UTC) - value < datetime.timedelta(days=180)
        return value.astimezone().strftime("%b %d %H:%M" if is_recent else "%b %d  %Y")  # as `ls -l` does
    if isinstance(value, int) and name.endswith(("_bytes", "bytes_added")):
        return decimal(value)
    if isinstance(value, int) and name == "age_s":
        return spell_duration(value)
    if isinstance(value, int) and name == "rows":
        return f"{value:,}"
    if name in _ABBREVIATED:
        return str(value)[:8]
    return json.dumps(value) if isinstance(value, dict) else ", ".join(value) if isinstance(value, list) else str(value)


def print_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return list(value) if isinstance(value, Sequence) else str(value)
