"""The folder of a process for its temporary files: copies of stored files, and spilled data. Standard library only.

It lies below `TMPDIR` and goes with its process. A killed process leaves it; the next one that makes such a folder
removes it.
"""

import atexit
import fcntl
import functools
import os
import pathlib
import re
import shutil
import tempfile
import threading
from contextlib import suppress

_PREFIX = "artifact-scratch-"
_NAME = re.compile(rf"{_PREFIX}[a-z0-9_]{{8}}", re.ASCII)  # a name that tempfile makes
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_lock = threading.Lock()


def scratch_folder() -> pathlib.Path:
    """Return the folder of this process; the first call makes it, and removes those of dead processes."""
    with _lock:  # or the first threads would make one each
        return _made_folder(tempfile.gettempdir())


@functools.cache
def _made_folder(parent: str) -> pathlib.Path:
    remove_abandoned_folders(pathlib.Path(parent))
    folder = _claimed_folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _claimed_folder() -> pathlib.Path:
    """Create a folder that is locked while this process lives, because its descriptor is never closed."""
    while True:
        folder = pathlib.Path(tempfile.mkdtemp(prefix=_PREFIX))
        with suppress(FileNotFoundError):
            descriptor = os.open(folder, _FLAGS)
            with suppress(OSError):  # without locks on folders, none is ever taken for abandoned
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if folder.exists():
                return folder
            os.close(descriptor)
        # Another process removed it before it was locked: try another name.


def remove_abandoned_folders(parent: pathlib.Path) -> None:
    """Remove the folders of this user's dead processes: those without a lock, whatever the clock says."""
    for path in parent.iterdir():
        if not _NAME.fullmatch(path.name):
            continue
        with suppress(OSError):  # another user's, in use, a link, or gone by now: skip it
            descriptor = os.open(path, _FLAGS)
            try:
                if os.fstat(descriptor).st_uid == os.getuid():  # root can open those of other users
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path)  # still locked: a process that has just made it must find it gone
            finally:
                os.close(descriptor)
