"""Spreadsheets: xlsx, xlsm, xlsb, xls and ods."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
import pydantic

from artifact_pipelines.datasets.formats.csv import Count
from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable, RawFile
from artifact_pipelines.datasets.reading.columns import check_columns, check_header
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.raw_stream import plain_file
from artifact_pipelines.datasets.reading.sheet_text import RANGE, SheetPlace, SheetText, read_sheet
from artifact_pipelines.datasets.reading.sheet_times import days_only
from artifact_pipelines.datasets.reading.spelling import PLAIN
from artifact_pipelines.datasets.reading.typed_rows import check_first_row, open_rows


class Excel(IFileFormat):
    """A sheet of a spreadsheet."""

    EXTENSIONS: ClassVar[Sequence[str]] = ("xlsx", "xlsm", "xlsb", "xls", "ods")
    MAGIC: ClassVar[Sequence[bytes]] = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    ISOLATED: ClassVar[bool] = True
    type: Literal["excel"] = "excel"
    sheet: str | None = pydantic.Field(default=None, description="Its name; left out: there is only one with cells.")
    range: Annotated[str, pydantic.Field(pattern=RANGE)] | None = pydantic.Field(
        default=None, description="Cells of the table, such as B3:F100, or B3:F down to the last row; left out: all."
    )
    header: bool | Count = pydantic.Field(default=True, description="True, false, or the number of header rows.")
    null_values: Sequence[str] = pydantic.Field(
        default=(), description="Texts and errors that mean null, such as #N/A."
    )

    @contextmanager
    def open(self, file: RawFile, contract: Contract) -> Iterator[OpenTable]:
        """See `IFileFormat`."""
        place = SheetPlace(self.sheet, self.range, int(self.header))
        with plain_file(file.path, file.label) as path:
            rows = read_sheet(path, file.label, place, self.null_values, contract.leaves_out)
        check_columns(rows.names, contract, file.label, rows.examples)
        if self.header:
            check_header(rows.names, contract, file.label)
        rows = _with_days(rows, contract)
        texts = {name: "VARCHAR" for name, kind in rows.kinds.items() if kind == "string" and name not in contract.kept}
        kept_as_text = dataclasses.replace(contract, columns={**texts, **contract.columns})
        table = open_rows(rows, kept_as_text, PLAIN)
        if self.header and not contract.known_columns and set(table.batches.schema.types) == {pa.string()}:
            check_first_row(rows, contract, PLAIN)
        if table.bad is not None:
            table.bad.add(rows.bad)
        yield table


def _with_days(rows: SheetText, contract: Contract) -> SheetText:
    """Return the rows with days where a column has no times, unless the contract wants moments."""
    wanted: Mapping[str, str] = {**contract.kept, **contract.columns}
    table = rows.whole.texts
    for place, name in enumerate(rows.names):
        if rows.kinds[name] in ("datetime", "date") and "timestamp" not in wanted.get(name, "").lower():
            table = table.set_column(place, name, days_only(table.column(name)))
    return dataclasses.replace(rows, whole=dataclasses.replace(rows.whole, texts=table))
