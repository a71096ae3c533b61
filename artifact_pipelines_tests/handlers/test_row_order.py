"""Assets whose rows have no order."""

import io
import pathlib
from typing import Any

import polars as pl
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.handlers.table_handlers import is_unordered, unordered_version
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import DamagedBytesError
from artifact_pipelines_tests.handlers.writing import stored, written
from artifact_pipelines_tests.storage.back_door import BackDoor

FRAME = pl.DataFrame({"x": [3, 1, None, 1], "y": ["c", "a", "b", None]})
ANY = {"artifact/row_order": "any"}


@pytest.mark.parametrize("lazy", [False, True])
def test_order_of_rows_does_not_change_the_version(folder: pathlib.Path, lazy: bool) -> None:
    versions = [
        unordered_version(stored(folder, frame.lazy() if lazy else frame))
        for frame in (FRAME, FRAME.reverse(), FRAME.head(3))
    ]
    assert versions[0] == versions[1] != versions[2]


def test_order_counts_unless_declared_otherwise() -> None:
    description = TypeHandlers().find_writer(FRAME)[0].describe(FRAME)
    assert is_unordered(ANY, description)
    assert not is_unordered({}, description)


@pytest.mark.parametrize("row_order", ["random", "", 1, True])
def test_other_word_is_refused(row_order: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="artifact/row_order must be 'any'"):
        is_unordered({"artifact/row_order": row_order}, TypeHandlers().find_writer(FRAME)[0].describe(FRAME))


@pytest.mark.parametrize("value", ["text", {"a": 1}, b"bytes", pathlib.Path("x.csv")])
def test_value_without_rows_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="not a table"):
        is_unordered(ANY, TypeHandlers().find_writer(value)[0].describe(value))


def test_damaged_file_gives_no_version(catalog: Catalog, producer: ArtifactProducer, back_door: BackDoor) -> None:
    description, data = written(FRAME)
    file_id = producer.create_artifact(io.BytesIO(data), description.file_type)
    artifact = producer.artifact(catalog.files.get_file(file_id))
    assert unordered_version(artifact)
    back_door.put(artifact.info.storage_path, data[:8] + bytes([data[8] ^ 1]) + data[9:])
    with pytest.raises(DamagedBytesError):
        unordered_version(artifact)
