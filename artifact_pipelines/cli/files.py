"""Commands on files and assets: put, get, ls, show, history."""

import os
import pathlib
import shutil
import sys
import tempfile
from typing import Any, BinaryIO

import click
from rich.filesize import decimal
from rich.table import Table

from artifact_pipelines.cli.output import as_json_option, cell, console, print_json, print_rows
from artifact_pipelines.cli.store import open_the_store, waiting
from artifact_pipelines.core.exceptions import StorageFullError, StorageUnavailableError
from artifact_pipelines.core.types import FileId, FileInfo, Materialization

_PIECE_BYTES = 1 << 20


@click.command()
@click.argument("file", type=click.Path(path_type=pathlib.Path))
@as_json_option
def put(file: pathlib.Path, as_json: bool) -> None:
    """Store FILE and print its ID. The same content again gives the same ID and stores nothing."""
    with open_the_store() as store, waiting(f"Storing {file.name}"):
        file_id, is_new = store.put(file)
        info = store.info(file_id)
    if as_json:
        return print_json({**_file_row(info), "new": is_new})
    what = "new" if is_new else "duplicate, nothing stored"
    return click.echo(f"{file_id}\t{decimal(info.size_bytes)}, blake3 {info.content_hash[:12]}, {what}")


@click.command()
@click.argument("file_id", type=int)
@click.option("-o", "--output", type=click.Path(path_type=pathlib.Path), help="Write here; else to standard output.")
@as_json_option
def get(file_id: int, output: pathlib.Path | None, as_json: bool) -> None:
    """Write the bytes of the file with FILE_ID to a file or to standard output."""
    if output is None and (as_json or sys.stdout.isatty()):
        raise click.UsageError("The bytes would mix with text: name a file with -o.")
    with open_the_store() as store, store.open(file_id) as source:
        if output is None:
            return shutil.copyfileobj(source, sys.stdout.buffer, _PIECE_BYTES)
        with waiting(f"Writing {output.name}"):
            _write_whole(source, output)
        info = store.info(file_id)
    if as_json:
        return print_json({**_file_row(info), "output": str(output)})
    return click.echo(f"{output}: {decimal(info.size_bytes)}")


@click.command("ls")
@click.option("--files", is_flag=True, help="List stored files instead of assets.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="Rows at the most.")
@as_json_option
def list_(files: bool, limit: int, as_json: bool) -> None:
    """List what every asset holds now, or the newest files."""
    with open_the_store() as store:
        if files:
            rows = [_file_row(info) for info in store.catalog.files.list_files(limit)]
        else:
            rows = [_asset_row(m) for m in store.catalog.materializations.list_current(limit)]
    empty = "Nothing is stored yet. Try `make demo`, or `artifact-pipelines put FILE`."
    print_rows(rows, as_json, empty, only_json=("bytes_added", "mime_type"))


@click.command()
@click.argument("file_id", type=int)
@as_json_option
def show(file_id: FileId, as_json: bool) -> None:
    """Show all that is known of the file with FILE_ID, and who holds it."""
    with open_the_store() as store:
        info = store.info(file_id)
        facts = {**_file_row(info), "metadata": dict(info.metadata), "holders": store.catalog.files.holders(file_id)}
    if as_json:
        return print_json(facts)
    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        table.add_row(name, str(value) if name == "content_hash" else cell(name, value))
    return console().print(table)


@click.command()
@click.argument("asset")
@click.option("--partition", help="Only this partition.")
@as_json_option
def history(asset: str, partition: str | None, as_json: bool) -> None:
    """List the materializations of ASSET, newest first."""
    with open_the_store() as store:
        rows = [{**_asset_row(m), "run_id": m.run_id} for m in store.history(asset, partition)]
    print_rows(rows, as_json, empty="", only_json=("asset",))


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
