"""Handlers for Series of polars and pandas, stored as tables of one column.

The one idea: a Series is the table that its library makes of it, so every reader of tables reads it, and it has the
data version of that table. A Series without a name has the column name `""`, which is how polars spells it.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from artifact_pipelines.handlers.annotations import convert_to_subclass
from artifact_pipelines.handlers.exceptions import ContentMismatchError
from artifact_pipelines.handlers.interfaces import ReadRequest
from artifact_pipelines.handlers.pandas_handler import PandasHandler
from artifact_pipelines.handlers.table_handlers import ParquetHandler, PolarsHandler
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.tabular.exceptions import UnsupportedColumnError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_POLARS, _PANDAS = PolarsHandler(), PandasHandler()
_NO_NAME = "Name it None if it has no name, or give it a name of its own."


class PolarsSeriesHandler(ParquetHandler):
    """polars Series, as frames of one column."""

    writes = reads = ("polars.Series",)

    def write(self, value: "pl.Series", sink: BinaryIO) -> str | None:
        return _POLARS.write(value.to_frame(), sink)

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        frame: Any = _POLARS.read(artifact, _as_frame(request, "polars.DataFrame"))
        _check_one_column(frame.columns, artifact, request)
        return convert_to_subclass(frame.to_series(), artifact, request)


class PandasSeriesHandler(ParquetHandler):
    """pandas Series with name, index, dtype and `attrs`, as frames of one column; see `PandasHandler`."""

    writes = reads = ("pandas.Series",)

    def write(self, value: "pd.Series", sink: BinaryIO) -> str | None:
        if value.name == "":
            raise UnsupportedColumnError("", "Series named ''", _NO_NAME)
        return _PANDAS.write(value.to_frame("" if value.name is None else value.name), sink)

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        frame = _PANDAS.read(artifact, _as_frame(request, "pandas.DataFrame"))
        _check_one_column(list(map(str, frame.columns)), artifact, request)
        series = frame.iloc[:, 0]
        series.name = None if series.name == "" else series.name
        made = convert_to_subclass(series, artifact, request)
        made.attrs = frame.attrs
        return made


def _as_frame(request: ReadRequest, type_name: str) -> ReadRequest:
    return dataclasses.replace(request, type_name=type_name, annotation=None)


def _check_one_column(names: Sequence[str], artifact: Artifact, request: ReadRequest) -> None:
    if len(names) != 1:
        frame = request.type_name.replace("Series", "DataFrame")
        remedy = f"Annotate {frame}, or name one column in `columns` of the input's metadata."
        raise ContentMismatchError(
            artifact.info.file_id, request.type_name, f"its table has {len(names)} columns", remedy
        )
