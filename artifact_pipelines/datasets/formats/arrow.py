"""Arrow IPC, also known as Feather; its types are kept."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Literal

import pyarrow as pa

from artifact_pipelines.datasets.exceptions import UnparsableSourceError
from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable, RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.raw_stream import plain_file
from artifact_pipelines.datasets.reading.typed_table import open_typed

_FILE_MAGIC = b"ARROW1"
_PIECE_BYTES = 1 << 20
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
            try:
                reader = pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)
            except (pa.ArrowException, OSError) as error:
                raise UnparsableSourceError(file.label, "Arrow IPC", "its beginning or end is damaged") from error
            if is_file and _has_other_bytes(source):
                reason = "it has more data than its list of contents, as several files one after another have"
                raise UnparsableSourceError(file.label, "Arrow IPC", reason)
            batches = _batches(reader) if is_file else _whole_stream(reader, source, file.label)
            yield open_typed(reader.schema, batches, contract, file.label, "Arrow IPC")


def _batches(reader: pa.RecordBatchFileReader) -> Iterator[pa.RecordBatch]:
    return (reader.get_batch(place) for place in range(reader.num_record_batches))


def _has_other_bytes(source: pa.MemoryMappedFile) -> bool:
    """True if a file has bytes behind its last batch that the list at its end does not know.

    A list counts places from the first byte, so readers of joined files take the first file's batches for the last
    one's.
    """
    size_at = source.size() - len(_FILE_MAGIC) - 4
    size = int.from_bytes(source.read_at(4, size_at), "little")
    end = _end_of_blocks(source.read_at(size, size_at - size))
    if end is None:  # no batch, and so no value that could hold the mark of a file
        return _FILE_MAGIC in source.read_at(size_at - len(_FILE_MAGIC), len(_FILE_MAGIC))
    if end > size_at - size:
        return False  # bytes are missing: a batch cannot be read
    between = source.read_at(min(size_at - size - end, _PIECE_BYTES), end)
    return bool(between.replace(_END_OF_STREAM, b"").strip(b"\0"))


def _end_of_blocks(contents: bytes) -> int | None:
    """Return the place behind the last dictionary or batch. The list is a flatbuffer, already checked by Arrow."""
    (table,) = struct.unpack_from("<I", contents)
    fields = table - struct.unpack_from("<i", contents, table)[0]
    ends = []
    for slot in range(fields + 8, min(fields + 12, fields + struct.unpack_from("<H", contents, fields)[0]), 2):
        if offset := struct.unpack_from("<H", contents, slot)[0]:
            start = table + offset + struct.unpack_from("<I", contents, table + offset)[0]
            (count,) = struct.unpack_from("<I", contents, start)
            blocks = struct.iter_unpack("<qi4xq", contents[start + 4 : start + 4 + 24 * count])
            ends += [sum(block) for block in blocks]  # place, size of the header, size of the data
    return max(ends, default=None)


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
