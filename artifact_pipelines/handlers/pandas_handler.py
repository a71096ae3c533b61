"""The handler for pandas frames. pandas is optional and is imported only where a frame exists."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from artifact_pipelines.core.exceptions import UsageError
from artifact_pipelines.handlers.annotations import convert_to_subclass
from artifact_pipelines.handlers.exceptions import ContentMismatchError, RoundedColumnError
from artifact_pipelines.handlers.interfaces import ReadRequest
from artifact_pipelines.handlers.table_handlers import METADATA_ERRORS, ParquetHandler, check_columns, read_table
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.hashing import OneThreadHasher
from artifact_pipelines.tabular.exceptions import DuplicateColumnsError, UnsupportedColumnError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ARROW_FOR_PANDAS = "pandas.ArrowTable"
"""The Arrow table from which pandas makes a frame, with the columns of its index: no annotation, for `make_frame`."""

_SHOWN_LABELS = 5
_EXACT = 1 << 53  # floats hold all integers up to this
_MOST_CHARACTERS = 1 << 20  # categories are stored in the footer, which is read as a whole
_MIXED = "Give its values one type, such as with astype('string'), or store the whole value as JSON."
_ORDERED = (
    "Ordered categories must be texts or numbers, and take at most 1 MiB: cast others with astype(str), remove unused "
    "ones with remove_unused_categories(), or store codes, and the categories as a table of their own."
)


class PandasHandler(ParquetHandler):
    """pandas frames, stored as Parquet as `DataFrame.to_parquet` does.

    An index is stored as columns, under its name or as `__index_level_0__`, and other readers see them as columns. A
    range index is stored in the file's metadata only. pandas gets either back as the index, also with `columns`, and so
    it does labels, dtypes, time zones and `attrs`; all of these are content.

    Categories of texts and numbers come back in columns and index, if they take at most 1 MiB. Other ordered categories
    are refused. Other unordered ones come back as values, or for texts as the categories in use. A table of another
    library gets the default index.
    """

    writes = ("pandas.DataFrame",)
    reads = ("pandas.DataFrame", ARROW_FOR_PANDAS)

    def write(self, value: "pd.DataFrame", sink: BinaryIO) -> str | None:
        from artifact_pipelines.tabular.parquet import write_batches
        from artifact_pipelines.tabular.storable_columns import check_arrow_columns

        table = _to_arrow(value)
        check_arrow_columns(table.schema)
        return write_batches(table.schema, table.to_batches(), sink, OneThreadHasher)

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        import pyarrow as pa

        table = read_table(artifact, check_columns(artifact, request.columns), for_pandas=True)
        if request.type_name == ARROW_FOR_PANDAS:
            return table
        try:
            frame = make_frame(table)
        except (pa.ArrowException, *METADATA_ERRORS) as error:
            problem = (
                f"pandas cannot convert it ({type(error).__name__}: {str(error).strip().partition(chr(10))[0]:.200})"
            )
            remedy = "Annotate polars.DataFrame or pyarrow.Table."
            raise ContentMismatchError(artifact.info.file_id, "pandas.DataFrame", problem, remedy) from error
        made = convert_to_subclass(frame, artifact, request)
        made.attrs = frame.attrs  # the constructor of a frame drops them
        return made


def make_frame(table: "pa.Table") -> "pd.DataFrame":
    """Return a table of Arrow as a pandas frame.

    Raises:
        RoundedColumnError: pandas would round integers.
    """
    frame = table.to_pandas()
    index = _index_columns(table.schema)
    names = [name for name in table.schema.names if name not in index]
    for name, dtype in zip(names, frame.dtypes, strict=False):
        if str(dtype) in ("float64", "object") and _would_be_rounded(table[name]):
            raise RoundedColumnError(name)
    return _restore_categories(frame, table.schema)


def _would_be_rounded(column: Any) -> bool:
    """True if an Arrow column, or a field or list in it, has integers of more than 53 bits beside nulls."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(column.type):
        if not column.null_count:
            return False
        found = pc.min_max(column).as_py()
        return bool(max(abs(found["min"] or 0), abs(found["max"] or 0)) > _EXACT)
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    if pa.types.is_struct(column.type):
        return any(_would_be_rounded(field) for chunk in chunks for field in chunk.flatten())
    is_list = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    return is_list and any(_would_be_rounded(chunk.flatten()) for chunk in chunks)


def _to_arrow(frame: "pd.DataFrame") -> "pa.Table":
    import pyarrow as pa

    try:
        # A range index is no column, so a frame without columns would lose its number of rows.
        table = pa.Table.from_pandas(frame, preserve_index=True if len(frame) and not len(frame.columns) else None)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise _explain_refusal(frame, error) from error
    for place, field in enumerate(list(table.schema)[: len(frame.columns)]):
        # Arrow makes lists of sets, in an order that differs between processes.
        if pa.types.is_nested(field.type) and any(map(_contains_set, frame.iloc[:, place])):
            raise UnsupportedColumnError(field.name, "set", "Turn each set into a sorted list.")
    _check_labels(frame)
    return _add_categories(table, frame)


def _check_labels(frame: "pd.DataFrame") -> None:
    """Refuse labels of columns that would come back changed, such as booleans, or not at all."""
    import pandas as pd
    import pyarrow as pa

    if str(frame.columns.dtype) in ("object", "str") and all(type(label) is str for label in frame.columns):
        return  # the usual case; the look below costs as much as the conversion of a wide frame
    try:
        is_same = pa.Table.from_pandas(pd.DataFrame(columns=frame.columns)).to_pandas().columns.equals(frame.columns)
    except (pa.ArrowException, KeyError, TypeError, ValueError):
        is_same = False
    if not is_same:
        labels = ", ".join(map(str, frame.columns[:_SHOWN_LABELS]))
        remedy = "Turn the labels into text, such as with frame.columns = frame.columns.map(str)."
        raise UnsupportedColumnError(labels, f"labels of type {frame.columns.dtype}", remedy)


def _contains_set(value: object) -> bool:
    import numpy as np

    if isinstance(value, np.ndarray) and value.dtype != object:
        return False
    if isinstance(value, dict):
        return any(map(_contains_set, value.values()))
    return isinstance(value, set) or (isinstance(value, list | tuple | np.ndarray) and any(map(_contains_set, value)))


def _explain_refusal(frame: "pd.DataFrame", error: Exception) -> UsageError:
    """Return the error for a frame that Arrow refuses, naming the first column that Arrow refuses by itself."""
    import pyarrow as pa

    names = [str(name) for name in frame.columns]
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        return DuplicateColumnsError(repeated)
    for name, (_, column) in zip(names, frame.items(), strict=True):
        try:
            pa.Array.from_pandas(column)
        except (pa.ArrowException, TypeError, ValueError):
            return UnsupportedColumnError(name, f"{column.dtype} of mixed or foreign values", _MIXED)
    return UnsupportedColumnError(", ".join(map(str, frame.index.names)), str(frame.index.dtype), str(error))


def _add_categories(table: "pa.Table", frame: "pd.DataFrame") -> "pa.Table":
    """Return the table with the categories of its columns and index in the metadata, as Parquet stores values only."""
    from artifact_pipelines.tabular.pandas_metadata import CATEGORIES_KEY

    found = {}
    for name, dtype in _dtypes(table, frame):
        if dtype.name != "category":
            continue
        values = dtype.categories.tolist()
        kept = {"categories": values, "ordered": dtype.ordered}
        is_plain = all(isinstance(category, str | int | float) for category in values)
        if is_plain and len(json.dumps(kept)) <= _MOST_CHARACTERS:
            found[name] = kept
        elif dtype.ordered:
            kind = f"ordered category of {len(values):,} values of type {dtype.categories.dtype}"
            raise UnsupportedColumnError(name, kind, _ORDERED)
    if not found:
        return table
    return table.replace_schema_metadata({**(table.schema.metadata or {}), CATEGORIES_KEY: json.dumps(found)})


def _restore_categories(frame: "pd.DataFrame", schema: "pa.Schema") -> "pd.DataFrame":
    """Return the frame with the categories in its schema, except where a value is none of them."""
    import pandas as pd

    from artifact_pipelines.tabular.pandas_metadata import read_categories

    dtypes = {
        name: pd.CategoricalDtype(kept["categories"], kept["ordered"]) for name, kept in read_categories(schema).items()
    }
    for label in frame.columns:
        if (dtype := dtypes.get(str(label))) is not None:
            frame[label] = _categorize(frame[label], dtype)
    names = _index_columns(schema)
    if dtypes.keys() & {*names} and {*names} <= {*schema.names}:
        levels = [frame.index.get_level_values(number) for number in range(frame.index.nlevels)]
        levels = [_categorize(level, dtypes.get(name)) for level, name in zip(levels, names, strict=True)]
        frame.index = levels[0] if len(levels) == 1 else pd.MultiIndex.from_arrays(levels)
    return frame


def _dtypes(table: "pa.Table", frame: "pd.DataFrame") -> Iterator[tuple[str, Any]]:
    """Yield each column of the table with its dtype in the frame: columns first, then index levels."""
    yield from zip(table.schema.names, frame.dtypes, strict=False)
    for number, name in enumerate(_index_columns(table.schema)):
        yield name, frame.index.get_level_values(number).dtype


def _index_columns(schema: "pa.Schema") -> list[str]:
    """Return the columns that are index levels, in order; a range index has none."""
    levels = (schema.pandas_metadata or {}).get("index_columns", [])
    return [level for level in levels if isinstance(level, str)]


def _categorize(values: Any, dtype: "pd.CategoricalDtype | None") -> Any:
    fits = dtype is not None and values[values.notna()].isin(dtype.categories).all()
    return values.astype(dtype) if fits else values
