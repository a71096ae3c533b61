"""Zip archives with one file, and spreadsheets, which are zip archives too."""

import contextlib
import errno
import io
import pathlib
import struct
import zipfile
from collections.abc import Iterator
from typing import IO

from artifact_pipelines.core.exceptions import first_names
from artifact_pipelines.datasets.exceptions import UnparsableSourceError

ZIP = b"PK\x03\x04"
_MOST_DIRECTORY_BYTES = 1 << 24
_MOST_END_BYTES = 22 + (1 << 16)
_SPREADSHEET_PARTS = ("xl/", "content.xml")


def is_archive(path: pathlib.Path) -> bool:
    """True if a file is a zip archive, but no spreadsheet."""
    with path.open("rb") as stream:
        if stream.read(len(ZIP)) != ZIP:
            return False
    try:
        with _open(path) as archive:
            return not any(name.startswith(_SPREADSHEET_PARTS) for name in archive.namelist())
    except zipfile.BadZipFile:
        return False  # whoever reads it refuses it


def member_name(path: pathlib.Path, label: str) -> str:
    """Return the name of the only file in an archive.

    Raises:
        UnparsableSourceError: There is none, or there are several.
    """
    with _open(path) as archive:
        return _member(archive, label).filename


@contextlib.contextmanager
def open_member(path: pathlib.Path, label: str) -> Iterator[IO[bytes]]:
    """Open the only file in an archive.

    Raises:
        UnparsableSourceError: There is none, there are several, or it needs a password.
    """
    with _open(path) as archive:
        with _damage_translated():
            stream = archive.open(_member(archive, label))
        with stream:
            yield stream


def _member(archive: zipfile.ZipFile, label: str) -> zipfile.ZipInfo:
    members = [each for each in archive.infolist() if not each.is_dir() and not _is_hidden(each.filename)]
    if len(members) != 1:
        names = first_names([each.filename for each in members])
        reason = f"it must hold one file, not {len(members):,} ({names}); drop each by itself"
        raise UnparsableSourceError(label, "zip", reason)
    if members[0].flag_bits & 1:
        raise UnparsableSourceError(label, "zip", f"{members[0].filename!r} needs a password")
    return members[0]


def _is_hidden(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")


def _open(path: pathlib.Path) -> zipfile.ZipFile:
    """Open an archive, unless its directory is so large that it would fill the memory."""
    with path.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, io.SEEK_END) - _MOST_END_BYTES))
        end = stream.read()
    record = end[end.rfind(b"PK\x05\x06") :]
    if int.from_bytes(record[12:16], "little") > _MOST_DIRECTORY_BYTES:
        raise zipfile.BadZipFile
    with _damage_translated():
        return zipfile.ZipFile(path)


@contextlib.contextmanager
def _damage_translated() -> Iterator[None]:
    """Turn all that a damaged directory or header makes the library raise into `BadZipFile`."""
    try:
        yield
    except (NotImplementedError, ValueError, OSError, struct.error) as error:
        if getattr(error, "errno", None) not in (None, errno.EINVAL):  # of the disk, not of the data
            raise
        raise zipfile.BadZipFile from error
