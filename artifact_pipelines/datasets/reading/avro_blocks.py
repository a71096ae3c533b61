"""The container of Avro: a header with the schema, and blocks of records, each compressed by itself."""

import bz2
import contextlib
import io
import itertools
import json
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
from fastavro import parse_schema, schemaless_reader
from fastavro.schema import SchemaParseException
from fastavro.types import Schema

from artifact_pipelines.datasets.reading.avro_types import without_logical_types

MAGIC = b"Obj\x01"
_HEADER: Schema = {
    "type": "record",
    "name": "header",
    "fields": [
        {"name": "meta", "type": {"type": "map", "values": "bytes"}},
        {"name": "sync", "type": {"type": "fixed", "name": "sync", "size": 16}},
    ],
}
_BATCH_ROWS = 4_096
_BATCH_BYTES = 4 << 20


_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
    SchemaParseException,
    lzma.LZMAError,
    pa.ArrowException,
    zlib.error,
)
"""Errors that decoders raise on bytes that are not those of their format."""


class DamagedAvroError(Exception):
    """The bytes are not those of an Avro file; its text says why."""


@contextlib.contextmanager
def damage_explained() -> Iterator[None]:
    """Turn whatever a decoder raises on damaged bytes into `DamagedAvroError`."""
    try:
        yield
    except MemoryError:  # Arrow's is an `ArrowException` too
        raise
    except _DAMAGE as error:
        if getattr(error, "errno", None) is not None:  # of the disk, not of the data
            raise
        raise DamagedAvroError("its data are damaged") from error


class AvroRecords:
    """The records of an Avro file, decoded without their logical types.

    Attributes:
        fields: Name and schema of each.
        named: Schemas by the names by which others refer to them.

    Raises:
        DamagedAvroError: Header or schema cannot be read.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        with damage_explained():
            stream.seek(len(MAGIC))
            header: Any = schemaless_reader(stream, _HEADER, None)
            meta: Mapping[str, bytes] = header["meta"]
            self._sync: bytes = header["sync"]
            self._decompress = _decompression(meta.get("avro.codec", b"null").decode())
            self.named: dict[str, Any] = {}
            schema: Any = parse_schema(json.loads(meta["avro.schema"]), named_schemas=self.named)
            self._plain = parse_schema(without_logical_types(json.loads(meta["avro.schema"])))
        if not isinstance(schema, dict) or schema["type"] != "record":
            raise DamagedAvroError("its rows are no records")
        self.fields: Sequence[tuple[str, Any]] = [(field["name"], field["type"]) for field in schema["fields"]]

    def batches(self) -> Iterator[Sequence[Any]]:
        """Yield the records, some at once: fewer where they are large."""
        for count, data in self._blocks():
            stream = io.BytesIO(data)
            at_once = max(1, min(_BATCH_ROWS, _BATCH_BYTES * count // max(1, len(data))))
            for start in range(0, count, at_once):
                rows = min(at_once, count - start)
                yield [schemaless_reader(stream, self._plain, None) for _ in itertools.repeat(None, rows)]
            if stream.tell() < len(data):
                raise DamagedAvroError("a block is longer than its records")

    def _blocks(self) -> Iterator[tuple[int, bytes]]:
        while first := self._stream.read(1):
            count = _read_long(self._stream, first)
            size = _read_long(self._stream, self._stream.read(1))
            data = self._stream.read(size) if size >= 0 else b""
            if count < 0 or len(data) != size or self._stream.read(len(self._sync)) != self._sync:
                raise DamagedAvroError("a block is cut off or does not end as it should")
            yield count, self._decompress(data)


def _read_long(stream: BinaryIO, first: bytes) -> int:
    found = shift = 0
    piece = first
    while piece and piece[0] & 0x80 and shift < 63:
        found |= (piece[0] & 0x7F) << shift
        shift += 7
        piece = stream.read(1)
    if not piece:
        raise DamagedAvroError("it is cut off")
    found |= piece[0] << shift
    return (found >> 1) ^ -(found & 1)


def _decompression(codec: str) -> Callable[[bytes], bytes]:
    known: Mapping[str, Callable[[bytes], bytes]] = {
        "null": bytes,
        "deflate": lambda data: zlib.decompress(data, wbits=-15),
        "bzip2": bz2.decompress,
        "xz": lzma.decompress,
        "zstandard": lambda data: pa.CompressedInputStream(pa.BufferReader(data), "zstd").read(),
        "snappy": _snappy,
    }
    if codec not in known:
        raise DamagedAvroError(f"it is compressed with {codec!r}; known are {', '.join(known)}")
    return known[codec]


def _snappy(data: bytes) -> bytes:
    """Return the plain bytes of a snappy block, which ends with a checksum of them."""
    body, checksum = data[:-4], data[-4:]
    size, place = 0, 0
    while body[place] & 0x80:
        size |= (body[place] & 0x7F) << 7 * place
        place += 1
    size |= body[place] << 7 * place
    plain: bytes = pa.decompress(body, size, codec="snappy", asbytes=True)
    if zlib.crc32(plain).to_bytes(4, "big") != checksum:
        raise DamagedAvroError("the checksum of a block is wrong")
    return plain
