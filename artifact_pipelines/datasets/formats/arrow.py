"""Arrow IPC, also known as Feather; its types are kept."""

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
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches)) if is_file else iter(reader)
            yield open_typed(reader.schema, batches, contract, file.label, "Arrow IPC")
