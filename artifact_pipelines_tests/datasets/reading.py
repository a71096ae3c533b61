"""Reads a file as a dataset does."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pydantic

from artifact_pipelines.datasets.interfaces import IFileFormat, RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.registry import FileFormat
from artifact_pipelines.datasets.table_reader import open_table

FORMAT: pydantic.TypeAdapter[IFileFormat] = pydantic.TypeAdapter(FileFormat)


def read(
    folder: pathlib.Path,
    data: str | bytes,
    file_type: str = "csv",
    columns: Mapping[str, str] | None = None,
    key: Sequence[str] = (),
    contract: Contract | None = None,
    **file_format: Any,
) -> pa.Table:
    path = folder / "stored"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    file = RawFile(path, file_type, "flights.csv")
    with open_table(
        file, FORMAT.validate_python(file_format), contract or Contract(columns or {}, key), trusted=True
    ) as table:
        return table.batches.read_all()
