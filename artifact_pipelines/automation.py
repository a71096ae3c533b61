"""When Dagster makes assets of a dataset by itself.

One idea: an asset is made again when the content that it depends on has changed. The same content made once more
changes nothing.
"""

from typing import Any

import dagster as dg


def on_changed_content() -> dg.AutomationCondition[Any]:
    """Return the condition to materialize an asset: it is missing, its code changed, or a dependency's content did.

    A change in the run that also materialized the asset does not count. The condition waits until all blocking checks
    of the dependencies have passed for their latest materializations.
    """
    when = dg.AutomationCondition
    changed = when.data_version_changed() & ~when.executed_with_root_target()
    reasons = (
        # Whether a run failed is a query for each asset, so it is asked last.
        (when.missing() & ~when.any_deps_missing() & ~when.execution_failed())
        | when.code_version_changed().since(when.newly_requested())
        | when.any_deps_match(changed).since(when.newly_requested())
    )
    condition = reasons & ~when.any_deps_missing() & _may_run()
    return condition.with_label("content changed")


def on_all_results(table: dg.AssetKey) -> dg.AutomationCondition[Any]:
    """Return the condition of a report: it is missing, its code changed, or a result did that it does not have yet.

    The run that makes all results makes the report, too, unless one of them fails: then this condition does, once all
    have ended. A result that is missing does not hold it up, unless it is the table.
    """
    when = dg.AutomationCondition
    has_table = ~when.any_deps_match(when.missing()).allow(dg.AssetSelection.assets(table))
    reasons = (
        (when.missing() & has_table & ~when.execution_failed())
        | when.code_version_changed().since(when.newly_requested())
        | when.any_deps_match(when.data_version_changed()).since(when.newly_requested() | when.newly_updated())
    )
    condition = reasons & has_table & ~when.any_deps_match(when.will_be_requested()) & _may_run()
    return condition.with_label("all results there")


def _may_run() -> dg.AutomationCondition[Any]:
    when = dg.AutomationCondition
    return ~when.any_deps_in_progress() & when.all_deps_blocking_checks_passed() & ~when.in_progress()
