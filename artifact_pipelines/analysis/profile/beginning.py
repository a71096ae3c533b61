"""How a table begins: a later table that begins with the same row groups has the same first rows.

The one idea: row groups are cut by values alone, so a table to which rows are added begins with the bytes of the one
before. To hash bytes takes a small part of the time that their statistics take.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from artifact_pipelines.analysis.profile.distinct import DISTINCT_LIMIT
from artifact_pipelines.analysis.profile.reader import TableFile
from artifact_pipelines.analysis.profile.row_sample import sample_size
from artifact_pipelines.storage.hashing import ContentHasher, digest_of

_SHARE = 20
"""The statistics of the first rows are kept if they take less than this part of the bytes of these rows."""

_NUMBER_BYTES = 8
_KEPT_OF_DISTINCT = 3  # number, count and value
_PIECE_BYTES = 2 << 20


class Beginning:
    """The beginnings of a table, each of some row groups."""

    def __init__(self, file: TableFile, key: Sequence[str]) -> None:
        self._file = file
        self._key = list(key)
        groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
        self._places = [(*_place(group), group.num_rows) for group in groups]

    def digests(self, counts: Sequence[int]) -> Iterator[str]:
        """Yield the digest of the first row groups, for each of some ascending numbers of them; the file is read once.

        Equal digests mean equal rows, columns and key.
        """
        hasher, position = ContentHasher(), 0
        with self._file.path.open("rb", buffering=0) as stream:
            for count in counts:
                end = max(stop for _, stop, _ in self._places[:count])
                while position < end and (piece := stream.read(min(_PIECE_BYTES, end - position))):
                    hasher.update(piece)
                    position += len(piece)
                schema = str(self._file.schema.remove_metadata())
                yield digest_of([schema, self._key, self._places[:count], hasher.hexdigest()])

    def is_worth_keeping(self, groups: int) -> bool:
        """True if the state of the first row groups is small beside them: most tables are profiled in a moment."""
        if not groups:
            return False
        width = len(self._file.schema)
        kept_bytes = _NUMBER_BYTES * width * (_KEPT_OF_DISTINCT * DISTINCT_LIMIT + sample_size(width))
        start, end = self._places[0][0], self._places[groups - 1][1]
        return _SHARE * kept_bytes < end - start


def _place(group: Any) -> tuple[int, int]:
    """Return the first byte of a row group, and the one after its last."""
    chunks = [group.column(at) for at in range(group.num_columns)]
    starts = [chunk.dictionary_page_offset or chunk.data_page_offset for chunk in chunks]
    ends = [start + chunk.total_compressed_size for start, chunk in zip(starts, chunks, strict=True)]
    return min(starts, default=0), max(ends, default=0)
