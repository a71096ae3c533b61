"""Texts and binaries: their numbers, lengths and extremes; each is read once."""

import dataclasses

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash as plh
import pyarrow as pa
import pyarrow.compute as pc

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

    def __init__(
        self, texts: tuple[pa.Array, bool], numbers: Numbers | None = None, lengths: npt.NDArray[np.int64] | None = None
    ) -> None:
        self.values, self._is_text = texts
        self.numbers = _hashed(self.values) if numbers is None else numbers
        self._lengths = self._measured_lengths() if lengths is None else lengths

    def is_of(self, dictionary: pa.Array) -> bool:
        """True if these are the texts of a dictionary."""
        return len(dictionary) == len(self.values) and as_binary(dictionary)[0].equals(self.values)

    def taken(self, positions: npt.NDArray[np.intp]) -> "KnownTexts":
        """Return some of the texts."""
        taken = pa.array(positions)
        return KnownTexts((self.values.take(taken), self._is_text), self.numbers[positions], self._lengths[positions])

    def extremes(self) -> tuple[bytes, bytes]:
        """Return the first and the last text in the order of their bytes."""
        found = pc.min_max(self.values)
        return found["min"].as_py(), found["max"].as_py()

    def count_lengths(self, counts: npt.NDArray[np.int64] | None) -> Lengths:
        """Return the lengths of the texts, each as often as it occurs; None: once."""
        lengths = self._lengths
        total = int(lengths.sum() if counts is None else (lengths * counts).sum())
        is_empty = lengths == 0
        empty = int(np.count_nonzero(is_empty) if counts is None else counts[is_empty].sum())
        return Lengths(total, int(lengths.min()), int(lengths.max()), empty)

    def _measured_lengths(self) -> npt.NDArray[np.int64]:
        measured = (
            pc.utf8_length(self.values.view(pa.large_string())) if self._is_text else pc.binary_length(self.values)
        )
        lengths: npt.NDArray[np.int64] = measured.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        return lengths


def as_binary(texts: pa.Array) -> tuple[pa.Array, bool]:
    """Return texts or binaries as binaries, and whether they are texts."""
    types = pa.types
    is_text = types.is_string(texts.type) or types.is_large_string(texts.type) or types.is_string_view(texts.type)
    return texts if texts.type == _ALIKE else texts.cast(_ALIKE), bool(is_text)


def _hashed(texts: pa.Array) -> Numbers:
    column = pl.Series("text", texts)
    return column.to_frame().select(plh.col("text").nchash.xxhash64(seed=0)).to_series().to_numpy()
