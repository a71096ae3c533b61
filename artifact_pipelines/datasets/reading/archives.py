"""Zip archives with one file or several, and spreadsheets, which are zip archives too."""

import contextlib
import errno
import io
import itertools
import pathlib
import stat
import struct
import zipfile
from collections.abc import Iterator, Sequence
from typing import IO

from artifact_pipelines.core.exceptions import first_names
from artifact_pipelines.datasets.exceptions import UnparsableSourceError

ZIP = b"PK\x03\x04"
_MOST_DIRECTORY_BYTES = 1 << 24
_MOST_MEMBERS = 10_000
_IN_ZIP64 = 0xFFFF
_MODE_BITS = 16
_MOST_END_BYTES = 22 + (1 << 16)
_NO_DATA = ("_SUCCESS", "_metadata", "_common_metadata", "Thumbs.db", "desktop.ini")
_SPREADSHEET_PARTS = ("xl/workbook.", "content.xml")


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


def member_names(path: pathlib.Path, label: str) -> Sequence[str]:
    """Return the names of the files in an archive, sorted.

    Raises:
        UnparsableSourceError: Two have the same name, one is a link, there are more than 10,000, or the archive is
            damaged or several.
    """
    try:
        with _open(path) as archive:
            _check_members(archive, label)
            names = sorted(each.filename for each in _members(archive))
    except zipfile.BadZipFile as error:
        raise UnparsableSourceError(label, "zip", "its directory is damaged") from error
    if len(names) > _MOST_MEMBERS:
        raise UnparsableSourceError(label, "zip", f"it holds {len(names):,} files; {_MOST_MEMBERS:,} are allowed")
    if repeated := [name for name, next_name in itertools.pairwise(names) if name == next_name]:
        raise UnparsableSourceError(label, "zip", f"it holds several files {repeated[0]!r}")
    return names


@contextlib.contextmanager
def open_member(path: pathlib.Path, label: str, name: str | None = None) -> Iterator[IO[bytes]]:
    """Open a file in an archive.

    Args:
        name: Its name; None: it is the only one.

    Raises:
        UnparsableSourceError: There is none, there are several and none is named, or it needs a password.
    """
    with _open(path) as archive:
        with _damage_translated():
            stream = archive.open(_member(archive, label, name))
        with stream:
            yield stream


def _check_members(archive: zipfile.ZipFile, label: str) -> None:
    """Refuse an archive behind other bytes, of which the directory says nothing, and files that are links."""
    if min((each.header_offset for each in archive.infolist()), default=0):
        reason = "it does not begin with its first file; if it is several archives, drop each by itself"
        raise UnparsableSourceError(label, "zip", reason)
    for each in archive.infolist():
        if stat.S_ISLNK(each.external_attr >> _MODE_BITS):
            raise UnparsableSourceError(
                label, "zip", f"{each.filename!r} is a link; put the file itself into the archive"
            )


def _members(archive: zipfile.ZipFile) -> Sequence[zipfile.ZipInfo]:
    return [each for each in archive.infolist() if not each.is_dir() and not _is_hidden(each.filename)]


def _member(archive: zipfile.ZipFile, label: str, name: str | None = None) -> zipfile.ZipInfo:
    members = [each for each in _members(archive) if name in (None, each.filename)]
    if len(members) != 1:
        names = first_names([each.filename for each in members])
        reason = f"it must hold one file, not {len(members):,} ({names})"
        raise UnparsableSourceError(label, "zip", reason)
    if members[0].flag_bits & 1:
        raise UnparsableSourceError(label, "zip", f"{members[0].filename!r} needs a password")
    return members[0]


def _is_hidden(name: str) -> bool:
    last = name.rpartition("/")[2]
    return name.startswith("__MACOSX/") or last.startswith((".", "_committed_", "_started_")) or last in _NO_DATA


def _open(path: pathlib.Path) -> zipfile.ZipFile:
    """Open an archive, unless its directory is so large that it would fill the memory."""
    with path.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, io.SEEK_END) - _MOST_END_BYTES))
        end = stream.read()
    record = end[end.rfind(b"PK\x05\x06") :]
    if int.from_bytes(record[12:16], "little") > _MOST_DIRECTORY_BYTES:
        raise zipfile.BadZipFile
    with _damage_translated():
        archive = zipfile.ZipFile(path)
    entries = int.from_bytes(record[10:12], "little")
    if entries not in (len(archive.infolist()), _IN_ZIP64):  # a damaged size of the directory hides some
        archive.close()
        raise zipfile.BadZipFile
    return archive


@contextlib.contextmanager
def _damage_translated() -> Iterator[None]:
    """Turn all that a damaged directory or header makes the library raise into `BadZipFile`."""
    try:
        yield
    except (NotImplementedError, ValueError, OSError, struct.error) as error:
        if getattr(error, "errno", None) not in (None, errno.EINVAL):  # of the disk, not of the data
            raise
        raise zipfile.BadZipFile from error
