"""The checks of a dataset in Dagster, and the assets of the rows that broke them."""

import datetime
import functools
import operator
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType
from typing import Any

import dagster as dg
import pyarrow as pa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.checks.interfaces import CheckedTable, ICheckKind
from artifact_pipelines.checks.running import MOST_ROWS, run_checks
from artifact_pipelines.core.log_lines import log_done, now_s
from artifact_pipelines.core.retention import RetentionPolicy, VersionName
from artifact_pipelines.core.types import LoadedInput
from artifact_pipelines.core.wording import counted
from artifact_pipelines.instance.check_results import FAILING_ROWS, FIRST_FAILING_ROWS, reported
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.io_manager.inputs import StepInputs
from artifact_pipelines.io_manager.publishing import decide_on
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.io_manager.side_outputs import store_beside
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.local_paths import verified_path
from artifact_pipelines.tabular.footer import format_cell

_MOST_SHOWN = 10
_EVERY_HOUR = "0 * * * *"


def build_checks(
    dataset: str,
    checks: Mapping[str, ICheckKind],
    partitions: dg.PartitionsDefinition[Any] | None = None,
    retry_policy: dg.RetryPolicy | None = None,
    retention: Mapping[str, Any] | None = None,
    meanings: Mapping[str, str] = MappingProxyType({}),
) -> dg.AssetChecksDefinition:
    """Return the checks of a dataset's table, in one step, any of which can be made alone.

    It requires `artifact_store`.

    Args:
        checks: By name; at least one.
        partitions: Those of the table.
        retention: Retention policy of the rows that break a check.
        meanings: What the columns of the table mean, as far as the dataset says.
    """
    key = dg.AssetKey([dataset, "table"])
    policy = RetentionPolicy.from_mapping(retention) if retention else None

    @dg.multi_asset_check(
        name=f"{dataset}__checks",
        specs=[_spec(key, name, each, partitions) for name, each in checks.items()],
        ins={"table": dg.AssetIn(key)},
        can_subset=True,
        required_resource_keys={"artifact_store"},
        retry_policy=retry_policy,
    )
    def check(context: dg.AssetCheckExecutionContext, table: Artifact) -> Iterator[dg.AssetCheckResult]:
        wanted = {key.name for key in context.selected_asset_check_keys}
        asked = {name: each for name, each in checks.items() if name in wanted}
        yield from _check(context, dataset, table, asked, policy, meanings)

    return check


def _check(
    context: dg.AssetCheckExecutionContext,
    dataset: str,
    table: Artifact,
    checks: Mapping[str, ICheckKind],
    retention: RetentionPolicy | None,
    meanings: Mapping[str, str],
) -> Iterator[dg.AssetCheckResult]:
    key = dg.AssetKey([dataset, "table"])
    store: ArtifactStore = context.resources.artifact_store
    started_s = now_s()
    with failures_explained(), ExitStack() as stack:
        catalog, backend = stack.enter_context(store.open())
        others = _others(context, catalog, ArtifactProducer(catalog.files, backend), checks)
        found = {key.to_user_string(): table, **others}
        files = {name: stack.enter_context(verified_path(each)) for name, each in found.items()}
        paths = {name: file.path for name, file in files.items()}
        checked = CheckedTable(dataset, _made_at(catalog, table))
        findings = list(run_checks(paths[key.to_user_string()], checked, checks, paths))
        for file in files.values():
            file.check()
        step = context.get_step_execution_context()
        partitions = (step.partition_key,) if step.has_partition_key else None
        for finding in findings:
            metadata = dict[str, Any]()
            if finding.rows is not None:
                kept = failing_rows_key(dataset, finding.result.name)
                [(stored, event)] = store_beside(
                    step, (catalog, backend), kept, finding.rows, partitions, retention=retention, meanings=meanings
                )
                context.op_execution_context.log_event(event)
                metadata = _shown(finding.rows, VersionName(stored.asset, stored.partition, stored.version))
            result = reported(finding.result, key)
            yield result._replace(metadata={**result.metadata, **metadata})
        say, asset = context.op_execution_context.log.info, key.to_user_string()
        # Decide now: automation that looks before the rejection takes it for a change. The sensor repeats what fails.
        waiting = catalog.candidates.waiting(asset, partitions or [None])
        for decision in decide_on(context.instance, catalog, waiting).done:
            log_done(say, "decided", started_s, result=decision)
    failed = sum(not finding.result.passed for finding in findings)
    log_done(say, "checked", started_s, asset=asset, checks=len(findings), failed=failed)


def failing_rows_key(dataset: str, check: str) -> dg.AssetKey:
    """Return the key of the asset with the rows that broke a check."""
    return dg.AssetKey([dataset, "failing_rows", check])


def build_failing_rows(
    dataset: str, checks: Mapping[str, ICheckKind], attributes: Mapping[str, Any]
) -> Sequence[dg.AssetSpec]:
    """Return the assets of the rows that broke each check.

    Args:
        attributes: Further arguments of `dg.AssetSpec`, such as the group.
    """
    return [
        dg.AssetSpec(
            failing_rows_key(dataset, name),
            deps=[dg.AssetKey([dataset, "table"])],
            description=(
                f"Up to {MOST_ROWS:,} rows of {dataset} that broke the check `{name}` when it last failed.\n\n"
                f"{each.promise()}"
            ),
            kinds={"failing_rows", "parquet"},
            **attributes,
        )
        for name, each in checks.items()
    ]


def _spec(
    table: dg.AssetKey, name: str, check: ICheckKind, partitions: dg.PartitionsDefinition[Any] | None
) -> dg.AssetCheckSpec:
    others = [dg.AssetKey(key.split("/")) for key in sorted({*check.inputs().values()} - {table.to_user_string()})]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # of partitions; the pinned version protects from changes
        return dg.AssetCheckSpec(
            name,
            asset=table,
            description=check.promise(),
            additional_deps=others,
            blocking=check.blocking,
            automation_condition=None if partitions else _when_to_run_alone(check, others),
            partitions_def=partitions,
        )


def _when_to_run_alone(check: ICheckKind, others: Sequence[dg.AssetKey]) -> Any:
    """Return the condition to run a check although its table is the same; None: it finds the same.

    It is true every hour if time alone can break the rule, and when another table that the check reads has changed. The
    types of Dagster do not know that a condition of assets is one of checks, too.
    """
    when: Any = dg.AutomationCondition
    changed = when.data_version_changed() & ~when.executed_with_root_target()
    reasons = [when.asset_matches(key, changed).since(when.newly_requested()) for key in others]
    reasons += [when.cron_tick_passed(_EVERY_HOUR)] if check.RUNS_HOURLY else []
    if not reasons:
        return None
    can_run = ~when.any_deps_missing() & ~when.any_deps_in_progress() & ~when.in_progress()
    return functools.reduce(operator.or_, reasons) & can_run


def _made_at(catalog: Catalog, table: Artifact) -> datetime.datetime | None:
    """Return when a table was made; a rollback to it makes it no younger."""
    made = table.materialization
    return None if made is None else catalog.materializations.origin(made).created_at


def _others(
    context: dg.AssetCheckExecutionContext,
    catalog: Catalog,
    producer: ArtifactProducer,
    checks: Mapping[str, ICheckKind],
) -> Mapping[str, Artifact]:
    """Return the other tables that checks read, by asset key, noted as inputs; those that hold nothing are left out."""
    keys = sorted({key for each in checks.values() for key in each.inputs().values()})
    found = {key: catalog.materializations.find(key, [None], run_id=context.run.run_id).get(None) for key in keys}
    made = {key: each for key, each in found.items() if each is not None}
    StepInputs(catalog.identity).add(context.get_step_execution_context(), map(LoadedInput.of, made.values()))
    return {key: producer.artifact(each.file, each) for key, each in made.items()}


def _shown(rows: pa.Table, stored: VersionName) -> dict[str, Any]:
    """Return the first breaking rows, and where the others are."""
    first = rows.slice(0, _MOST_SHOWN)
    records = [
        dg.TableRecord({name: format_cell(first[name][place]) for name in first.column_names})
        for place in range(first.num_rows)
    ]
    columns = [dg.TableColumn(field.name, str(field.type)) for field in rows.schema]  # keeps their order
    return {
        FAILING_ROWS: dg.MetadataValue.text(f"{stored}, {counted(rows.num_rows, 'row')}"),
        FIRST_FAILING_ROWS: dg.MetadataValue.table(records, schema=dg.TableSchema(columns)),
    }
