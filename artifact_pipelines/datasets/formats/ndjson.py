"""JSON: objects on lines of their own, or in an array."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Literal

from artifact_pipelines.datasets.formats.csv import Encoding, TextOptions
from artifact_pipelines.datasets.interfaces import OpenTable, RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.json_rows import JsonRows
from artifact_pipelines.datasets.reading.json_table import open_json


class Ndjson(TextOptions):
    """Text with one JSON object, which is one row, on each line."""

    CODE_VERSION: ClassVar[str] = "2"
    EXTENSIONS: ClassVar[Sequence[str]] = ("ndjson", "jsonl")
    BY_LINE: ClassVar[bool] = True
    type: Literal["ndjson"] = "ndjson"
    encoding: Encoding = "utf-8"

    @contextmanager
    def open(self, file: RawFile, contract: Contract) -> Iterator[OpenTable]:
        """See `IFileFormat`."""
        rows = JsonRows(file.path, file.label, self.encoding, self.BY_LINE, contract.leaves_out)
        yield open_json(rows, contract, self.spelling())


class Json(Ndjson):
    """An array of JSON objects, or objects one after another, laid out in any way."""

    EXTENSIONS: ClassVar[Sequence[str]] = ("json",)
    BY_LINE: ClassVar[bool] = False
    type: Literal["json"] = "json"  # type: ignore[assignment]  # another literal
