"""The landing zone as a folder.

One idea: nothing below the folder is trusted. Each component of a path is opened relative to the handle of the one
before, and links are not followed, so no name leads outside, whatever others rename meanwhile.
"""

import errno
import os
import pathlib
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import BinaryIO, cast

from artifact_pipelines.datasets.exceptions import LandingZoneMissingError
from artifact_pipelines.datasets.interfaces import Sighting
from artifact_pipelines.datasets.landing.entry_names import (
    MOST_PATH_BYTES,
    SourceGlob,
    check_inside,
    from_text,
    shortened,
    to_text,
)
from artifact_pipelines.storage.exceptions import SourceChangedError
from artifact_pipelines.storage.source_file import SourceFile, kind_of, signature, translated
from artifact_pipelines.storage.staging import storage_errors

DROPPING = ".dropping"
"""Folder of files that are not complete yet, or are about to be removed."""
LEFTOVER_AFTER_S = 86_400
"""A file there that nobody has touched for so long is that of a killed process."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LINK = "it is a link, and the landing zone follows none: put the file itself there"
_TOO_LONG = f"its path is longer than {MOST_PATH_BYTES:,} bytes"


class LandingFolder:
    """`ILandingZone` in a folder. The folder itself may be a link."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    def __str__(self) -> str:
        return str(self._folder)

    def list_entries(self, glob: SourceGlob) -> Sequence[Sighting]:
        """See `ILandingZone`."""
        found: list[Sighting] = []
        folders = [("", glob.start)]
        while folders:
            folder, state = folders.pop()
            try:
                entries = self._entries(folder)
            except OSError as error:
                if not folder:
                    raise LandingZoneMissingError(str(self)) from error
                found += _problem(folder, None, error)
                continue
            for name, status in entries:
                path, below = f"{folder}{name}", glob.step(state, name)
                may_descend = not isinstance(status, OSError) and stat.S_ISDIR(status.st_mode)
                if may_descend and glob.may_match_below(below):
                    folders.append((f"{path}/", below))
                elif glob.is_match(below) or (glob.may_match_below(below) and not _is_regular(status)):
                    found += _sighted(path, status)
        return sorted(found, key=lambda sighting: sighting.path)

    def stamp(self) -> object | None:
        """See `ILandingZone`. The times of all folders, as a name that comes or goes changes that of its folder."""
        times: dict[str, int] = {}
        for folder, below, _, handle in os.fwalk(self._folder):
            times[folder] = os.fstat(handle).st_mtime_ns
            below[:] = [name for name in below if not name.startswith(".")]
        return times

    def look(self, path: str) -> Sighting | None:
        """See `ILandingZone`."""
        folder, _, name = from_text(path).rpartition("/")
        status: os.stat_result | OSError
        try:
            with opened_folder(self._folder, folder) as handle:
                status = os.stat(name, dir_fd=handle, follow_symlinks=False)
        except OSError as error:
            status = error
        return next(_sighted(from_text(path), status), None)

    def open(self, path: str) -> BinaryIO:
        """See `ILandingZone`."""
        return cast("BinaryIO", LandedFile(self._folder, path))

    def put(self, stream: BinaryIO, path: str, replaced: Sighting | None = None) -> None:
        """See `ILandingZone`. It is written in a folder that no dataset looks into, then renamed."""
        check_inside(from_text(path))
        folder, _, _ = from_text(path).rpartition("/")
        hidden = secrets.token_hex(16)
        with (
            storage_errors(self._folder),
            opened_folder(self._folder, DROPPING, make=True) as here,
            opened_folder(self._folder, folder, make=True) as there,
        ):
            _clear_leftovers(here)
            try:
                descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=here)
                with os.fdopen(descriptor, "wb") as sink:
                    shutil.copyfileobj(stream, sink, 1 << 20)
                    sink.flush()
                    os.fsync(sink.fileno())
                self._publish((hidden, here), (path, there), replaced)
                os.fsync(there)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(hidden, dir_fd=here)

    def _publish(self, hidden: tuple[str, int], target: tuple[str, int], replaced: Sighting | None) -> None:
        """Let a hidden file lie at a path. Each is given with the descriptor of its folder."""
        source, here = hidden
        path, there = target
        name = from_text(path).rpartition("/")[2]
        try:
            os.link(source, name, src_dir_fd=here, dst_dir_fd=there)  # never over another file
        except OSError as error:  # something lies there, or the filesystem has no second names
            if self.look(path) not in (None, replaced):
                raise SourceChangedError(path) from error
            os.rename(source, name, src_dir_fd=here, dst_dir_fd=there)
        else:
            os.unlink(source, dir_fd=here)  # at once: it changes the ctime, and with it what a sensor sees

    def move(self, entry: Sighting, target: str) -> None:
        """See `ILandingZone`."""
        folder, _, name = from_text(entry.path).rpartition("/")
        target_folder, _, target_name = from_text(target).rpartition("/")
        with (
            translated(pathlib.Path(entry.path)),
            opened_folder(self._folder, folder) as here,
            opened_folder(self._folder, target_folder, make=True) as there,
        ):
            before = os.stat(name, dir_fd=here, follow_symlinks=False)
            if (before.st_size, before.st_ctime_ns) != (entry.size_bytes, entry.changed_ns):
                raise SourceChangedError(entry.path)
            os.rename(name, target_name, src_dir_fd=here, dst_dir_fd=there)
            moved = os.stat(target_name, dir_fd=there, follow_symlinks=False)
            if signature(moved) != signature(before):  # replaced between the two calls: put it back
                os.rename(target_name, name, src_dir_fd=there, dst_dir_fd=here)
                raise SourceChangedError(entry.path)

    def remove(self, entry: Sighting) -> None:
        """See `ILandingZone`. It is moved out of the way first, so that a file that takes its place is not removed."""
        hidden = secrets.token_hex(16)
        self.move(entry, f"{DROPPING}/{hidden}")
        with translated(pathlib.Path(entry.path)), opened_folder(self._folder, DROPPING) as handle:
            os.unlink(hidden, dir_fd=handle)
            _clear_leftovers(handle)

    def _entries(self, folder: str) -> Sequence[tuple[str, os.stat_result | OSError]]:
        if len(to_text(folder).encode()) > MOST_PATH_BYTES:
            raise OSError(errno.ENAMETOOLONG, _TOO_LONG)
        with opened_folder(self._folder, folder) as handle, os.scandir(handle) as entries:
            return [(entry.name, _status(entry)) for entry in entries]


class LandedFile(SourceFile):
    """A file below a folder, opened without following any link.

    Args:
        folder: The landing zone.
        text: Path below it, as text.

    Raises:
        SourceError: As `SourceFile`; also: the path leads outside, or over a link.
    """

    def __init__(self, folder: pathlib.Path, text: str) -> None:
        path = from_text(text)
        self._root = folder
        self._parent, _, self._name = path.rpartition("/")
        check_inside(path)
        super().__init__(pathlib.Path(to_text(path)))  # errors do not name the folder

    def _open(self, flags: int) -> int:
        with opened_folder(self._root, self._parent) as handle:
            return os.open(self._name, flags | os.O_NOFOLLOW, dir_fd=handle)

    def _status(self) -> os.stat_result:
        with opened_folder(self._root, self._parent) as handle:
            return os.stat(self._name, dir_fd=handle, follow_symlinks=False)


@contextmanager
def opened_folder(root: pathlib.Path, path: str, make: bool = False) -> Iterator[int]:
    """Open a folder below a root, without following links below it, and give its descriptor. `make` creates it.

    Raises:
        OSError: There is none, it cannot be entered, or a component of its path is a link.
    """
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in pathlib.PurePosixPath(path).parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=handle)
            try:
                inner = os.open(name, _FOLDER, dir_fd=handle)
            except NotADirectoryError as error:  # a link too
                raise OSError(errno.ELOOP, f"{to_text(name)} on its path is a link, or not a folder") from error
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def _clear_leftovers(handle: int) -> None:
    with os.scandir(handle) as entries:
        for entry in entries:
            with suppress(OSError):  # another process was faster
                found = entry.stat(follow_symlinks=False)
                # A second name of a published file stays: its removal would look like a change of that file.
                if found.st_nlink == 1 and found.st_ctime < time.time() - LEFTOVER_AFTER_S:
                    os.unlink(entry.name, dir_fd=handle)


def _status(entry: os.DirEntry[str]) -> os.stat_result | OSError:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError as error:
        return error


def _is_regular(status: os.stat_result | OSError) -> bool:
    return not isinstance(status, OSError) and stat.S_ISREG(status.st_mode)


def _sighted(path: str, status: os.stat_result | OSError) -> Iterator[Sighting]:
    if isinstance(status, OSError):
        yield from _problem(path, None, status)
    elif stat.S_ISLNK(status.st_mode):
        yield from _problem(path, status, _LINK)
    elif not stat.S_ISREG(status.st_mode):
        yield from _problem(path, status, f"it is {kind_of(status)}, not a regular file")
    elif len(to_text(path).encode()) > MOST_PATH_BYTES:
        yield from _problem(path, status, _TOO_LONG)
    else:
        # ctime, not mtime: `cp -p` and `touch -d` set an mtime at will, every write and rename moves the ctime.
        yield Sighting(to_text(path), status.st_size, status.st_ctime_ns)


def _problem(path: str, status: os.stat_result | None, reason: str | OSError) -> Iterator[Sighting]:
    """Yield an entry with the reason why it is no file to ingest; nothing if it is gone since it was listed."""
    if isinstance(reason, FileNotFoundError):
        return
    text = to_text(path.rstrip("/"))
    if len(text.encode()) > MOST_PATH_BYTES:
        text, reason = shortened(text), _TOO_LONG
    said = reason if isinstance(reason, str) else reason.strerror or str(reason)
    yield Sighting(text, 0, status.st_ctime_ns if status else 0, said)
