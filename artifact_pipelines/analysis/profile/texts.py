"""Texts and binaries: their numbers, lengths and extremes; each is read once."""

import dataclasses
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash as plh
import pyarrow as pa
import pyarrow.compute as pc

from artifact_pipelines.analysis.profile.moments import Counts
from artifact_pipelines.tabular.arrow_types import is_string
from artifact_pipelines.tabular.random_numbers import Numbers

_ALIKE = pa.large_binary()


@dataclasses.dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths of some texts in characters; of binaries, in bytes."""

    total: int = 0
    shortest: int | None = None
    longest: int | None = None
    empty: int = 0

    def merged(self, other: "Lengths") -> "Lengths":
        """Return the lengths of both."""
        if self.shortest is None or other.shortest is None or self.longest is None or other.longest is None:
            return other if self.shortest is None else self
        shortest, longest = min(self.shortest, other.shortest), max(self.longest, other.longest)
        return Lengths(self.total + other.total, shortest, longest, self.empty + other.empty)


class KnownTexts:
    """At least one text, with the number and the length of each.

    Attributes:
        values: (n,) as `as_binary` returns them.
        numbers: (n,) XXH64 of their bytes.
    """

    def __init__(self, texts: pa.Array) -> None:
        self._texts = texts
        self.values = as_binary(texts)
        self._series = pl.Series("text", self.values)
        self.numbers = _hashed(self._series)
        self._lengths = _lengths(self.values, is_text=is_string(texts.type))

    def is_of(self, dictionary: pa.Array) -> bool:
        """True if these are the texts of a dictionary."""
        if _addresses(dictionary) == _addresses(self._texts) and len(dictionary) == len(self._texts):
            return True
        return bool(dictionary.equals(self._texts))

    def summarize(self, counts: Counts | None = None) -> tuple[Lengths, bytes, bytes]:
        """Return the lengths of the texts, and the first and the last one in the order of their bytes.

        Args:
            counts: (n,) how often each occurs, perhaps never; None: once.
        """
        texts, lengths = self._series, self._lengths
        if counts is not None and not counts.all():
            used = np.flatnonzero(counts)
            texts, lengths, counts = texts.gather(used), lengths[used], counts[used]
        total = int(lengths.sum() if counts is None else (lengths * counts).sum())
        is_empty = lengths == 0
        empty = int(np.count_nonzero(is_empty) if counts is None else counts[is_empty].sum())
        found = Lengths(total, int(lengths.min()), int(lengths.max()), empty)
        return found, cast(bytes, texts.min()), cast(bytes, texts.max())


def as_binary(texts: pa.Array) -> pa.Array:
    """Return texts or binaries as large binaries."""
    return texts if texts.type == _ALIKE else texts.cast(_ALIKE)


def _lengths(values: pa.Array, *, is_text: bool) -> npt.NDArray[np.int64]:
    """Return the length of each value: of texts in characters, else in bytes."""
    _, offsets, data = values.buffers()
    bounds = np.frombuffer(offsets, np.int64)[values.offset : values.offset + len(values) + 1]
    if is_text and data is not None and bounds[-1] > bounds[0]:
        is_ascii = np.frombuffer(data, np.int8)[bounds[0] : bounds[-1]].min() >= 0
        if not is_ascii:
            return pc.utf8_length(values.view(pa.large_string())).to_numpy().astype(np.int64, copy=False)  # type: ignore[no-any-return]
    return np.diff(bounds)


def _addresses(values: pa.Array) -> list[int]:
    return [values.offset, *(0 if buffer is None else buffer.address for buffer in values.buffers())]


def _hashed(texts: pl.Series) -> Numbers:
    return texts.to_frame().select(plh.col("text").nchash.xxhash64(seed=0)).to_series().to_numpy()
