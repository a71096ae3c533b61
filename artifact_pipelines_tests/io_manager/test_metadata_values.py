"""Metadata of assets and inputs mean the same, plain or as a `MetadataValue`."""

from typing import Any

import dagster as dg
import polars as pl
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.retention import RetentionPolicy
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.io_manager.asked_outputs import retention_policy
from artifact_pipelines_tests.io_manager.conftest import failure_of

VALUE = dg.MetadataValue
FRAME = pl.DataFrame({"x": [2, 1], "y": ["b", "a"]})


def test_asset_metadata_may_be_metadata_values(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    wrapped = {
        "artifact/row_order": VALUE.text("any"),
        "artifact/publish": VALUE.text("after_checks"),
        "artifact/dataset": VALUE.text("rows"),
        "artifact/retention": VALUE.json({"keep_last": 2}),
    }

    def materialize(frame: pl.DataFrame) -> None:
        @dg.asset(metadata=wrapped)
        def rows() -> pl.DataFrame:
            return frame

        @dg.asset_check(asset=rows, blocking=True)
        def checked() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=True)

        assert dg.materialize([rows, checked], resources={"io_manager": ours}).success

    materialize(FRAME)
    [candidate] = own_catalog.candidates.waiting()
    own_catalog.candidates.publish(candidate)
    materialize(FRAME.reverse())
    assert own_catalog.materializations.current("rows").version == 1
    assert retention_policy(wrapped) == RetentionPolicy(keep_last=2)


def load(ours: ArtifactIOManager, annotation: Any, metadata: dict[str, Any], keys: list[str]) -> Any:
    """Return what an input with metadata loads of an asset with values for some partitions, or the failure's text."""
    partitions, loaded = dg.StaticPartitionsDefinition(["a", "b"]), []

    @dg.asset(partitions_def=partitions)
    def up() -> pl.DataFrame:
        return FRAME

    def down(up: Any) -> None:
        loaded.append(up)

    down.__annotations__["up"] = annotation
    asset = dg.asset(down, ins={"up": dg.AssetIn(metadata=metadata)})
    with dg.DagsterInstance.ephemeral() as instance:
        options: Any = {"resources": {"io_manager": ours}, "instance": instance, "raise_on_error": False}
        for key in keys:
            dg.materialize([up], partition_key=key, **options)
        result = dg.materialize([up, asset], selection=[asset], **options)
    return loaded[0] if result.success else failure_of(result)


def test_input_metadata_may_be_metadata_values(ours: ArtifactIOManager) -> None:
    wrapped = {"columns": VALUE.json(["y"]), "artifact/partition_column": VALUE.text("key")}
    assert load(ours, pl.DataFrame, wrapped, ["a", "b"]).columns == ["y", "key"]


@pytest.mark.parametrize("allowed", [True, False])
def test_allow_missing_partitions_may_be_a_metadata_value(ours: ArtifactIOManager, allowed: bool) -> None:
    found = load(ours, dict[str, pl.DataFrame], {"allow_missing_partitions": VALUE.bool(allowed)}, ["a"])
    assert [*found] == ["a"] if allowed else "MissingPartitionsError" in found
