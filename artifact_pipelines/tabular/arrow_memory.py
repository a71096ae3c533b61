"""Where Arrow takes its memory from."""

import os

import pyarrow as pa

_USERS_CHOICE = "ARROW_DEFAULT_MEMORY_POOL"
_ARROWS_OWN = pa.default_memory_pool()


def use_system_memory() -> None:
    """Let Arrow use the C library's allocator, as NumPy does, unless the environment names another one.

    Arrow's usual one returns memory to the kernel at once and takes it again for the next batch. The kernel fills every
    page with zeros: a fifth of the processor time of a profile.
    """
    if _USERS_CHOICE not in os.environ:
        pa.set_memory_pool(pa.system_memory_pool())


def use_arrow_memory() -> None:
    """Let Arrow use its own allocator again: it packs many small arrays without gaps.

    In the C library's, arrays of a wide table that are soon freed lie between others that stay: a profile of 2,000
    columns then takes a third more.
    """
    if _USERS_CHOICE not in os.environ:
        pa.set_memory_pool(_ARROWS_OWN)
