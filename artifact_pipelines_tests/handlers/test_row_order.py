"""Assets whose rows are in no order, in real runs."""

import pathlib
from typing import Any

import dagster as dg
import polars as pl
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines_tests.storage.back_door import BackDoor

FRAME = pl.DataFrame({"x": [3, 1, None, 1], "y": ["c", "a", "b", None]})


@pytest.fixture
def io_manager(catalog: Catalog, producer: ArtifactProducer) -> ArtifactIOManager:
    return ArtifactIOManager(catalog, producer)


def materialize(io_manager: ArtifactIOManager, value: Any, row_order: Any = "any") -> dg.ExecuteInProcessResult:
    @dg.asset(metadata={} if row_order is None else {"artifact/row_order": row_order})
    def rows() -> Any:
        return value

    return dg.materialize([rows], resources={"io_manager": io_manager}, raise_on_error=False)


def failure(result: dg.ExecuteInProcessResult) -> str:
    [event] = result.get_step_failure_events()
    return str(event.step_failure_data.error_display_string)


@pytest.mark.parametrize("lazy", [False, True])
def test_other_order_is_no_new_version(io_manager: ArtifactIOManager, catalog: Catalog, lazy: bool) -> None:
    versions = []
    for frame in (FRAME, FRAME.reverse()):
        assert materialize(io_manager, frame.lazy() if lazy else frame).success
        versions.append(catalog.materializations.current("rows"))
    assert versions[0].file.content_hash != versions[1].file.content_hash
    assert versions[0].data_version == versions[1].data_version
    assert [made.version for made in versions] == [1, 1]


def test_other_rows_are_a_new_version(io_manager: ArtifactIOManager, catalog: Catalog) -> None:
    for frame in (FRAME, FRAME.head(3)):
        materialize(io_manager, frame)
    assert catalog.materializations.current("rows").version == 2


def test_without_it_order_counts(io_manager: ArtifactIOManager, catalog: Catalog) -> None:
    for frame in (FRAME, FRAME.reverse()):
        materialize(io_manager, frame, None)
    assert catalog.materializations.current("rows").version == 2


@pytest.mark.parametrize("row_order", ["random", "", 1, True])
def test_another_word_fails_and_names_the_one_there_is(io_manager: ArtifactIOManager, row_order: Any) -> None:
    said = failure(materialize(io_manager, FRAME, row_order))
    assert "artifact/row_order must be 'any'" in said


@pytest.mark.parametrize("value", ["text", {"a": 1}, b"bytes", pathlib.Path("x.csv")])
def test_what_is_no_table_has_no_rows_to_order(io_manager: ArtifactIOManager, catalog: Catalog, value: Any) -> None:
    said = failure(materialize(io_manager, value))
    assert "not a table" in said
    assert catalog.files.list_files(10) == []


def test_a_damaged_duplicate_gives_no_wrong_version(
    io_manager: ArtifactIOManager, catalog: Catalog, back_door: BackDoor
) -> None:
    materialize(io_manager, FRAME)
    file = catalog.materializations.current("rows").file
    whole = back_door.get(file.storage_path)
    back_door.put(file.storage_path, whole[:8] + bytes([whole[8] ^ 1]) + whole[9:])
    assert "DamagedBytesError" in failure(materialize(io_manager, FRAME))
    assert materialize(io_manager, FRAME).success
    assert back_door.get(file.storage_path) == whole
