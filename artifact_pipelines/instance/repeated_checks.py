"""Says again what checks found of a version that Dagster is told about again.

One idea: only checks of an asset's newest event count. Automation waits for its blocking ones, and the UI shows the
others as not evaluated. So an event that repeats a version repeats the findings of its checks.
"""

from collections.abc import Iterable, Sequence

import dagster as dg

from artifact_pipelines.catalog.current import PUBLISH_AFTER
from artifact_pipelines.core.types import Materialization
from artifact_pipelines.instance.check_findings import CheckFindings
from artifact_pipelines.instance.dagster_internals import replace
from artifact_pipelines.instance.event_log import key_of


def findings_of_current(
    findings: CheckFindings, current: Materialization, also: Iterable[str] = ()
) -> Sequence[dg.AssetCheckEvaluation]:
    """Return what checks found of the version that is current, to be reported again.

    A blocking check that it failed is reported as passed, and its text says so: a person has made this version current,
    and otherwise nothing would follow it.

    Args:
        current: The current version, as its run made it.
        also: Further checks that must have passed before anything follows, such as those declared since.
    """
    blocking = dict.fromkeys([*current.metadata.get(PUBLISH_AFTER, ()), *also])
    known = findings.known(current, blocking)
    again = [_again(found, current.version, name in blocking) for name, found in known.items()]
    return [*again, *(_unknown(current, name) for name in blocking if name not in known)]


def passed_findings(findings: CheckFindings, candidate: Materialization) -> Sequence[dg.AssetCheckEvaluation]:
    """Return what checks found of a version that is about to become current, to be reported again."""
    return [_again(found, candidate.version, False) for found in findings.known(candidate).values()]


def _again(found: dg.AssetCheckEvaluation, version: int, is_blocking: bool) -> dg.AssetCheckEvaluation:
    again = f"This is what the check found of version {version} before; it did not run again."
    if found.passed or found.severity != dg.AssetCheckSeverity.ERROR or not (is_blocking or found.blocking):
        return replace(found, description=_sentences(found.description, again))
    waived = f"Version {version} failed this check, and is current all the same, because a person has made it current."
    return replace(found, passed=True, description=_sentences(waived, found.description, again))


def _unknown(current: Materialization, check: str) -> dg.AssetCheckEvaluation:
    text = f"What this check finds of version {current.version} is not known. The version is current all the same."
    key = key_of(current)
    return dg.AssetCheckEvaluation(key, check, passed=True, description=text, partition=current.partition)


def _sentences(*texts: str | None) -> str:
    return " ".join(filter(None, texts))
