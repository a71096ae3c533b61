"""Formats that behave as libraries do on hostile files. A child process imports them."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import pyarrow as pa

from artifact_pipelines.datasets.exceptions import RefusedValueError
from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable, RawFile
from artifact_pipelines.datasets.reading.contract import Contract


class Hostile(IFileFormat):
    """Does something to its process, before the table is open or after its first batch."""

    ISOLATED: ClassVar[bool] = True
    EXTENSIONS: ClassVar[Sequence[str]] = ()
    type: Literal["hostile"] = "hostile"
    deed: str
    is_late: bool = False

    @contextmanager
    def open(self, file: RawFile, contract: Contract) -> Iterator[OpenTable]:
        if not self.is_late:
            self.do(file)
        batch = pa.record_batch({"x": ["1"]}) if self.deed == "damage" else pa.record_batch({"x": [1, 2, 3]})
        yield OpenTable(pa.RecordBatchReader.from_batches(batch.schema, self.batches(batch, file)), {"deed": self.deed})

    def batches(self, batch: pa.RecordBatch, file: RawFile) -> Iterator[pa.RecordBatch]:
        yield batch
        self.do(file)
        yield _damaged() if self.deed == "damage" else batch

    def do(self, file: RawFile) -> Any:
        match self.deed:
            case "abort":
                os.abort()
            case "exit":
                os._exit(0)
            case "fail":
                raise AssertionError("a fault of ours")
            case "refuse":
                raise RefusedValueError(file.label, 7, "delay", "ten", "a number")
            case "sleep":
                time.sleep(600)
            case "spin":
                while True:
                    pass
            case "hoard":
                return bytearray(8 << 30)
            case "hoard in arrow":
                return pa.allocate_buffer(8 << 30)
            case "print":
                return os.write(1, b"a library prints")
            case "send nonsense":
                for descriptor in range(3, 10_000):  # the pipe of the notes among them, whatever its number
                    try:
                        os.write(descriptor, b'{"error": "no such class"}\n')
                    except OSError:
                        continue
                time.sleep(600)
            case "damage":
                return None
            case "look around":
                assert not os.environ.keys() & {"AWS_SECRET_ACCESS_KEY", "ARTIFACT_CATALOG_URL"}
        return None


def _damaged() -> pa.RecordBatch:
    """Return a batch of texts that are none."""
    offsets = pa.py_buffer(b"\0\0\0\0\1\0\0\0")
    values = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(b"\xff")])
    return pa.RecordBatch.from_arrays([values], ["x"])
