"""Writing a value with the handler of its type, without a store."""

import shutil
from typing import Any, BinaryIO

from artifact_pipelines.handlers.registry import TypeHandlers


def write_value(value: Any, sink: BinaryIO) -> str | None:
    """Write the bytes of a value; return its logical hash, if it has one."""
    handler = TypeHandlers().for_value(value)
    if hasattr(handler, "write"):
        return handler.write(value, sink)
    with handler.open(value) as stream:
        shutil.copyfileobj(stream, sink)
    return None
