"""The categories of a pandas frame's columns and index: Parquet keeps values only, so the file's schema names them.

Nothing here imports pandas before there is a frame.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from artifact_pipelines.tabular.exceptions import UnsupportedColumnError
from artifact_pipelines.tabular.pandas_metadata import CATEGORIES_KEY, read_categories

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MOST_CHARACTERS = 1 << 20  # they lie in the footer, which is read as a whole
_OF_OTHERS = "Categories in an order can be texts and numbers: cast others with astype(str), or store codes."
_REMEDY = (
    "In an order, categories of 1 MiB at the most can be stored: remove those that no row has with "
    "remove_unused_categories(), or store codes, and the categories as a table of their own."
)


def with_categories(table: "pa.Table", frame: "pd.DataFrame") -> "pa.Table":
    """Return the table of a frame with the categories of its columns and index named, where JSON can hold them.

    Those of more than 1 MiB are not named: of texts those that rows have come back, numbers come back as numbers.

    Raises:
        UnsupportedColumnError: Those of more than 1 MiB, or others than texts and numbers, are in an order.
    """
    found = {}
    for name, dtype in _dtypes(table, frame):
        if dtype.name != "category":
            continue
        if _are_plain(dtype.categories):
            kept = {"categories": dtype.categories.tolist(), "ordered": dtype.ordered}
            if len(json.dumps(kept)) <= _MOST_CHARACTERS:
                found[name] = kept
            elif dtype.ordered:
                raise UnsupportedColumnError(name, f"category of {len(dtype.categories):,} values", _REMEDY)
        elif dtype.ordered:
            raise UnsupportedColumnError(name, f"category of {dtype.categories.dtype}", _OF_OTHERS)
    if not found:
        return table
    return table.replace_schema_metadata({**(table.schema.metadata or {}), CATEGORIES_KEY: json.dumps(found)})


def restore_categories(frame: "pd.DataFrame", schema: "pa.Schema") -> "pd.DataFrame":
    """Return a frame whose columns and index have the categories that the schema of its table names.

    Where a row has a value that is none of them, as when others have changed the table, they say nothing.
    """
    import pandas as pd

    dtypes = {
        name: pd.CategoricalDtype(kept["categories"], kept["ordered"]) for name, kept in read_categories(schema).items()
    }
    for label in frame.columns:
        if (dtype := dtypes.get(str(label))) is not None:
            frame[label] = _categorized(frame[label], dtype)
    names = _index_names(schema)
    if dtypes.keys() & {*names} and {*names} <= {*schema.names}:
        levels = [frame.index.get_level_values(number) for number in range(frame.index.nlevels)]
        levels = [_categorized(level, dtypes.get(name)) for level, name in zip(levels, names, strict=True)]
        frame.index = levels[0] if len(levels) == 1 else pd.MultiIndex.from_arrays(levels)
    return frame


def _dtypes(table: "pa.Table", frame: "pd.DataFrame") -> Iterator[tuple[str, Any]]:
    """Yield names of a table's columns with the dtypes of what they are in the frame: columns, then index."""
    yield from zip(table.schema.names, frame.dtypes, strict=False)
    for number, name in enumerate(_index_names(table.schema)):
        yield name, frame.index.get_level_values(number).dtype


def _index_names(schema: "pa.Schema") -> list[str]:
    """Return the columns that are levels of the index, in order; a range is none."""
    levels = (schema.pandas_metadata or {}).get("index_columns", [])
    return [level for level in levels if isinstance(level, str)]


def _categorized(values: Any, dtype: "pd.CategoricalDtype | None") -> Any:
    is_theirs = dtype is not None and values[values.notna()].isin(dtype.categories).all()
    return values.astype(dtype) if is_theirs else values


def _are_plain(categories: "pd.Index[Any]") -> bool:
    return all(isinstance(category, str | int | float) for category in categories.tolist())
