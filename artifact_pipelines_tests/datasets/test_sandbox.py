"""Whatever a library does to the process that reads a file, it is an error about this file."""

import pathlib
import random
import time
from collections.abc import Mapping

import polars as pl
import pyarrow as pa
import pytest

from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.datasets.exceptions import ReaderDiedError, RefusedValueError, UnparsableSourceError
from artifact_pipelines.datasets.formats.parquet import Parquet
from artifact_pipelines.datasets.interfaces import IFileFormat, RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.limits import Limits
from artifact_pipelines.datasets.sandbox import open_in_child
from artifact_pipelines.datasets.table_reader import open_table
from artifact_pipelines_tests.datasets.hostile_formats import Hostile

SHORT = Limits(memory_bytes=1 << 30, cpu_s=60, silence_s=60)


@pytest.fixture
def file(tmp_path: pathlib.Path) -> RawFile:
    (tmp_path / "stored").write_bytes(b"bytes")
    return RawFile(tmp_path / "stored", "hostile", "inbox/flights.hostile")


def read(file: RawFile, file_format: IFileFormat, limits: Limits = SHORT) -> pa.Table:
    with open_in_child(file_format, file, Contract(), limits) as table:
        return table.batches.read_all()


@pytest.mark.parametrize(
    ("deed", "end", "is_late"),
    [
        pytest.param("abort", "was ended by signal SIGABRT", False, marks=pytest.mark.long),
        ("abort", "was ended by signal SIGABRT", True),
        ("exit", "failed unexpectedly", True),
        ("send nonsense", "sent a note that cannot be read", False),
        pytest.param("fail", "failed unexpectedly", False, marks=pytest.mark.long),
        pytest.param("hoard", "needed more than 1,024 MiB of memory", False, marks=pytest.mark.long),
        ("hoard in arrow", "needed more than 1,024 MiB of memory", True),
    ],
)
def test_reader_that_dies_is_an_error_about_the_file(file: RawFile, deed: str, end: str, is_late: bool) -> None:
    with pytest.raises(ReaderDiedError, match=r"^inbox/flights.hostile cannot be read as hostile") as caught:
        read(file, Hostile(deed=deed, is_late=is_late))
    assert end in str(caught.value)


def test_arrays_that_are_damaged_are_refused_by_the_parent(file: RawFile) -> None:
    with pytest.raises(UnparsableSourceError, match="its data are damaged"):
        read(file, Hostile(deed="damage"))


def test_limits_of_the_dataset_are_those_of_the_reader(file: RawFile) -> None:
    contract = Contract(limits=Limits(memory_bytes=100 << 20))
    with (
        pytest.raises(ReaderDiedError, match="more than 100 MiB"),
        open_in_child(Hostile(deed="hoard"), file, contract),
    ):
        pass


def test_reader_that_hangs_is_ended_after_its_silence(file: RawFile) -> None:
    with pytest.raises(ReaderDiedError, match="gave no answer for 2 seconds"):
        read(file, Hostile(deed="sleep"), Limits(silence_s=2))


def test_reader_that_computes_for_ever_is_ended_by_its_processor_time(file: RawFile) -> None:
    with pytest.raises(ReaderDiedError, match="used more than 1 s of processor time"):
        read(file, Hostile(deed="spin"), Limits(cpu_s=1))


@pytest.mark.parametrize("is_late", [pytest.param(False, marks=pytest.mark.long), True], ids=["opening", "reading"])
def test_error_of_the_format_arrives_as_itself(file: RawFile, is_late: bool) -> None:
    with pytest.raises(RefusedValueError) as caught:
        read(file, Hostile(deed="refuse", is_late=is_late))
    assert vars(caught.value) == vars(RefusedValueError(file.label, 7, "delay", "ten", "a number"))


def test_output_of_a_library_is_no_part_of_the_table(file: RawFile) -> None:
    with open_in_child(Hostile(deed="print", is_late=True), file, Contract(), SHORT) as table:
        assert table.read_as == {"deed": "print"}
        assert table.batches.read_all()["x"].to_pylist() == [1, 2, 3, 1, 2, 3]


def test_reader_does_not_see_secrets_of_the_environment(file: RawFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("ARTIFACT_CATALOG_URL", "postgresql://user:secret@host/catalog")
    assert read(file, Hostile(deed="look around")).num_rows == 6


def test_reader_ends_with_its_table(file: RawFile) -> None:
    started = time.monotonic()
    with open_in_child(Hostile(deed="sleep", is_late=True), file, Contract(), SHORT) as table:
        assert table.batches.read_next_batch().num_rows == 3
    assert time.monotonic() - started < SHORT.silence_s


def test_table_is_the_same_in_a_process_of_its_own(tmp_path: pathlib.Path) -> None:
    pl.DataFrame({"x": range(2_000), "kind": ["a", None] * 1_000}).write_parquet(tmp_path / "x.parquet")
    source = RawFile(tmp_path / "x.parquet", "parquet", "x.parquet")
    tables = []
    for trusted in (True, False):
        with open_table(source, Parquet(), Contract({"x": "DECIMAL(10,2)"}), trusted=trusted) as table:
            tables.append(table.batches.read_all())
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_damaged_parquet_is_read_as_it_was_or_is_an_error_about_the_file(tmp_path: pathlib.Path, seed: int) -> None:
    outcome = _read_damaged(tmp_path, seed)
    assert outcome is None or outcome.startswith("x.parquet")


@pytest.mark.long
def test_damage_anywhere_in_parquet_is_found(tmp_path: pathlib.Path) -> None:
    for seed in range(100):
        outcome = _read_damaged(tmp_path, seed)
        assert outcome is None or outcome.startswith("x.parquet"), seed


def _read_damaged(folder: pathlib.Path, seed: int) -> str | None:
    """Return the error of a file with some changed bytes; None: its values were read as they were."""
    dice = random.Random(seed)
    values: Mapping[str, object] = {"x": range(5_000), "text": [f"row {i % 97}" for i in range(5_000)]}
    whole = pa.table({"x": list(range(5_000)), "text": values["text"]})
    pa.parquet.write_table(whole, folder / "x.parquet", write_page_checksum=True, row_group_size=1_000)
    data = bytearray((folder / "x.parquet").read_bytes())
    places = range(len(data) - 2_000, len(data)) if seed % 2 else range(len(data))
    for _ in range(dice.choice([1, 3, 20])):
        data[dice.choice(places)] = dice.randrange(256)
    (folder / "x.parquet").write_bytes(data)
    try:
        table = read(RawFile(folder / "x.parquet", "parquet", "x.parquet"), Parquet())
    except SourceError as error:
        return str(error)
    assert table.num_rows <= 5_000
    return None
