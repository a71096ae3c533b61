"""A returned path comes back as a path with the same name, on every store, whatever the name."""

import io
import os
import pathlib
from typing import Any

import dagster as dg
import pandas as pd
import polars as pl
import pytest

from artifact_pipelines import open_store
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.storage.file_types import safe_file_name
from artifact_pipelines_tests.handlers.writing import keep

HOSTILE = {
    "a\nb\t.csv": "a%0Ab%09.csv",
    os.fsdecode(b"\xff.csv"): "%ED%B3%BF.csv",
    "..csv": "..csv",
    "-rf": "-rf",
    "a\\b:c*.csv": "a%5Cb%3Ac%2A.csv",
    "ü ä (1).csv": "ü ä (1).csv",
    "\u202egnp.exe": "%E2%80%AEgnp.exe",
}


def loaded(ours: ArtifactIOManager, value: Any, annotation: Any) -> Any:
    found: list[Any] = []

    def use(made: Any) -> None:
        found.append(made)

    use.__annotations__["made"] = annotation
    made = dg.asset(lambda: value, name="made")
    assert dg.materialize([made, dg.asset(use)], resources={"io_manager": ours}).success
    return found[0]


def test_compressed_csv_is_read_by_its_name(ours: ArtifactIOManager, tmp_path: pathlib.Path) -> None:
    pd.DataFrame({"a": [1]}).to_csv(path := tmp_path / "x.csv.gz", index=False)
    found = loaded(ours, path, pathlib.Path)
    assert found.name == "x.csv.gz"
    assert list(pd.read_csv(found)["a"]) == [1]
    with open_store() as store:
        assert store.load("made", pathlib.Path).name == "x.csv.gz"
    with path.open("rb") as stream:
        assert loaded(ours, stream, pathlib.Path).name == "x.csv.gz"


def test_newest_name_of_unchanged_content_counts(ours: ArtifactIOManager, tmp_path: pathlib.Path) -> None:
    for name in ("x.csv", "y.csv"):
        (tmp_path / name).write_text("data")
        assert loaded(ours, tmp_path / name, pathlib.Path).name == name
    assert loaded(ours, b"data", pathlib.Path).read_bytes() == b"data"


def test_path_beside_tables_keeps_its_name(ours: ArtifactIOManager, tmp_path: pathlib.Path) -> None:
    (tmp_path / "x.csv").write_text("data")
    value = {"file": tmp_path / "x.csv", "table": pl.DataFrame({"a": [1]})}
    assert loaded(ours, value, dict)["file"].name == "x.csv"


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_odd_name_is_escaped(ours: ArtifactIOManager, tmp_path: pathlib.Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"data")
    found = loaded(ours, tmp_path / name, pathlib.Path)
    assert (found.name, found.read_bytes()) == (HOSTILE[name], b"data")


def test_name_never_leads_out_of_its_folder() -> None:
    assert [safe_file_name(name) for name in ("", ".", "..")] == [None, None, None]
    assert safe_file_name("../a/\0b") == "..%2Fa%2F%00b"
    assert [safe_file_name(name) for name in HOSTILE.values()] == [*HOSTILE.values()]


def test_name_that_another_program_wrote_into_the_catalog_is_escaped(tmp_path: pathlib.Path) -> None:
    found = TypeHandlers().read(keep(tmp_path, b"data", "bin"), pathlib.Path, file_name="../../x")
    assert (found.name, found.read_bytes()) == ("..%2F..%2Fx", b"data")


def test_long_name_is_cut_before_its_extensions() -> None:
    for stem in ("x" * 250, "ü" * 127):
        name = safe_file_name(f"{stem}.csv.gz") or ""
        assert name.endswith(f"{stem[0]}.csv.gz")
        assert len(name.encode()) <= 200


def test_stream_without_a_name_has_none(ours: ArtifactIOManager) -> None:
    assert loaded(ours, io.BytesIO(b"data"), pathlib.Path).read_bytes() == b"data"
