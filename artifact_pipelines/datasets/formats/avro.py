"""Avro; its types are kept, also the logical ones."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Literal

import pyarrow as pa

from artifact_pipelines.datasets.exceptions import SchemaMismatchError, UnparsableSourceError
from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable, RawFile
from artifact_pipelines.datasets.reading.avro_blocks import MAGIC, AvroRecords, DamagedAvroError, damage_explained
from artifact_pipelines.datasets.reading.avro_types import AvroType, UnknownAvroTypeError, avro_type
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.raw_stream import plain_file
from artifact_pipelines.datasets.reading.typed_table import open_typed
from artifact_pipelines.tabular.bounded_batches import joined


class Avro(IFileFormat):
    """An Apache Avro file, whose records are the rows."""

    EXTENSIONS: ClassVar[Sequence[str]] = ("avro",)
    MAGIC: ClassVar[Sequence[bytes]] = (MAGIC,)
    ISOLATED: ClassVar[bool] = True
    type: Literal["avro"] = "avro"

    @contextmanager
    def open(self, file: RawFile, contract: Contract) -> Iterator[OpenTable]:
        """See `IFileFormat`."""
        with plain_file(file.path, file.label) as path, path.open("rb") as stream:
            try:
                records = AvroRecords(stream)
            except DamagedAvroError as error:
                raise UnparsableSourceError(file.label, "Avro", str(error)) from error
            types = [(name, _type_of_column(name, schema, records, file.label)) for name, schema in records.fields]
            schema = pa.schema([(name, kind.arrow) for name, kind in types])
            yield open_typed(schema, joined(_batches(records, types, schema, file.label)), contract, file.label, "Avro")


def _type_of_column(name: str, schema: object, records: AvroRecords, label: str) -> AvroType:
    try:
        return avro_type(schema, records.named)
    except UnknownAvroTypeError as error:
        problem = f"column {name!r} is or holds {error}, which a table cannot hold"
        remedy = "In the program that writes the file: write one type, which may be null, or text"
        raise SchemaMismatchError(label, problem, remedy) from error


def _batches(
    records: AvroRecords, types: Sequence[tuple[str, AvroType]], schema: pa.Schema, label: str
) -> Iterator[pa.RecordBatch]:
    try:
        with damage_explained():
            for rows in records.batches():
                columns = [kind.to_array([row[name] for row in rows]) for name, kind in types]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)
    except DamagedAvroError as error:
        raise UnparsableSourceError(label, "Avro", str(error)) from error
