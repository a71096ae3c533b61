"""JSON: objects on lines of their own, or in an array."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Literal

import pydantic

from artifact_pipelines.datasets.formats.csv import Encoding, TextOptions
from artifact_pipelines.datasets.interfaces import OpenTable, RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.json_rows import JsonRows
from artifact_pipelines.datasets.reading.json_table import open_json


class Ndjson(TextOptions):
    """Text with one JSON object, which is one row, on each line."""

    CODE_VERSION: ClassVar[str] = "2"
    EXTENSIONS: ClassVar[Sequence[str]] = ("ndjson", "jsonl")
    type: Literal["ndjson"] = "ndjson"
    encoding: Encoding = "utf-8"

    @contextmanager
    def open(self, file: RawFile, contract: Contract) -> Iterator[OpenTable]:
        """See `IFileFormat`."""
        yield open_json(self._rows(file, contract), contract, self.spelling())

    def _rows(self, file: RawFile, contract: Contract) -> JsonRows:
        return JsonRows(file.path, file.label, self.encoding, by_line=True, leaves_out=contract.leaves_out)


class Json(Ndjson):
    """An array of JSON objects, a list of them inside an object, or objects one after another, laid out in any way."""

    EXTENSIONS: ClassVar[Sequence[str]] = ("json", "geojson")
    type: Literal["json"] = "json"  # type: ignore[assignment]  # another literal
    rows_at: str | None = pydantic.Field(
        default=None,
        description="Keys that lead to the list of rows inside an object, such as data.items; empty: it is a row.",
    )

    def _rows(self, file: RawFile, contract: Contract) -> JsonRows:
        leaves_out, known = contract.leaves_out, contract.known_columns
        return JsonRows(file.path, file.label, self.encoding, False, leaves_out, self.rows_at, known)
