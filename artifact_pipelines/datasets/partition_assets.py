"""The partitions of a dataset whose keys are the values of a column: a table for each, written by one step.

One idea: a partition is written only if its rows have another logical hash than those stored, and only then Dagster
gets an event of it. So whatever depends on other partitions does not run.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from artifact_pipelines.core.types import Materialization
from artifact_pipelines.datasets.resources import LandingZone
from artifact_pipelines.instance.event_log import latest_data_versions
from artifact_pipelines.instance.runless_reports import report_current
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.io_manager.side_outputs import store_beside
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.hashing import OneThreadHasher
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


def build_column_partitions(
    dataset: str,
    description: str,
    column: str,
    row_key: Sequence[str],
    is_union: bool,
    attributes: Mapping[str, Any],
    meanings: Mapping[str, str],
) -> tuple[dg.AssetSpec, dg.AssetsDefinition]:
    """Return the partitioned asset, and the one whose step writes it.

    Args:
        row_key: Columns that identify a row.
        is_union: True if keys that the table no longer has lose their rows; else they keep those of an earlier file.
        attributes: Further arguments of `dg.asset`.
        meanings: What the columns mean, as far as the dataset says.
    """
    by = partitioned_key(dataset, column)
    spec = dg.AssetSpec(
        by,
        deps=[dg.AssetKey([dataset, "table"])],
        description=f"{description}\n\nA partition for each value of column {column}.",
        partitions_def=dg.DynamicPartitionsDefinition(name=dataset),
        kinds={"table", "parquet"},
        **{name: attributes[name] for name in ("group_name", "owners", "tags")},
    ).with_io_manager_key(attributes["io_manager_key"])

    @dg.asset(
        key=[dataset, "partitions"],
        ins={"table": dg.AssetIn(key=[dataset, "table"])},
        description=_LIST_DESCRIPTION.format(dataset=dataset, column=column, by=by.to_user_string()),
        kinds={"table", "parquet"},
        code_version=f"1 {column}",
        **attributes,
    )
    def partitions(
        context: dg.AssetExecutionContext, table: Artifact, landing_zone: LandingZone
    ) -> Iterator[dg.Output[Any]]:
        with (
            failures_explained(),
            landing_zone.store.open() as (catalog, backend),
            verified_path(table) as file,
            pq.ParquetFile(file.path) as parquet,
            rows_by_key(parquet.schema_arrow, read_batches(parquet), column) as rows,
        ):
            found = {key: _count_and_hash(rows.rows_of(key)) for key in rows.keys}
            known = [key for key in context.instance.get_dynamic_partitions(dataset) if key not in found]
            # Of a union, these are empty now; else no newer file has rows of them.
            wanted = ({key: _count_and_hash(rows.rows_of(key)) for key in known} if is_union else {}) | found
            context.instance.add_dynamic_partitions(dataset, [*found])
            current = catalog.materializations.find(by.to_user_string(), [*wanted, *known])
            changed = [key for key, (_, version) in wanted.items() if not _has(current.get(key), version)]
            if changed:
                tables = ((key, rows.rows_of(key)) for key in changed)
                store_beside(context, (catalog, backend), by, tables, tuple(changed), tuple(row_key), None, meanings)
            _report(context, by, [made for key, made in current.items() if key in wanted and key not in changed])
            kept = {str(key): (made.row_count or 0, made.data_version) for key, made in current.items()}
            listed = dict(sorted((kept | wanted).items()))
        yield dg.Output(_listed(listed), metadata={"partitions/all": len(listed), "partitions/changed": len(changed)})

    return spec, partitions


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
