"""Commands on stored things take any name."""

import pathlib

import pytest

from artifact_pipelines import Store
from artifact_pipelines_tests.cli.commands import run, run_json


@pytest.mark.parametrize("name", ["towns/table", "towns/table@v2", "{file_id}"])
@pytest.mark.parametrize("command", ["get", "show", "pin", "history", "lineage", "verify", "open"])
def test_commands_take_an_asset_a_version_or_a_file_id(
    command: str, name: str, towns: Store, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    name = name.format(file_id=towns.find("towns/table").file.file_id)
    target = ["-o", tmp_path / "out"] if command == "get" else []
    assert run_json(command, name, *target)
    assert "Did you mean towns/table" in run(command, "towns/tabel", *target, code=3)
