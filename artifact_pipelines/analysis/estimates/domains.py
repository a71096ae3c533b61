"""Domains: parts of the population that have estimates of their own."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from artifact_pipelines.analysis.estimates.influences import Codes
from artifact_pipelines.analysis.estimates.sample_table import SampleTable, coded
from artifact_pipelines.core.exceptions import InvalidArgumentError

MOST_DOMAINS = 10_000
ALL = "all"


@dataclasses.dataclass(frozen=True)
class Domains:
    """Domains that share no row.

    Attributes:
        codes: (rows,) the domain of each row of the sample.
        values: One row for each domain: the values of `by` that define it, nulls for the whole population.
        labels: Name of each, for a reader.
    """

    codes: Codes
    values: pl.DataFrame
    labels: Sequence[str]

    @property
    def count(self) -> int:
        """Return the number of domains."""
        return len(self.labels)


def domains_of(table: SampleTable, by: Sequence[str], rows: int) -> Iterator[Domains]:
    """Yield the whole population as one domain, then the domains by some columns.

    Raises:
        InvalidArgumentError: There are too many.
    """
    columns = table.read(by, "by") if by else pl.DataFrame(height=rows)
    yield Domains(np.zeros(rows, np.int64), columns.clear(1) if by else pl.DataFrame(height=1), [ALL])
    if not by:
        return
    codes, values = coded(columns)
    if values.height > MOST_DOMAINS:
        raise InvalidArgumentError("by", f"{values.height:,} domains", f"at most {MOST_DOMAINS:,} domains")
    texts = values.with_columns(pl.all().cast(pl.String).fill_null("null"))
    yield Domains(codes, values, [" | ".join(row) for row in texts.iter_rows()])
