"""Makes files unwritable for a while: for root too, and without a filesystem of their own."""

import contextlib
import ctypes
import pathlib
import resource
from collections.abc import Iterator

_VERSION = 0x20080522  # linux/capability.h
_OVERRIDES = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def unwritable(folder: pathlib.Path) -> Iterator[None]:
    """Let no file in a folder be written or created by this thread until the block ends."""
    paths = [folder, *folder.rglob("*")]
    modes = [path.stat().st_mode for path in paths]
    with _without_rights_of_root():
        for path, mode in zip(paths, modes, strict=True):
            path.chmod(mode & ~0o222)
        try:
            yield
        finally:
            for path, mode in zip(paths, modes, strict=True):
                path.chmod(mode)


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Let this process write to no file until the block ends."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextlib.contextmanager
def _without_rights_of_root() -> Iterator[None]:
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    before = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, twice
    assert _libc.capget(header, before) == 0
    reduced = (ctypes.c_uint32 * 6)(*before)
    reduced[0] &= ~_OVERRIDES
    assert _libc.capset(header, reduced) == 0
    try:
        yield
    finally:
        assert _libc.capset(header, before) == 0
