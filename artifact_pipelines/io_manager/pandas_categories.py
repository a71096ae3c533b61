"""The categories of a pandas frame's columns: Parquet keeps values only, so the file's schema names them in order.

Nothing here imports pandas before there is a frame.
"""

import json
from typing import TYPE_CHECKING, Any

from artifact_pipelines.tabular.pandas_metadata import CATEGORIES_KEY

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MOST_CHARACTERS = 1 << 20  # they lie in the footer, which is read as a whole; of more, those of the rows come back


def with_categories(table: "pa.Table", frame: "pd.DataFrame") -> "pa.Table":
    """Return the table of a frame with the categories of its columns named, where JSON can hold them."""
    found = {}
    for position, name in enumerate(table.schema.names[: len(frame.columns)]):
        dtype = frame.dtypes.iloc[position]
        if dtype.name == "category" and _are_plain(dtype.categories):
            kept = {"categories": dtype.categories.tolist(), "ordered": dtype.ordered}
            if len(json.dumps(kept)) <= _MOST_CHARACTERS:
                found[name] = kept
    if not found:
        return table
    return table.replace_schema_metadata({**(table.schema.metadata or {}), CATEGORIES_KEY: json.dumps(found)})


def restore_categories(frame: "pd.DataFrame", schema: "pa.Schema") -> "pd.DataFrame":
    """Return a frame whose columns have the categories that the schema of its table names."""
    import pandas as pd

    named: dict[str, Any] = json.loads((schema.metadata or {}).get(CATEGORIES_KEY, b"{}"))
    texts = {str(label): label for label in frame.columns}
    for name, kept in named.items():
        if name in texts:
            frame[texts[name]] = frame[texts[name]].astype(pd.CategoricalDtype(kept["categories"], kept["ordered"]))
    return frame


def _are_plain(categories: "pd.Index[Any]") -> bool:
    return all(isinstance(category, str | int | float) for category in categories.tolist())
