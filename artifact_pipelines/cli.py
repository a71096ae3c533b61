"""The command line: `artifact-pipelines put | get | ls | show | history | db`.

Exit codes for scripts: 0 done, 2 wrong usage, 3 not found, 4 stored data damaged, 5 bad input file, 6 storage or
catalog not available.
"""

import dataclasses
import datetime
import json
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import click
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from artifact_pipelines.core.exceptions import (
    ArtifactError,
    BackendError,
    IntegrityError,
    NotFoundError,
    SourceError,
    StorageFullError,
    StorageUnavailableError,
    UsageError,
)
from artifact_pipelines.core.types import FileId, FileInfo, Materialization

if TYPE_CHECKING:
    from artifact_pipelines.store import Store

EXIT_CODES: Mapping[type[ArtifactError], int] = {
    UsageError: 2,
    NotFoundError: 3,
    IntegrityError: 4,
    SourceError: 5,
    BackendError: 6,
}
_ABBREVIATED = ("content_hash", "run_id")
_TITLES = {"content_hash": "content", "run_id": "run", "file_id": "file", "created_at": "created"}
_PIECE_BYTES = 1 << 20
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of a table.")


class _Group(click.Group):
    """A group whose commands end with the exit code of the error that stopped them."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ArtifactError as error:
            Console(stderr=True, soft_wrap=True).print(f"[red]{type(error).__name__}[/]:", str(error), highlight=False)
            ctx.exit(next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind)))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="artifact-pipelines", prog_name="artifact-pipelines")
def main() -> None:
    """Look into the artifact store: what is in it, where it came from, and what changed.

    ARTIFACT_CATALOG_URL and ARTIFACT_STORAGE_URL say which store; without them, the one in the project's state folder.
    """


@main.command()
@click.argument("file", type=click.Path(path_type=pathlib.Path))
@_as_json
def put(file: pathlib.Path, as_json: bool) -> None:
    """Store FILE and print its ID. The same content again gives the same ID and stores nothing."""
    with _store() as store, _waiting(f"Storing {file.name}"):
        file_id, is_new = store.put(file)
        info = store.info(file_id)
    if as_json:
        return _print_json({**_file_row(info), "new": is_new})
    what = "new" if is_new else "duplicate, nothing stored"
    return click.echo(f"{file_id}\t{decimal(info.size_bytes)}, blake3 {info.content_hash[:12]}, {what}")


@main.command()
@click.argument("file_id", type=int)
@click.option("-o", "--output", type=click.Path(path_type=pathlib.Path), help="Write here; else to standard output.")
@_as_json
def get(file_id: int, output: pathlib.Path | None, as_json: bool) -> None:
    """Write the bytes of the file with FILE_ID to a file or to standard output."""
    if output is None and (as_json or sys.stdout.isatty()):
        raise click.UsageError("The bytes would mix with text: name a file with -o.")
    with _store() as store, store.open(file_id) as source:
        if output is None:
            return shutil.copyfileobj(source, sys.stdout.buffer, _PIECE_BYTES)
        with _waiting(f"Writing {output.name}"):
            _write_whole(source, output)
        info = store.info(file_id)
    if as_json:
        return _print_json({**_file_row(info), "output": str(output)})
    return click.echo(f"{output}: {decimal(info.size_bytes)}")


@main.command("ls")
@click.option("--files", is_flag=True, help="List stored files instead of assets.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="Rows at the most.")
@_as_json
def list_(files: bool, limit: int, as_json: bool) -> None:
    """List what every asset holds now, or the newest files."""
    with _store() as store:
        if files:
            rows = [_file_row(info) for info in store.catalog.files.list_files(limit)]
        else:
            rows = [_asset_row(m) for m in store.catalog.materializations.list_current(limit)]
    empty = "Nothing is stored yet. Try `make demo`, or `artifact-pipelines put FILE`."
    _print_rows(rows, as_json, empty, only_json=("bytes_added", "mime_type"))


@main.command()
@click.argument("file_id", type=int)
@_as_json
def show(file_id: FileId, as_json: bool) -> None:
    """Show all that is known of the file with FILE_ID, and who holds it."""
    with _store() as store:
        info = store.info(file_id)
        facts = {**_file_row(info), "metadata": dict(info.metadata), "holders": store.catalog.files.holders(file_id)}
    if as_json:
        return _print_json(facts)
    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        table.add_row(name, str(value) if name == "content_hash" else _cell(name, value))
    return _console().print(table)


@main.command()
@click.argument("asset")
@click.option("--partition", help="Only this partition.")
@_as_json
def history(asset: str, partition: str | None, as_json: bool) -> None:
    """List the materializations of ASSET, newest first."""
    with _store() as store:
        rows = [{**_asset_row(m), "run_id": m.run_id} for m in store.history(asset, partition)]
    _print_rows(rows, as_json, empty="", only_json=("asset",))


@main.group()
def db() -> None:
    """Look after the catalog's schema."""


@db.command()
def upgrade() -> None:
    """Bring the catalog's schema up to date."""
    from artifact_pipelines.catalog import schema

    with _engine() as engine:
        before = schema.current_revision(engine)
        schema.upgrade(engine)
    click.echo(f"Schema: {before or 'none'} -> {schema.HEAD_REVISION}")


@db.command()
@_as_json
def current(as_json: bool) -> None:
    """Print the revision of the catalog's schema, and the one that this version needs."""
    from artifact_pipelines.catalog import schema

    with _engine() as engine:
        found = schema.current_revision(engine)
    if as_json:
        return _print_json({"current": found, "needed": schema.HEAD_REVISION})
    return click.echo(f"{found or 'none'} (needed: {schema.HEAD_REVISION})")


@contextmanager
def _engine() -> Iterator[Any]:
    from artifact_pipelines.catalog.engine import make_engine
    from artifact_pipelines.core.settings import Settings

    engine = make_engine(Settings.from_environment().catalog_url)
    try:
        yield engine
    finally:
        engine.dispose()


def _store() -> "Store":
    from artifact_pipelines.store import open_store

    return open_store()


@contextmanager
def _waiting(text: str) -> Iterator[None]:
    """Show that work goes on while a person watches; print nothing into a pipe."""
    with Console(stderr=True).status(text):
        yield


def _write_whole(source: BinaryIO, output: pathlib.Path) -> None:
    """Write beside the target and move: a reader of the target never sees half of it."""
    try:
        handle, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name[:50]}.")
        try:
            with os.fdopen(handle, "wb") as sink:
                shutil.copyfileobj(source, sink, _PIECE_BYTES)
            pathlib.Path(name).chmod(0o644)
            pathlib.Path(name).replace(output)
        finally:
            pathlib.Path(name).unlink(missing_ok=True)
    except OSError as error:
        if error.errno == 28:
            raise StorageFullError(str(output.parent)) from error
        raise StorageUnavailableError(str(output), error.strerror or str(error)) from error


def _file_row(info: FileInfo) -> dict[str, Any]:
    return {
        "file_id": info.file_id,
        "content_hash": info.content_hash,
        "size_bytes": info.size_bytes,
        "file_type": info.file_type,
        "compression_type": info.compression_type,
        "mime_type": info.mime_type,
        "state": info.state.value,
        "reference_count": info.reference_count,
        "created_at": info.created_at,
    }


def _asset_row(materialization: Materialization) -> dict[str, Any]:
    return {
        "asset": materialization.asset,
        "partition": materialization.partition,
        "version": materialization.version,
        "file_id": materialization.file.file_id,
        "content_hash": materialization.file.content_hash,
        "rows": materialization.row_count,
        "size_bytes": materialization.file.size_bytes,
        "bytes_added": materialization.bytes_added,
        "created_at": materialization.created_at,
    }


def _print_rows(rows: Sequence[Mapping[str, Any]], as_json: bool, empty: str, only_json: Sequence[str]) -> None:
    if as_json:
        return _print_json(rows)
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
        table.add_row(*(_cell(name, row[name]) for name in names))
    return _console().print(table)


def _console() -> Console:
    """Return the terminal, or a pipe as wide as it takes: what a program reads is never cut off."""
    return Console() if sys.stdout.isatty() else Console(width=1000)


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        is_recent = datetime.datetime.now(datetime.UTC) - value < datetime.timedelta(days=180)
        return value.astimezone().strftime("%b %d %H:%M" if is_recent else "%b %d  %Y")  # as `ls -l` does
    if isinstance(value, int) and name.endswith(("_bytes", "bytes_added")):
        return decimal(value)
    if isinstance(value, int) and name == "rows":
        return f"{value:,}"
    if name in _ABBREVIATED:
        return str(value)[:8]
    return json.dumps(value) if isinstance(value, dict) else ", ".join(value) if isinstance(value, list) else str(value)


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return list(value) if isinstance(value, Sequence) else str(value)
