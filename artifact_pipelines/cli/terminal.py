"""How commands talk to people and programs: shared options, tables that one likes to read, JSON, and progress.

Most of rich is imported where it is used: `--help` shall not wait for it.
"""

import dataclasses
import datetime
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import click
from rich.filesize import decimal

from artifact_pipelines.core.durations import spell_duration
from artifact_pipelines.core.types import CONTAINER, FileInfo, Materialization

if TYPE_CHECKING:
    from rich import progress as bars
    from rich.console import Console

_ABBREVIATED = ("content_hash", "run_id")
# Too long for a line; the others are never broken.
_FOLDED = ("asset", "expected", "found", "hits", "members", "reason", "where")
_TITLES = {
    "content_hash": "content",
    "run_id": "run",
    "file_id": "file",
    "created_at": "created",
    "age_s": "age",
    "dropped_at": "dropped",
    "table_version": "table version",
}

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
partition_option = click.option("--partition", help="Only this partition of ASSET.")
version_option = click.option(
    "--version", type=click.IntRange(min=1), help="Number in `history`. Default: the current version."
)


class Share(click.ParamType[float]):
    """A percentage or a fraction: `10%` or `0.1`."""

    name = "share"

    def __init__(self, may_be_zero: bool) -> None:
        self._may_be_zero = may_be_zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType`."""
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not (0 <= share <= 1 and (share or self._may_be_zero)):
            wanted = "from 0% to 100%" if self._may_be_zero else "above 0% and up to 100%"
            self.fail(f"{text} is not a share {wanted}: write 10% or 0.1.", param, ctx)
        return share


def console(to_standard_error: bool = False) -> "Console":
    """Return a console on standard output. A pipe is wide, so that programs read whole lines."""
    from rich.console import Console

    stream = sys.stderr if to_standard_error else sys.stdout
    return Console(markup=False, stderr=to_standard_error, width=None if stream.isatty() else 1000)


def print_rows(
    rows: Sequence[Mapping[str, Any]], only_json: Sequence[str] = (), to_standard_error: bool = False
) -> None:
    """Print rows, at least one, as a table without the columns `only_json` and those that are empty in every row."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    names = [name for name in rows[0] if name not in only_json and any(row[name] is not None for row in rows)]
    for name in names:
        numeric = any(isinstance(row[name], int) for row in rows)
        title = _TITLES.get(name, name.removesuffix("_bytes"))
        table.add_column(title, justify="right" if numeric else "left", no_wrap=name not in _FOLDED, overflow="fold")
    for row in rows:
        table.add_row(*(cell(name, row[name]) for name in names))
    console(to_standard_error).print(table)


def cell(name: str, value: object) -> str:
    """Return a value as a table shows it. The name of its column decides on units."""
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M %Z")
    if isinstance(value, int) and name.endswith(("_bytes", "bytes_added")):
        return decimal(value)
    if isinstance(value, int) and name == "age_s":
        return spell_duration(value)
    if isinstance(value, int) and name == "rows":
        return f"{value:,}"
    if name in _ABBREVIATED:
        return str(value)[:8]
    text = json.dumps(value) if isinstance(value, dict) else ", ".join(value) if isinstance(value, list) else str(value)
    return printable(text)


def printable(text: str) -> str:
    """Return the text with control characters escaped: names and values of strangers must not steer a terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def print_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return list(value) if isinstance(value, Sequence) else str(value)


def file_row(info: FileInfo) -> dict[str, Any]:
    """Return the columns of a file."""
    types = ("file_type", "compression_type", "mime_type")
    names = ("file_id", "content_hash", "size_bytes", *types, "state", "reference_count", "created_at")
    return {name: getattr(info, name) for name in names}


def asset_row(materialization: Materialization) -> dict[str, Any]:
    """Return the columns of a materialization; of a container its first file, and the file ID of each member."""
    m, file = materialization, materialization.file
    container = m.metadata.get(CONTAINER)
    names = {"asset": m.asset, "partition": m.partition, "version": m.version, "file_id": file.file_id}
    content_hash = file.content_hash if container is None else None
    size_bytes = sum({one.file_id: one.size_bytes for one in m.files}.values())
    sizes = {"rows": m.row_count, "size_bytes": size_bytes, "bytes_added": m.bytes_added}
    names_of = [name for name, _ in container["members"]] if container else []
    members = dict(zip(names_of, (one.file_id for one in m.files), strict=True)) if container else None
    return {**names, "content_hash": content_hash, **sizes, "created_at": m.created_at, "members": members}


@contextmanager
def waiting(text: str) -> Iterator[Callable[[str], object]]:
    """Show that work goes on while a person watches. Yields a function that changes the text."""
    from rich.console import Console

    with Console(stderr=True).status(text) as status:
        yield status.update


@contextmanager
def row_progress(text: str) -> Iterator[Callable[[int], object]]:
    """Count rows while a person watches. Yields a function that takes the number of further rows."""
    from rich import progress as bars

    with _progress(bars.MofNCompleteColumn(), bars.TimeElapsedColumn()) as progress:
        task = progress.add_task(text, total=None)
        yield lambda rows: progress.advance(task, rows)


@contextmanager
def byte_progress(text: str) -> Iterator[Callable[[int, int], object]]:
    """Show a bar of bytes while a person watches. Yields a function that takes the bytes done and those expected."""
    with _progress() as progress:
        task = progress.add_task(text)
        yield lambda done, expected: progress.update(task, completed=done, total=max(done, expected))


@contextmanager
def stream_progress(text: str) -> Iterator[Callable[[BinaryIO], BinaryIO]]:
    """Show a bar of bytes while a person watches. Yields a function that makes a seekable stream count its reads."""
    with _progress() as progress:

        def counted(stream: BinaryIO) -> BinaryIO:
            size_bytes = stream.seek(0, io.SEEK_END)
            stream.seek(0)
            return progress.wrap_file(stream, size_bytes, description=text)

        yield counted


def _progress(*columns: "bars.ProgressColumn") -> "bars.Progress":
    """Return a display on standard error, by default of bytes, which prints nothing where nobody watches."""
    from rich import progress as bars
    from rich.console import Console

    of_bytes = (bars.BarColumn(), bars.DownloadColumn(), bars.TransferSpeedColumn(), bars.TimeRemainingColumn())
    label = bars.TextColumn("{task.description}", markup=False)
    return bars.Progress(
        label, *(columns or of_bytes), console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    )
