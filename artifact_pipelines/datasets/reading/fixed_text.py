"""A file of fixed width as tables of texts: each line has as many characters as its columns together."""

import dataclasses
import itertools
import pathlib
from collections.abc import Collection, Mapping, Sequence

import polars as pl

from artifact_pipelines.datasets.exceptions import MalformedRowError
from artifact_pipelines.datasets.reading.csv_blocks import Block, Row, check_text, iterate_rows
from artifact_pipelines.datasets.reading.csv_dialect import CsvDialect
from artifact_pipelines.datasets.reading.csv_text import CsvText


class FixedText(CsvText):
    """The rows of a file as texts; see `CsvText`.

    Args:
        dialect: Without a header and without quotes.
        widths: Of the columns, in characters.
    """

    def __init__(self, path: pathlib.Path, label: str, dialect: CsvDialect, widths: Mapping[str, int]) -> None:
        super().__init__(path, label, dialect, ())
        self._dialect = dataclasses.replace(dialect, skips_blank_lines=True)
        self.names = list(widths)
        ends = list(itertools.accumulate(widths.values()))
        self._places = {name: (end - widths[name], widths[name]) for name, end in zip(widths, ends, strict=True)}
        self._width = ends[-1]

    def texts(self, block: Block, names: Sequence[str], whole: Collection[str] = ()) -> pl.DataFrame:
        """See `CsvText`. Spaces on both sides of a value are padding; a value of nothing else is null."""
        lines = pl.Series([block.data.decode(errors="replace").replace("\r\n", "\n")]).str.split("\n").explode()
        lines = lines.filter(lines != "")
        if (lines.str.len_chars() != self._width).any() or lines.str.contains("\ufffd", literal=True).any():
            for row in iterate_rows(block, self._dialect):
                self.check_row(row)
        return pl.DataFrame([_values(lines, *self._places[name]).alias(name) for name in names])

    def check_row(self, row: Row) -> None:
        """See `CsvText`."""
        check_text(row, self.label)
        if (found := len(row.data.decode())) != self._width:
            problem = f"{found:,} characters, {self._width:,} expected, the sum of `widths`"
            remedy = "Fix the row, or change format.widths in the dataset's YAML file"
            raise MalformedRowError(self.label, row.line, problem, remedy)

    def examples(self, place: int) -> Sequence[str]:
        """See `CsvText`."""
        block = next(self.blocks(), None)
        texts = self.texts(block, [self.names[place]]).to_series() if block else pl.Series(dtype=pl.String)
        return texts.drop_nulls().head(20).to_list()


def _values(lines: pl.Series, start: int, width: int) -> pl.Series:
    values = lines.str.slice(start, width).str.strip_chars(" ")
    return values.set(values == "", None)
