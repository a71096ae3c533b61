"""Arrow IPC, also known as Feather; its types are kept."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Literal

import pyarrow as pa

from artifact_pipelines.datasets.exceptions import UnparsableSourceError
from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable, RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.raw_stream import plain_file
from artifact_pipelines.datasets.reading.several_files import SEVERAL, are_several
from artifact_pipelines.datasets.reading.typed_table import open_typed

_FILE_MAGIC = b"ARROW1"
_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


class Arrow(IFileFormat):
    """An Arrow IPC file or stream."""

    EXTENSIONS: ClassVar[Sequence[str]] = ("arrow", "feather", "ipc", "arrows")
    MAGIC: ClassVar[Sequence[bytes]] = (_FILE_MAGIC, b"\xff\xff\xff\xff")
    ISOLATED: ClassVar[bool] = True
    type: Literal["arrow"] = "arrow"

    @contextmanager
    def open(self, file: RawFile, contract: Contract) -> Iterator[OpenTable]:
        """See `IFileFormat`."""
        with plain_file(file.path, file.label) as path, pa.memory_map(str(path)) as source:
            is_file = source.read(len(_FILE_MAGIC)) == _FILE_MAGIC
            source.seek(0)
            if is_file and are_several(path, _FILE_MAGIC, pa.ipc.open_file):
                raise UnparsableSourceError(file.label, "Arrow IPC", SEVERAL)
            try:
                reader = pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)
            except (pa.ArrowException, OSError) as error:
                raise UnparsableSourceError(file.label, "Arrow IPC", "its beginning or end is damaged") from error
            batches = _batches(reader) if is_file else _whole_stream(reader, source, file.label)
            yield open_typed(reader.schema, batches, contract, file.label, "Arrow IPC")


def _batches(reader: pa.RecordBatchFileReader) -> Iterator[pa.RecordBatch]:
    return (reader.get_batch(place) for place in range(reader.num_record_batches))


def _whole_stream(
    reader: pa.RecordBatchStreamReader, source: pa.MemoryMappedFile, label: str
) -> Iterator[pa.RecordBatch]:
    """Yield all batches of a stream. One that was cut off between two batches lacks only the mark of its end."""
    yield from reader
    end = source.tell()
    source.seek(max(end - len(_END_OF_STREAM), 0))
    if source.read(len(_END_OF_STREAM)) != _END_OF_STREAM:
        raise UnparsableSourceError(label, "Arrow IPC", "the mark of its end is missing, so rows may be missing too")
    if end != source.size():
        raise UnparsableSourceError(label, "Arrow IPC", "there is more after its end, such as a second stream")
