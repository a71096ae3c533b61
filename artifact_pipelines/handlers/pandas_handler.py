"""The handler for pandas, for those who have it installed: nothing here imports it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, BinaryIO

from artifact_pipelines.core.exceptions import UsageError
from artifact_pipelines.handlers.exceptions import ContentMismatchError
from artifact_pipelines.handlers.interfaces import ReadRequest
from artifact_pipelines.handlers.subclasses import as_annotated
from artifact_pipelines.handlers.table_handlers import OF_METADATA, ParquetHandler, known_columns, read_table
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.hashing import OneThreadHasher
from artifact_pipelines.tabular.exceptions import DuplicateColumnsError, UnsupportedColumnError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MOST_LABELS = 5
_REMEDY = "Give its values one type, such as with astype('string'), or store the whole value as JSON."


class PandasHandler(ParquetHandler):
    """pandas frames, stored as Parquet as `DataFrame.to_parquet` does.

    An index is stored as columns, which other readers see as such: under its name, or as `__index_level_0__`. A range
    is no column: the file's metadata name it, and others do not see it. A pandas reader gets either back as the index,
    with `columns` too; so it does labels, dtypes, time zones and `attrs`. All of these are content, as the columns are.
    Categories come back as they were, in columns and in the index. But those of other values than texts and numbers
    come back as values; of more than 1 MiB, texts come back with those categories that rows have and numbers as
    numbers, and an order is refused. A frame of other writers gets the plain index.
    """

    writes = ("pandas.DataFrame",)
    reads = ("pandas.DataFrame",)

    def write(self, value: "pd.DataFrame", sink: BinaryIO) -> str | None:
        from artifact_pipelines.tabular.parquet import write_batches
        from artifact_pipelines.tabular.storable_columns import check_arrow_columns

        table = _table(value)
        check_arrow_columns(table.schema)
        return write_batches(table.schema, table.to_batches(), sink, OneThreadHasher)

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        import pyarrow as pa

        from artifact_pipelines.handlers.pandas_categories import restore_categories

        table = read_table(artifact, known_columns(artifact, request.columns), for_pandas=True)
        try:
            frame = restore_categories(table.to_pandas(), table.schema)
        except (pa.ArrowException, *OF_METADATA) as error:
            said = str(error).strip() or "it says no more"
            problem = f"pandas does not understand it ({type(error).__name__}: {said.splitlines()[0]:.200})"
            remedy = "Annotate polars.DataFrame or pyarrow.Table."
            raise ContentMismatchError(artifact.info.file_id, "pandas.DataFrame", problem, remedy) from error
        made = as_annotated(frame, artifact, request)
        made.attrs = frame.attrs  # pandas makes a frame of another one without
        return made


def _table(frame: "pd.DataFrame") -> "pa.Table":
    import pyarrow as pa

    from artifact_pipelines.handlers.pandas_categories import with_categories

    try:
        # A range is no column, and without one nothing would say how many rows there are.
        table = pa.Table.from_pandas(frame, preserve_index=True if len(frame) and not len(frame.columns) else None)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise _explained(frame, error) from error
    for position, name in enumerate(map(str, frame.columns)):
        # Arrow takes them for lists, in an order that is another one in another process.
        column = frame.iloc[:, position]
        if column.dtype == object and _holds_sets(column, _levels(table.schema.field(name).type)):
            raise UnsupportedColumnError(name, "set", "Turn each set into a sorted list.")
    _check_labels(frame)
    return with_categories(table, frame)


def _check_labels(frame: "pd.DataFrame") -> None:
    """Refuse labels of columns that would come back as others, such as booleans, or not at all."""
    import pandas as pd
    import pyarrow as pa

    try:
        is_same = pa.Table.from_pandas(pd.DataFrame(columns=frame.columns)).to_pandas().columns.equals(frame.columns)
    except (pa.ArrowException, KeyError, TypeError, ValueError):
        is_same = False
    if not is_same:
        labels = ", ".join(map(str, frame.columns[:_MOST_LABELS]))
        remedy = "Turn the labels into text, such as with frame.columns = frame.columns.map(str)."
        raise UnsupportedColumnError(labels, f"labels of type {frame.columns.dtype}", remedy)


def _levels(kind: "pa.DataType") -> int:
    """Return how many levels of lists and records a type has."""
    inner = [kind.field(index).type for index in range(kind.num_fields)]
    return 1 + max(map(_levels, inner)) if inner else 0


def _holds_sets(values: Iterable[object], levels: int) -> bool:
    if not levels:
        return False
    return any(isinstance(value, set) or _holds_sets(_inside(value), levels - 1) for value in values)


def _inside(value: object) -> Iterable[object]:
    import numpy as np

    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple | np.ndarray) else ()


def _explained(frame: "pd.DataFrame", error: Exception) -> UsageError:
    """Return what is wrong with a frame that Arrow does not take: the first column that it does not take alone."""
    import pyarrow as pa

    names = [str(name) for name in frame.columns]
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        return DuplicateColumnsError(repeated)
    for position, name in enumerate(names):
        column = frame.iloc[:, position]
        try:
            pa.Array.from_pandas(column)
        except (pa.ArrowException, TypeError, ValueError):
            return UnsupportedColumnError(name, f"{column.dtype} of mixed or foreign values", _REMEDY)
    return UnsupportedColumnError(", ".join(map(str, frame.index.names)), str(frame.index.dtype), str(error))
