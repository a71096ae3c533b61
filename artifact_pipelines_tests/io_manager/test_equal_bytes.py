"""Equal bytes are one file, whatever their types; each asset keeps its own type."""

import pathlib
from typing import Any

import dagster as dg
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.storage.artifact import Artifact


def run(ours: ArtifactIOManager, *assets: dg.AssetsDefinition, **options: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize([*assets], resources={"io_manager": ours}, **options)


@dg.asset
def raw() -> bytes:
    return b'{"n":1}'


@dg.asset
def text(raw: bytes) -> str:
    return raw.decode()


@dg.asset
def parsed(raw: bytes) -> dict[str, int]:
    return {"n": 1}


@dg.asset
def total(text: str, parsed: dict[str, int]) -> list[object]:
    return [text, parsed]


def test_assets_with_equal_bytes_load_their_own_types(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    result = run(ours, raw, text, parsed, total)
    assert result.asset_value("total") == ['{"n":1}', {"n": 1}]
    current = {made.asset: made.file for made in own_catalog.materializations.list_current()}
    assert len({current[name].file_id for name in ("raw", "text", "parsed")}) == 1
    assert [current[name].file_type for name in ("raw", "text", "parsed")] == ["bin", "txt", "json"]
    shown = result.asset_materializations_for_node("text")[0].metadata
    assert (shown["artifact/file_type"].value, shown["artifact/duplicate"].value) == ("txt", True)


def test_empty_file_is_new_only_once(ours: ArtifactIOManager) -> None:
    @dg.asset
    def empty() -> bytes:
        return b""

    shown = [run(ours, empty).asset_materializations_for_node("empty")[0].metadata for _ in range(2)]
    assert [metadata["artifact/duplicate"].value for metadata in shown] == [False, True]


def test_change_of_type_with_equal_bytes_is_a_new_version(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    value: list[object] = ["1"]

    @dg.asset
    def number() -> Any:
        return value[0]

    @dg.asset
    def kind(number: Any) -> str:
        return type(number).__name__

    assert run(ours, number, kind).asset_value("kind") == "str"
    value[0] = 1
    assert run(ours, number, kind).asset_value("kind") == "int"
    first, second = reversed(own_catalog.materializations.history("number"))
    assert (first.version, second.version) == (1, 2)
    assert first.data_version != second.data_version
    assert first.file.file_id == second.file.file_id
    assert own_catalog.materializations.roll_back("number", 1).now.file.file_type == "txt"


def test_equal_bytes_under_another_extension_get_that_type(ours: ArtifactIOManager, tmp_path: pathlib.Path) -> None:
    paths = [tmp_path / "flights.dat", tmp_path / "flights.csv"]
    for path in paths:
        path.write_text("a,b\n1,2\n")

    @dg.asset
    def dropped() -> pathlib.Path:
        return paths[0]

    @dg.asset
    def extension(dropped: Artifact) -> str:
        return dropped.info.file_type

    assert run(ours, dropped, extension).asset_value("extension") == "dat"
    paths.reverse()
    assert run(ours, dropped, extension).asset_value("extension") == "csv"


@pytest.mark.parametrize("first", ["text", "bytes"])
def test_first_writer_of_bytes_does_not_decide_their_type(ours: ArtifactIOManager, first: str) -> None:
    @dg.asset
    def as_text() -> str:
        return "same"

    @dg.asset
    def as_bytes() -> bytes:
        return b"same"

    @dg.asset
    def both(as_text: str, as_bytes: bytes) -> list[str]:
        return [as_text, as_bytes.decode()]

    earlier, later = (as_text, as_bytes) if first == "text" else (as_bytes, as_text)
    run(ours, earlier)
    assert run(ours, earlier, later, both).asset_value("both") == ["same", "same"]
