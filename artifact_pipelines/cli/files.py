"""Commands on files and assets: put, get, ls, show, history."""

import pathlib
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import click
from rich.filesize import decimal
from rich.table import Table

from artifact_pipelines.cli.output import as_json_option, cell, console, print_json, print_rows
from artifact_pipelines.cli.store import open_the_store, progress_bar
from artifact_pipelines.core.retention import Version
from artifact_pipelines.core.types import FileId, FileInfo, Materialization, Publication
from artifact_pipelines.storage.exceptions import StorageFullError, StorageUnavailableError

_PIECE_BYTES = 1 << 20
_OF_CANDIDATES = (
    "A candidate becomes current when the sensor artifact_publisher, or a step that loads {asset}, sees that its "
    "checks have passed. `artifact-pipelines publish {asset} --version N` does not wait for them."
)

_OF_BOTH_KINDS = (
    "{asset} was made with and without partitions. Inputs load what its definition says: of what is from before that "
    "changed, nothing."
)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path))
@as_json_option
def put(file: pathlib.Path, as_json: bool) -> None:
    """Store FILE and print its ID. The same content again gives the same ID and stores nothing."""
    with open_the_store(may_be_new=True) as store, progress_bar(f"Storing {file.name}") as counted:
        file_id, is_new = store.put(file, counted)
        info = store.info(file_id)
    if as_json:
        return print_json({**_file_row(info), "new": is_new})
    what = "new" if is_new else "duplicate, nothing stored"
    return click.echo(f"{file_id}\t{decimal(info.size_bytes)}, blake3 {info.content_hash[:12]}, {what}")


@click.command()
@click.argument("file_id", type=int)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    help="Write here; else to standard output.",
)
@as_json_option
def get(file_id: int, output: pathlib.Path | None, as_json: bool) -> None:
    """Write the bytes of the file with FILE_ID to a file or to standard output."""
    if output is None and (as_json or sys.stdout.isatty()):
        raise click.UsageError("The bytes would mix with text: name a file with -o.")
    if output is not None and not output.parent.is_dir():
        raise click.BadParameter(f"There is no folder '{output.parent}' to write to.", param_hint="-o")
    target = "standard output" if output is None else output.name
    with open_the_store() as store, store.open(file_id) as source:
        with progress_bar(f"Writing {target}", beside_pipe=output is None) as counted:
            if output is None:
                return _write_out(counted(source))
            _write_whole(counted(source), output)
        info = store.info(file_id)
    if as_json:
        return print_json({**_file_row(info), "output": str(output)})
    return click.echo(f"{output}: {decimal(info.size_bytes)}")


@click.command("ls")
@click.option("--files", is_flag=True, help="List stored files instead of assets.")
@click.option("--ops", is_flag=True, help="Also outputs of ops that are no assets, as RUN/STEP/OUTPUT.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="Rows at the most.")
@as_json_option
def list_(files: bool, ops: bool, limit: int, as_json: bool) -> None:
    """List what every asset holds now, or the newest files."""
    if files and ops:
        raise click.UsageError("--ops lists assets, --files does not: leave one of them out.")
    with open_the_store() as store:
        listed: Sequence[FileInfo | Materialization]
        if files:
            empty = "No file is stored yet. Try `make demo`, or `artifact-pipelines put FILE`."
            listed = store.catalog.files.list_files(limit + 1)
        else:
            empty = (
                "No asset is stored yet. Try `make demo`; `artifact-pipelines ls --files` lists files without one, "
                "`ls --ops` outputs of ops."
            )
            listed = store.catalog.materializations.list_current(limit + 1, with_ops=ops)
    rows = [_file_row(one) if isinstance(one, FileInfo) else _asset_row(one) for one in listed[:limit]]
    if len(listed) > limit:
        click.echo(f"These are the first {limit:,}, there are more: --limit N.", err=True)
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
@click.option("--all", "with_released", is_flag=True, help="Also what was released and can still be restored.")
@as_json_option
def history(asset: str, partition: str | None, with_released: bool, as_json: bool) -> None:
    """List the materializations of ASSET, newest first."""
    with open_the_store() as store:
        versions = store.catalog.retention.versions(asset)
        catalog = store.catalog.materializations
        made = catalog.history(asset, partition, with_released=True) if with_released else None
        made = made or store.history(asset, partition)
        of_all = made if partition is None else store.history(asset)
    is_partitioned = _was_partitioned_last(of_all)
    kept = {(v.name.partition, v.name.version): _marks(v, is_partitioned) for v in versions}
    released = {(m.partition, m.version): "released" for m in made}
    marks = {**released, **kept}
    # Of the materializations of one content the newest bears the marks of their version.
    rows = [
        {
            **_asset_row(m),
            "run_id": m.run_id,
            "marks": marks.pop((m.partition, m.version), None),
            "state": m.publication_text,
        }
        for m in made
    ]
    print_rows(rows, as_json, empty="", only_json=("asset",))
    if not as_json and any(m.publication == Publication.CANDIDATE for m in made):
        click.echo(_OF_CANDIDATES.format(asset=asset))
    if not as_json and len({m.partition is None for m in of_all}) > 1:
        click.echo(_OF_BOTH_KINDS.format(asset=asset))


def _write_out(source: BinaryIO) -> None:
    with _target_errors("standard output"):
        shutil.copyfileobj(source, sys.stdout.buffer, _PIECE_BYTES)
        sys.stdout.buffer.flush()


def _was_partitioned_last(newest_first: Sequence[Materialization]) -> bool:
    """Whether an asset had partitions when a run made it last: the catalog does not know how it is defined now."""
    return next((m for m in newest_first if m.run_id), newest_first[0]).partition is not None


def _marks(version: Version, is_partitioned: bool) -> str | None:
    """What keeps a version, as far as people said so."""
    current = "current"
    if (version.name.partition is not None) != is_partitioned:
        current = "current if unpartitioned" if is_partitioned else "current if partitioned"
    marks = [*([current] if version.is_current else []), *(["pinned"] if version.is_pinned else []), *version.tags]
    return ", ".join(marks) or None


def _write_whole(source: BinaryIO, output: pathlib.Path) -> None:
    """Write beside the target and move: a reader of the target never sees half of it. A device is written to."""
    with _target_errors(str(output)):
        if output.exists() and not output.is_file():
            with output.open("wb") as device:
                return shutil.copyfileobj(source, device, _PIECE_BYTES)
        partial = output.with_name(f".{output.name[:50]}.{secrets.token_hex(8)}")
        try:
            with partial.open("xb") as sink:
                shutil.copyfileobj(source, sink, _PIECE_BYTES)
            partial.replace(output)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def _target_errors(where: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read has enough; click ends quietly
    except OSError as error:
        if error.errno == 28:
            raise StorageFullError(where) from error
        raise StorageUnavailableError(where, error.strerror or str(error)) from error


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
