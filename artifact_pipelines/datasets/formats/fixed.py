"""Text whose columns have fixed widths."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Literal

import pydantic

from artifact_pipelines.datasets.formats.csv import Encoding, TextOptions
from artifact_pipelines.datasets.interfaces import OpenTable, RawFile
from artifact_pipelines.datasets.reading.columns import check_columns
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.csv_dialect import CsvDialect
from artifact_pipelines.datasets.reading.fixed_text import FixedText
from artifact_pipelines.datasets.reading.typed_rows import open_rows

_Width = Annotated[int, pydantic.Field(ge=1)]
_Count = Annotated[int, pydantic.Field(ge=0)]


class Fixed(TextOptions):
    """Text with a row on each line, whose values begin at the same places and are padded with spaces."""

    type: Literal["fixed"] = "fixed"
    widths: Annotated[Mapping[str, _Width], pydantic.Field(min_length=1)] = pydantic.Field(
        description="Columns with their widths in characters, in the order of the file."
    )
    encoding: Encoding = "utf-8"
    skip_lines: _Count = pydantic.Field(default=0, description="Lines before the first row, such as a header.")
    skip_last_lines: _Count = pydantic.Field(default=0, description="Lines after the last row.")

    @contextmanager
    def open(self, file: RawFile, contract: Contract) -> Iterator[OpenTable]:
        """See `IFileFormat`."""
        dialect = CsvDialect(
            "\x1f",  # none, in effect
            self.encoding,
            quote="",
            header_lines=0,
            skip_lines=self.skip_lines,
            skip_last_lines=self.skip_last_lines,
        )
        rows = FixedText(file.path, file.label, dialect, self.widths)
        check_columns(rows.names, contract, file.label, rows.examples)
        yield open_rows(rows, contract, self.spelling(), {"widths": dict(self.widths)})
