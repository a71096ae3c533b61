"""Commands that store a file and write it back: put, get."""

import os
import pathlib
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import click
from rich.filesize import decimal

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.names import NAME, NAME_HELP
from artifact_pipelines.cli.terminal import as_json_option, file_row, print_json, stream_progress
from artifact_pipelines.core.types import FileState
from artifact_pipelines.storage.exceptions import UnwritableTargetError

_PIECE_BYTES = 1 << 20
_OUTCOMES = {
    FileState.PENDING: "new",
    FileState.STORED: "duplicate, nothing stored",
    FileState.DAMAGED: "healed: its bytes were missing or damaged",
}


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path))
@as_json_option
def put(file: pathlib.Path, as_json: bool) -> None:
    r"""Store FILE and print its ID.

    Storing the same content again prints the same ID and adds nothing.

    \b
    Examples:
      artifact-pipelines put report.html
    """
    with open_store(may_be_new=True) as store, stream_progress(f"Storing {file.name}") as counted:
        file_id, before = store.put(file, counted)
        info = store.info(file_id)
    if as_json:
        healed = before == FileState.DAMAGED
        return print_json({**file_row(info), "new": before == FileState.PENDING, "healed": healed})
    return click.echo(f"{file_id}\t{decimal(info.size_bytes)}, blake3 {info.content_hash[:12]}, {_OUTCOMES[before]}")


@click.command(epilog=NAME_HELP)
@click.argument("name", type=NAME)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    help="Write to this file. Default: standard output.",
)
@as_json_option
def get(name: str, output: pathlib.Path | None, as_json: bool) -> None:
    r"""Write the bytes of a stored file to disk or standard output.

    \b
    Examples:
      artifact-pipelines get flights/table@v3 -o flights.parquet
      artifact-pipelines get 7 -o copy.csv
    """
    if output is None and (as_json or sys.stdout.isatty()):
        raise click.UsageError("The bytes would mix with text: name a file with -o.")
    if output is not None:
        check_folder(output)
    with open_store() as store:
        info = store.find_file(name)
        with store.open(info.file_id) as source:
            if output is None:  # without a bar: the other end of a pipe may print on the same terminal
                return write_to_standard_output(source)
            with stream_progress(f"Writing {output.name}") as counted, whole_file(output) as sink:
                shutil.copyfileobj(counted(source), sink, _PIECE_BYTES)
    if as_json:
        return print_json({**file_row(info), "output": str(output)})
    return click.echo(f"{output}: {decimal(info.size_bytes)}")


def check_folder(output: pathlib.Path) -> None:
    """Refuse a target whose folder does not exist."""
    if not output.parent.is_dir():
        raise click.BadParameter(f"There is no folder '{output.parent}' to write to.", param_hint="-o")


def write_to_standard_output(source: BinaryIO) -> None:
    """Copy a stream to standard output.

    Raises:
        UnwritableTargetError: It takes no more; a reader that has enough is no error.
    """
    try:
        with _target_errors("standard output"):
            shutil.copyfileobj(source, sys.stdout.buffer, _PIECE_BYTES)
            sys.stdout.buffer.flush()
    except UnwritableTargetError:
        # At its end the interpreter writes what is left in the buffer: it would fail with a code of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


@contextmanager
def whole_file(output: pathlib.Path) -> Iterator[BinaryIO]:
    """Yield a stream beside the target that is renamed at the end, so that a reader never sees half a file.

    A device is written directly.
    """
    with _target_errors(str(output)):
        if output.exists() and not output.is_file():
            with output.open("wb") as device:
                yield device
            return
        partial = output.with_name(f".{output.name[:50]}.{secrets.token_hex(8)}")
        try:
            with partial.open("xb") as sink:
                yield sink
            partial.replace(output)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def _target_errors(where: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # the reader has enough; click ends quietly
    except OSError as error:
        raise UnwritableTargetError(where, error.strerror or str(error)) from error
