"""Tables that a caller gives in Python: a frame, or the path of a Parquet file."""

import pathlib

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from artifact_pipelines.core.exceptions import InvalidArgumentError

GivenTable = pl.DataFrame | pl.LazyFrame | pathlib.Path | str


def scan_given(parameter: str, table: GivenTable) -> pl.LazyFrame:
    """Return the rows of a table.

    Raises:
        InvalidArgumentError: It is of another library, or there is no Parquet file at the path.
    """
    if isinstance(table, pl.DataFrame | pl.LazyFrame):
        return table.lazy()
    if not isinstance(table, pathlib.Path | str):
        expected = "a frame of polars, such as `pl.from_pandas(table)`, or the path of a Parquet file"
        raise InvalidArgumentError(parameter, type(table), expected)
    try:
        pq.read_metadata(table)
    except pa.ArrowInvalid as error:
        raise InvalidArgumentError(parameter, str(table), "a Parquet file") from error
    except FileNotFoundError as error:
        raise InvalidArgumentError(parameter, str(table), "a file that exists") from error
    except OSError as error:
        raise InvalidArgumentError(parameter, str(table), "a file that can be read, no folder") from error
    return pl.scan_parquet(table, glob=False)
