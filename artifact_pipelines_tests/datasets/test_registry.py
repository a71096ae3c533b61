"""The choice of a file format where a dataset declares none."""

import pathlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Literal

import pyarrow as pa
import pytest

from artifact_pipelines.datasets import registry
from artifact_pipelines.datasets.exceptions import UnparsableSourceError
from artifact_pipelines.datasets.formats.csv import Csv
from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable, RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.registry import ByExtension
from artifact_pipelines.datasets.table_reader import open_table


class Words(IFileFormat):
    """One word on each line."""

    EXTENSIONS: ClassVar[Sequence[str]] = ("words",)
    type: Literal["words"] = "words"

    @contextmanager
    def open(self, file: RawFile, contract: Contract) -> Iterator[OpenTable]:
        yield OpenTable(pa.table({"word": file.path.read_text().split()}).to_reader())


@pytest.fixture
def file(tmp_path: pathlib.Path) -> RawFile:
    (tmp_path / "stored").write_text("a\nb\n")
    return RawFile(tmp_path / "stored", "words", "texts.words")


def test_format_in_one_class_reads_a_table(file: RawFile) -> None:
    with open_table(file, Words(), Contract(key=["word"])) as table:
        assert table.batches.read_all()["word"].to_pylist() == ["a", "b"]


def test_extension_chooses_the_format(file: RawFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "FORMATS", (Csv, Words))
    with ByExtension.model_validate({"null_values": ["NA"]}).open(file, Contract()) as table:
        assert table.batches.schema.names == ["word"]


def test_code_version_follows_changed_code_of_a_format(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ByExtension().code_version()
    monkeypatch.setattr(Csv, "CODE_VERSION", "3")
    assert before != ByExtension().code_version()


def test_code_version_ignores_additional_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ByExtension().code_version()
    monkeypatch.setattr(registry, "FORMATS", (*registry.FORMATS, Words))
    assert before == ByExtension().code_version()


@pytest.mark.parametrize(
    ("name", "file_type", "problem"),
    [
        ("data", "bin", "its name has no extension; set format.type to one of csv, tsv"),
        ("data.gz", "bin", "no format has the extension .gz; set format.type"),
        ("data.zip/a.dat", "dat", "no format has the extension .dat; set format.type"),
    ],
)
def test_file_of_an_unknown_extension_is_refused_by_its_own_name(
    tmp_path: pathlib.Path, name: str, file_type: str, problem: str
) -> None:
    (tmp_path / "stored").write_text("a,b\n1,2\n")
    with pytest.raises(UnparsableSourceError, match=f"{name} cannot be read as a table: {problem}"):
        registry.choose_format(RawFile(tmp_path / "stored", file_type, name))
