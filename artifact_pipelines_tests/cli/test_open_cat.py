"""The commands open and cat."""

import pathlib

import click
import click.testing
import pandas as pd
import polars as pl
import pytest

from artifact_pipelines import Store
from artifact_pipelines_tests.cli.commands import run, run_json


def test_cat_prints_bytes_and_open_gives_a_path_with_the_right_suffix(
    towns: Store, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert run("cat", "towns/report") == "3 rows\n"
    path = pathlib.Path(run("open", "towns/table", "--print").strip())
    assert path.name == "towns-table.parquet"
    assert pl.read_parquet(path).height == 3
    assert run_json("open", "towns/table")["path"] == str(path)
    launched: list[str] = []

    def launch(url: str) -> int:
        launched.append(url)
        return 0

    monkeypatch.setattr(click, "launch", launch)
    run("open", "towns/report@v1")
    assert pathlib.Path(launched[0]).read_text() == "2 rows\n"
    monkeypatch.setattr(click, "launch", lambda url: 1)
    assert "Open it yourself" in run("open", "towns/report", code=2)


def test_stored_path_keeps_its_suffix(store: Store, tmp_path: pathlib.Path) -> None:
    pd.DataFrame({"x": [1]}).to_csv(tmp_path / "x.csv.gz", index=False)
    run("put", tmp_path / "x.csv.gz")
    assert store.path("1").name == "file-1.csv.gz"
    assert pd.read_csv(store.path("1"))["x"].tolist() == [1]
