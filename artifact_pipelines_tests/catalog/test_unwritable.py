"""A SQLite catalog on a full or read-only disk can be read, and refuses to be written."""

import contextlib
import pathlib
import shutil
from collections.abc import Callable

import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import ReadOnlyCatalogError
from artifact_pipelines.core.types import Content, FileDescription
from artifact_pipelines_tests.unwritable import full_disk, unwritable

_WANTED = [(Content("a" * 64, 100), FileDescription("parquet"))]


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with a catalog of one file, which nobody has open."""
    folder = tmp_path / "catalog's folder %"
    with Catalog(f"sqlite:///{folder}/catalog.db") as catalog:
        catalog.files.acquire_all(_WANTED, "blake3")
    return folder


def open_catalog(folder: pathlib.Path) -> Catalog:
    return Catalog(f"sqlite:///{folder}/catalog.db")


@pytest.mark.parametrize("block", [unwritable, lambda _: full_disk()], ids=["read-only", "full"])
def test_unwritable_catalog_is_read_but_not_written(
    folder: pathlib.Path, block: Callable[[pathlib.Path], contextlib.AbstractContextManager[None]]
) -> None:
    with block(folder), open_catalog(folder) as catalog:
        assert len(catalog.files.list_files(10)) == 1
        with pytest.raises(ReadOnlyCatalogError, match="can be read but not written.*Free space"):
            catalog.files.acquire_all(_WANTED, "blake3")
        assert len(catalog.files.list_files(10)) == 1


def test_snapshot_of_an_open_catalog_has_its_last_transactions(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with open_catalog(folder) as catalog:
        catalog.files.acquire_all([(Content("b" * 64, 100), FileDescription("parquet"))], "blake3")
        shutil.copytree(folder, tmp_path / "snapshot")
    assert (tmp_path / "snapshot" / "catalog.db-wal").stat().st_size > 0
    with unwritable(tmp_path / "snapshot"), open_catalog(tmp_path / "snapshot") as catalog:
        assert len(catalog.files.list_files(10)) == 2


def test_open_catalog_is_written_again_once_it_can_be(folder: pathlib.Path) -> None:
    with unwritable(folder):
        catalog = open_catalog(folder)
        assert len(catalog.files.list_files(10)) == 1
    catalog.files.acquire_all([(Content("b" * 64, 100), FileDescription("parquet"))], "blake3")
    assert len(catalog.files.list_files(10)) == 2
    catalog.close()
