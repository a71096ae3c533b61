"""How commands reach the store and the catalog: opened when needed, closed at the end, the wait shown."""

import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from rich.console import Console

if TYPE_CHECKING:
    from artifact_pipelines.store import Store


def catalog_url(may_be_new: bool = False) -> str:
    """Return where the catalog is that the environment names.

    Args:
        may_be_new: Whether the command begins a catalog where there is none; any other leaves a wrong place as it is.

    Raises:
        NoCatalogError: There is none, and it may not be new.
    """
    from artifact_pipelines.catalog.engine import check_is_there
    from artifact_pipelines.core.settings import Settings

    url = Settings.from_environment().catalog_url
    if not may_be_new:
        check_is_there(url)
    return url


@contextmanager
def open_engine(may_be_new: bool = False) -> Iterator[Any]:
    """Open the database of the catalog, whatever its schema."""
    from artifact_pipelines.catalog.engine import make_engine

    engine = make_engine(catalog_url(may_be_new))
    try:
        yield engine
    finally:
        engine.dispose()


def open_the_store(may_be_new: bool = False) -> "Store":
    """Open the store that the environment names."""
    from artifact_pipelines.store import open_store

    return open_store(catalog_url(may_be_new))


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show that work goes on while a person watches; print nothing into a pipe."""
    with Console(stderr=True).status(text):
        yield


@contextmanager
def progress_bar(text: str, beside_pipe: bool = False) -> Iterator[Callable[[BinaryIO], BinaryIO]]:
    """Give a function that makes a seekable stream count into a bar what is read of it.

    The bar is there while a person watches standard error; not where the bytes themselves may come out on the same
    terminal, at the other end of a pipe.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    is_watched = sys.stderr.isatty() and not (beside_pipe and stat.S_ISFIFO(os.fstat(1).st_mode))
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not is_watched) as progress:

        def counted(stream: BinaryIO) -> BinaryIO:
            size_bytes = stream.seek(0, io.SEEK_END)
            stream.seek(0)
            return progress.wrap_file(stream, size_bytes, description=text)

        yield counted
