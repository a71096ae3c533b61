"""Splits plain blocks of a CSV file with polars, which is quicker than Arrow, but fills rows that are too short.

A block is taken only where no row can be too short, and each line is one row.
"""

from collections.abc import Mapping

import polars as pl

from artifact_pipelines.datasets.reading.csv_blocks import Block
from artifact_pipelines.datasets.reading.csv_dialect import CsvDialect

_MARK = b"\xef\xbb\xbf"  # polars drops one at the start of what it reads


def split_quickly(
    block: Block, dialect: CsvDialect, width: int, kinds: Mapping[int, type[pl.DataType]]
) -> pl.DataFrame | None:
    """Return some columns of a block; None if it is not plain, or malformed.

    Args:
        block: Whole rows, whose quotes are as `iterate_blocks` wants them.
        width: Number of columns; of one, a blank line is a row.
        kinds: Of the columns to return, by ascending places: texts, or numbers where all texts are known to be such.
    """
    data = block.data
    if dialect.escape or width < 2 or data.startswith(_MARK):
        return None
    has_quotes = bool(dialect.quote) and data.find(dialect.quote_byte) >= 0
    if data.find(b"\r") >= 0:
        if has_quotes:
            return None
        data = data.replace(b"\r\n", b"\n")
    wanted = sorted({*kinds, width - 1})
    try:
        found = pl.read_csv(
            data,
            has_header=False,
            separator=dialect.delimiter,
            quote_char=dialect.quote or None,
            schema={f"column_{place + 1}": kinds.get(place, pl.String) for place in range(width)},
            columns=wanted,
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    rows = block.line_ends + (not data.endswith(b"\n"))
    last = found.to_series(len(wanted) - 1)
    is_whole = last.null_count() == 0 or (
        not has_quotes and data.count(dialect.delimiter_byte) == rows * (width - 1)
    )  # a row that is too short ends with null
    return found.select(f"column_{place + 1}" for place in kinds) if found.height == rows and is_whole else None
