"""Writing a value with the handler of its type, without a store."""

from typing import Any, BinaryIO

from artifact_pipelines.handlers.registry import TypeHandlers


def write_value(value: Any, sink: BinaryIO) -> str | None:
    """Write a value that is no stream; return its logical hash, if it has one."""
    handler = TypeHandlers().for_value(value)
    assert hasattr(handler, "write")
    return handler.write(value, sink)
