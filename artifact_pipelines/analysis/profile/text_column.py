"""Measures texts and binaries."""

import dataclasses

import numpy as np
import pyarrow as pa

from artifact_pipelines.analysis.profile.column import Column
from artifact_pipelines.analysis.profile.distinct import Collector, Limit
from artifact_pipelines.analysis.profile.moments import Counts
from artifact_pipelines.analysis.profile.summary import ColumnSummary, merge_columns
from artifact_pipelines.analysis.profile.texts import KnownTexts, Lengths
from artifact_pipelines.tabular.random_numbers import Numbers


class TextColumn(Column):
    """Texts and binaries, also in dictionaries. A text of a dictionary is read once, however often it occurs."""

    def __init__(self, kind: pa.DataType, limit: Limit) -> None:
        self._known: KnownTexts | None = None
        self._counts: Counts = np.empty(0, np.int64)
        self._collector = Collector(limit, pa.large_binary())
        super().__init__(kind, limit)

    def _empty(self) -> ColumnSummary:
        return ColumnSummary(lengths=Lengths())

    def finish(self) -> ColumnSummary:
        """See `Column`."""
        self._leave_dictionary()
        return dataclasses.replace(self._summary, smallest=self._collector.finish())

    def _measure(self, values: pa.Array) -> tuple[ColumnSummary, Numbers]:
        if not pa.types.is_dictionary(values.type):
            texts = KnownTexts(values)
            return self._summarized(texts, None), texts.numbers
        if self._known is None or not self._known.is_of(values.dictionary):
            self._leave_dictionary()
            self._known = KnownTexts(values.dictionary)
            self._counts = np.zeros(len(values.dictionary), np.int64)
        codes = values.indices.to_numpy()
        self._counts += np.bincount(codes, minlength=len(self._counts))
        return self._empty(), self._known.numbers[codes]

    def _leave_dictionary(self) -> None:
        """Add the texts of the dictionary that was read, each as often as it occurred."""
        if self._known is not None:
            self._summary = merge_columns(self._summary, self._summarized(self._known, self._counts))
            self._known = None

    def _summarized(self, texts: KnownTexts, counts: Counts | None) -> ColumnSummary:
        if counts is None or counts.all():
            self._collector.add(texts.numbers, counts, texts.values)
        else:
            used = np.flatnonzero(counts)
            self._collector.add(texts.numbers[used], counts[used], texts.values.take(pa.array(used)))
        lengths, low, high = texts.summarize(counts)
        return ColumnSummary(low=low, high=high, lengths=lengths)
