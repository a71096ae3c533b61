"""Opens a Parquet file, unless Arrow would read something else from it than it says.

Arrow takes INT96 moments for nanoseconds, which end in 2262: later ones, such as 9999-12-31, would silently become
others. It takes intervals for bytes.
"""

import mmap
import pathlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from artifact_pipelines.datasets.exceptions import SchemaMismatchError, UnparsableSourceError

FORMAT = "Parquet"
_MAGIC = b"PAR1"
_END_BYTES = 8  # the size of the footer, and the magic bytes
_MOST_MICROSECONDS = (2**63 - 1) // 1_000  # that are nanoseconds in 64 bits too


def open_parquet(path: pathlib.Path, label: str) -> pq.ParquetFile:
    """Open a file.

    Raises:
        UnparsableSourceError: It is damaged, or more than one file.
        SchemaMismatchError: A column has values that no type of Arrow holds.
    """
    try:
        file = _open(path, "ns")
        if _begins_later(path, _bytes_without_place(path, file.metadata)):
            raise UnparsableSourceError(label, FORMAT, "it is several files, one after another; drop each by itself")
        _check_intervals(file, label)
        columns = [column.path for column in _columns(file) if column.physical_type == "INT96"]
        return _open(path, _int96_unit(path, columns, label)) if columns else file
    except (pa.ArrowException, OSError) as error:
        if getattr(error, "errno", None) is not None or isinstance(error, MemoryError):  # of the machine
            raise
        raise UnparsableSourceError(label, FORMAT, "its footer is damaged or missing") from error


def _open(path: pathlib.Path, int96_unit: str) -> pq.ParquetFile:
    return pq.ParquetFile(path, page_checksum_verification=True, coerce_int96_timestamp_unit=int96_unit)


def _begins_later(path: pathlib.Path, most_before: int) -> bool:
    """True if the file that the footer describes has others before it, as `cat *.parquet` makes them.

    Readers count its places from the first byte, and so take the pages of the first file for its own.

    Args:
        most_before: The most bytes that may stand before it; only they are searched.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = data.find(_MAGIC, 1, most_before + len(_MAGIC))
        while start >= 0:
            if _is_parquet(path, start):
                return True
            start = data.find(_MAGIC, start + 1, most_before + len(_MAGIC))
    return False


def _is_parquet(path: pathlib.Path, start: int) -> bool:
    """True if all rows can be read: the bytes of a value may look like the start of a file."""
    with pa.memory_map(str(path)) as data:
        data.seek(start)
        try:
            return all(batch.num_rows for batch in pq.ParquetFile(data.read_buffer()).iter_batches())
        except (pa.ArrowException, OSError):
            return False


def _bytes_without_place(path: pathlib.Path, metadata: pq.FileMetaData) -> int:
    """Return the number of bytes between the last page and the footer, which are indexes and filters, if any.

    If other files precede the last one, the number is at least their size, because the offsets in the footer do not
    count them.
    """
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    chunks = (group.column(place) for group in groups for place in range(group.num_columns))
    end = max((_end(chunk) for chunk in chunks), default=0)
    footer: int = path.stat().st_size - metadata.serialized_size - _END_BYTES
    return max(footer - end, 0)


def _end(chunk: pq.ColumnChunkMetaData) -> int:
    """Return the offset behind the last page. A missing dictionary or page may have the offset 0."""
    places = (chunk.dictionary_page_offset, chunk.data_page_offset)
    size: int = chunk.total_compressed_size
    return size + min((place for place in places if place), default=0)


def _columns(file: pq.ParquetFile) -> Iterator[pq.ColumnSchema]:
    yield from (file.schema.column(place) for place in range(len(file.schema.names)))


def _check_intervals(file: pq.ParquetFile, label: str) -> None:
    for column in _columns(file):
        if "INTERVAL" in (column.converted_type, column.logical_type.type):
            problem = (
                f"column {column.path!r} holds intervals of months, days and milliseconds, which a table cannot hold"
            )
            raise SchemaMismatchError(
                label, problem, "In the program that writes the file: cast them to numbers or text"
            )


def _int96_unit(path: pathlib.Path, columns: list[str], label: str) -> str:
    """Return the unit that holds all INT96 moments exactly: nanoseconds if they can."""
    fine, far = False, False
    readers = [_open(path, unit).iter_batches(columns=columns) for unit in ("ns", "us")]
    for in_ns, in_us in zip(*readers, strict=True):
        leaves = [[_numbers(each) for column in batch.columns for each in _leaves(column)] for batch in (in_ns, in_us)]
        for nanoseconds, microseconds in zip(*leaves, strict=True):
            far = far or bool((np.abs(microseconds) > _MOST_MICROSECONDS).any())
            with np.errstate(over="ignore"):  # what has wrapped around once wraps back
                fine = fine or bool((nanoseconds - microseconds * 1_000 != 0).any())
    if fine and far:
        problem = f"INT96 moments of {', '.join(columns)} have nanoseconds, and years before 1678 or after 2261"
        remedy = "In the program that writes the file: write TIMESTAMP in microseconds"
        raise SchemaMismatchError(label, problem, remedy)
    return "us" if far else "ns"


def _leaves(column: pa.Array) -> Iterator[pa.Array]:
    """Yield the moments of a column, which may be nested."""
    if pa.types.is_map(column.type):
        yield from _leaves(column.keys)
        yield from _leaves(column.items)
    elif pa.types.is_nested(column.type):
        inner = column.flatten()
        for each in inner if isinstance(inner, list) else [inner]:
            yield from _leaves(each)
    elif pa.types.is_timestamp(column.type):
        yield column


def _numbers(moments: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.asarray(moments.drop_null().cast(pa.int64()).to_numpy(), np.int64)
