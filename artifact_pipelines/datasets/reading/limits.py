"""Limits of a file and of the process that reads it, so that none takes more of the machine than its dataset allows."""

import contextlib
import pathlib
from collections.abc import Iterator

import pydantic


class Limits(pydantic.BaseModel):
    """Limits of a file, and of the process that reads a Parquet, Arrow, Avro or Excel file."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    memory_bytes: int = pydantic.Field(
        default=2 << 30, ge=64 << 20, description="Memory that it writes; a file that it maps does not count."
    )
    cpu_s: int = pydantic.Field(
        default=600, gt=0, description="Processor time; it gets one more second for each MB of the file."
    )
    silence_s: float = pydantic.Field(default=300, gt=0, description="Longest time without an answer.")
    row_bytes: int = pydantic.Field(
        default=16 << 20, ge=1 << 10, le=1 << 30, description="Length of a row of CSV or of a line of NDJSON."
    )
    plain_bytes: int = pydantic.Field(default=1 << 40, gt=0, description="Size of a compressed file once it is plain.")
    plain_ratio: int = pydantic.Field(
        default=200, gt=0, description="How many times as large as it was compressed; below 1 GiB it does not count."
    )


DEFAULT_LIMITS = Limits()
_limits: dict[pathlib.Path, Limits] = {}


@contextlib.contextmanager
def limited(path: pathlib.Path, limits: Limits) -> Iterator[None]:
    """Hold a file to limits, for all its readers."""
    before = _limits.get(path)
    _limits[path] = limits
    try:
        yield
    finally:
        _limits.pop(path, None)
        if before is not None:
            _limits[path] = before


def limits_of(path: pathlib.Path) -> Limits:
    """Return the limits that a file is held to."""
    return _limits.get(path, DEFAULT_LIMITS)
