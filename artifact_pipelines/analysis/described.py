"""What the columns of an answer mean. Every column of an answer that we name says its meaning and unit."""

from collections.abc import Mapping

import pyarrow as pa

from artifact_pipelines.tabular.footer import DESCRIPTION


def described(rows: pa.Table, meanings: Mapping[str, str]) -> pa.Table:
    """Return rows whose columns say what they mean, on the asset's page and when they are loaded.

    Args:
        meanings: Meaning and unit, by name of the column.
    """
    fields = [field.with_metadata({DESCRIPTION: meanings[field.name]}) for field in rows.schema]
    return rows.cast(pa.schema(fields))
