"""The partitions of a dataset whose keys are the values of a column: a table for each, written by one step.

One idea: a partition is written only if its rows have another logical hash than those stored, and only then Dagster
gets an event of it. So whatever depends on other partitions does not run.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.types import Materialization
from artifact_pipelines.datasets.resources import LandingZone
from artifact_pipelines.instance.event_log import latest_data_versions
from artifact_pipelines.instance.runless_reports import report_current
from artifact_pipelines.io_manager.asked_outputs import retention_policy
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.io_manager.side_outputs import store_beside
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.hashing import OneThreadHasher
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.local_paths import verified_path
from artifact_pipelines.tabular.bounded_batches import read_batches
from artifact_pipelines.tabular.footer import DESCRIPTION
from artifact_pipelines.tabular.logical_hash import TableHasher
from artifact_pipelines.tabular.rows_by_key import rows_by_key

_LIST = pa.schema(
    [
        pa.field("partition", pa.string(), metadata={DESCRIPTION: "Key of the partition, a value of the column"}),
        pa.field("rows", pa.int64(), metadata={DESCRIPTION: "Number of its rows; 0: none is left"}),
        pa.field("data_version", pa.string(), metadata={DESCRIPTION: "Hash of its rows"}),
    ]
)
_LIST_DESCRIPTION = """All partitions of `{by}`, the values of column {column}.

Making this list writes those whose rows have changed.
"""


def partitioned_key(dataset: str, column: str) -> dg.AssetKey:
    """Return the key of the asset that has a partition for each value of a column."""
    return dg.AssetKey([dataset, f"by_{re.sub(r'[^A-Za-z0-9_]', '_', column)}"])


@dataclasses.dataclass(frozen=True, slots=True)
class PartitionsByColumn:
    """The partitions of a dataset by a column.

    Attributes:
        row_key: Columns that identify a row.
        is_union: True if keys that the table no longer has lose their rows; else they keep those of an earlier file.
        meanings: What the columns mean, as far as the dataset says.
    """

    dataset: str
    column: str
    row_key: Sequence[str]
    is_union: bool
    meanings: Mapping[str, str]

    @property
    def asset(self) -> dg.AssetKey:
        """Key of the asset that has a partition for each value of the column."""
        return partitioned_key(self.dataset, self.column)

    def write_changed(
        self, context: dg.AssetExecutionContext, table: Artifact, store: tuple[Catalog, IStorageBackend]
    ) -> tuple[pa.Table, int]:
        """Write the partitions whose rows have changed; return the list of all, and how many were written."""
        catalog, _ = store
        with (
            verified_path(table) as file,
            pq.ParquetFile(file.path) as parquet,
            rows_by_key(parquet.schema_arrow, read_batches(parquet), self.column) as rows,
        ):
            found = {key: _count_and_hash(rows.rows_of(key)) for key in rows.keys}
            known = [key for key in context.instance.get_dynamic_partitions(self.dataset) if key not in found]
            # In a union, these are empty now; else no newer file has rows of them.
            emptied = {key: _count_and_hash(rows.rows_of(key)) for key in known} if self.is_union else {}
            wanted = emptied | found
            context.instance.add_dynamic_partitions(self.dataset, [*found])
            current = catalog.materializations.find(self.asset.to_user_string(), [*wanted, *known])
            changed = tuple(key for key, (_, version) in wanted.items() if not _has(current.get(key), version))
            if changed:
                tables = ((key, rows.rows_of(key)) for key in changed)
                self._write(context, store, tables, changed)
        _report(context, self.asset, [made for key, made in current.items() if key in wanted and key not in changed])
        kept = {str(key): (made.row_count or 0, made.data_version) for key, made in current.items()}
        return _listed(dict(sorted((kept | wanted).items()))), len(changed)

    def _write(
        self,
        context: dg.AssetExecutionContext,
        store: tuple[Catalog, IStorageBackend],
        tables: Iterator[tuple[str, pa.RecordBatchReader]],
        keys: tuple[str, ...],
    ) -> None:
        step, declared = context.get_step_execution_context(), context.assets_def.metadata_by_key[context.asset_key]
        written = store_beside(
            step,
            store,
            self.asset,
            tables,
            keys,
            row_key=tuple(self.row_key),
            retention=retention_policy(declared),
            meanings=self.meanings,
        )
        for _, event in written:
            context.log_event(event)


def build_column_partitions(
    partitions: PartitionsByColumn, description: str, attributes: Mapping[str, Any]
) -> tuple[dg.AssetSpec, dg.AssetsDefinition]:
    """Return the partitioned asset, and the one whose step writes it.

    Args:
        attributes: Further arguments of `dg.asset`.
    """
    dataset, column = partitions.dataset, partitions.column
    spec = dg.AssetSpec(
        partitions.asset,
        deps=[dg.AssetKey([dataset, "table"])],
        description=f"{description}\n\nA partition for each value of column {column}.",
        partitions_def=dg.DynamicPartitionsDefinition(name=dataset),
        kinds={"table", "parquet"},
        **{name: attributes[name] for name in ("group_name", "owners", "tags")},
    ).with_io_manager_key(attributes["io_manager_key"])

    @dg.asset(
        key=[dataset, "partitions"],
        ins={"table": dg.AssetIn(key=[dataset, "table"])},
        description=_LIST_DESCRIPTION.format(column=column, by=partitions.asset.to_user_string()),
        kinds={"table", "parquet"},
        code_version=f"1 {column}",
        **attributes,
    )
    def lists(context: dg.AssetExecutionContext, table: Artifact, landing_zone: LandingZone) -> dg.Output[Any]:
        with failures_explained(), landing_zone.store.open() as store:
            listed, changed = partitions.write_changed(context, table, store)
        return dg.Output(listed, metadata={"partitions/all": listed.num_rows, "partitions/changed": changed})

    return spec, lists


def _listed(found: Mapping[str, tuple[int, str]]) -> pa.Table:
    rows = [{"partition": key, "rows": count, "data_version": version} for key, (count, version) in found.items()]
    return pa.Table.from_pylist(rows, _LIST)


def _count_and_hash(rows: pa.RecordBatchReader) -> tuple[int, str]:
    """Return the number of rows and their logical hash, which is the data version of a table."""
    hasher, count = TableHasher(rows.schema, OneThreadHasher), 0
    for batch in rows:
        hasher.update(batch)
        count += batch.num_rows
    return count, hasher.hexdigest()


def _has(current: Materialization | None, data_version: str) -> bool:
    return current is not None and current.data_version == data_version


def _report(context: dg.AssetExecutionContext, by: dg.AssetKey, unchanged: Sequence[Materialization]) -> None:
    """Report partitions to Dagster of which a run that died could not report any more."""
    known = latest_data_versions(context.instance, by, [str(made.partition) for made in unchanged])
    for made in unchanged:
        if known.get(str(made.partition)) != made.data_version:
            report_current(context.instance, made, f"Version {made.version} is the current one.")
