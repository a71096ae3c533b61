"""A long ingestion shows its progress in the log."""

import io
import pathlib
import re

import pyarrow as pa
import pytest

from artifact_pipelines.datasets import progress
from artifact_pipelines.datasets.formats.csv import Csv
from artifact_pipelines.datasets.interfaces import RawFile
from artifact_pipelines.datasets.progress import Progress, WatchedStream, watched_batches
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.raw_stream import watched_reads
from artifact_pipelines.datasets.table_reader import open_table


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each look at the clock take four seconds."""
    seconds = iter(range(0, 4000, 4))
    monkeypatch.setattr(progress, "now_s", lambda: float(next(seconds)))


class Named(io.BytesIO):
    name = "a.csv"


@pytest.mark.usefixtures("clock")
def test_read_file_shows_bytes_rate_and_time_left() -> None:
    lines: list[str] = []
    stream = WatchedStream(Named(b"1" * 10_000_000), Progress("a.csv", lines.append))
    while stream.read(1_000_000):
        pass
    assert lines[0] == "a.csv: 3.0 MB of 10.0 MB read (30%), 0.2 MB/s, about 37s left"
    assert len(lines) == 3


@pytest.mark.usefixtures("clock")
def test_made_table_shows_rows_and_rate() -> None:
    lines: list[str] = []
    batch = pa.record_batch({"x": pa.array(range(1000))})
    reader = pa.RecordBatchReader.from_batches(batch.schema, iter([batch] * 4))
    assert watched_batches(reader, Progress("a.csv", lines.append)).read_all().num_rows == 4000
    assert lines == ["a.csv: 3,000 rows, 0.0 MB so far, 188 rows/s"]


@pytest.mark.usefixtures("clock")
def test_text_file_shows_rows_and_time_left_while_it_becomes_a_table(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x\n" + "1\n" * 3_000_000)
    lines: list[str] = []
    progress = Progress("a.csv", lines.append, "checked")
    with watched_reads(path, progress.read), open_table(RawFile(path, "csv", "a.csv"), Csv(), Contract()) as table:
        checked = len(lines)
        assert watched_batches(table.batches, progress).read_all().num_rows == 3_000_000
    assert re.fullmatch(r"a.csv: [\d.]+ MB of 6.0 MB checked \(\d+%\), [\d.]+ MB/s, about \w+ left", lines[0])
    pattern = r"a.csv: [\d.]+ MB of 6.0 MB read \(\d+%\), [\d,]+ rows, [\d.]+ MB/s, about \w+ left"
    assert any(re.fullmatch(pattern, line) for line in lines[checked:]), lines


def test_short_ingestion_shows_nothing() -> None:
    lines: list[str] = []
    assert WatchedStream(Named(b"123"), Progress("a.csv", lines.append)).read() == b"123"
    assert lines == []
