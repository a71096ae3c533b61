"""The table of types in docs/io_manager.md is true, one by one and in one run of Dagster."""

import datetime
import decimal
import math
import pathlib
from typing import Any

import dagster as dg
import numpy as np
import pytest

from artifact_pipelines.handlers.containers import read_value
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines_tests.handlers.table_of_types import Row, assert_same, evaluate, read_rows
from artifact_pipelines_tests.handlers.writing import stored_value

ROWS = read_rows()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.value)
def test_each_row_of_the_table_is_true(tmp_path: pathlib.Path, row: Row) -> None:
    artifacts, metadata = stored_value(tmp_path, evaluate(row.value))
    assert ", ".join(artifact.info.file_type for artifact in artifacts) == row.file_type
    if row.content is not None:
        assert TypeHandlers().read(artifacts[0], bytes).decode() == row.content
    for annotation, expected in [("None", row.found), *row.annotated]:
        found = read_value(TypeHandlers(), artifacts, metadata, evaluate(annotation))
        assert_same(found, evaluate(expected))


def test_the_table_is_true_in_a_run_of_dagster(ours: ArtifactIOManager, is_stress: bool) -> None:
    """Each row is an asset, with an asset below it for each way to load it. The short form takes every third row."""
    rows = ROWS[:: 1 if is_stress else 3]
    assets: list[dg.AssetsDefinition] = []
    for number, row in enumerate(rows):
        made = _maker(f"made_{number}", row.value)
        readers = [(Any, row.found), *((evaluate(annotation), expected) for annotation, expected in row.annotated)]
        assets += [made, *(_reader(f"read_{number}_{at}", made, *one) for at, one in enumerate(readers))]
    assert len(assets) > len(rows) > 5
    assert dg.materialize(assets, resources={"io_manager": ours}).success


def _maker(name: str, code: str) -> dg.AssetsDefinition:
    @dg.asset(name=name)
    def make() -> Any:
        return evaluate(code)

    return make


def _reader(name: str, made: dg.AssetsDefinition, annotation: Any, expected: str) -> dg.AssetsDefinition:
    def read(given: Any) -> None:
        assert_same(given, evaluate(expected))

    read.__annotations__["given"] = annotation
    return dg.asset(read, name=name, ins={"given": dg.AssetIn(made.key)})


def test_nested_values_pass_from_asset_to_asset(ours: ArtifactIOManager) -> None:
    value = {
        "day": datetime.date(2013, 1, 1),
        "rows": [(1, decimal.Decimal("1.10")), (np.int64(2), math.nan)],
        7: {frozenset({1, 2}): {b"x"}},
    }

    @dg.asset
    def made() -> Any:
        return value

    @dg.asset
    def used(made: Any) -> None:
        assert_same(made, {**value, "rows": [(1, decimal.Decimal("1.10")), (2, math.nan)]})

    assert dg.materialize([made, used], resources={"io_manager": ours}).success
