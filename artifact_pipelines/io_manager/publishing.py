"""Write, audit, publish: an output becomes current only after its asset's blocking checks have passed.

One idea: the catalog knows which candidates wait, Dagster's event log knows what their checks found, and the first to
ask decides: the sensor `artifact_publisher`, or the next step that loads the asset.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.current import PUBLISH_AFTER, waits_for
from artifact_pipelines.core.exceptions import BackendError
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.core.types import Materialization
from artifact_pipelines.instance.check_findings import CheckFindings
from artifact_pipelines.instance.repeated_checks import findings_of_current, passed_findings
from artifact_pipelines.instance.runless_reports import report_current, report_pass, report_rejection


@dataclasses.dataclass(frozen=True, slots=True)
class Decided:
    """A sentence for each candidate that was published or rejected, and errors about others, which are left."""

    done: Sequence[str]
    errors: Sequence[Exception]

    def raise_first(self) -> None:
        """Raise the first error, if there is one; a note on it counts the others."""
        for error in self.errors[:1]:
            if len(self.errors) > 1:
                error.add_note(f"{len(self.errors) - 1} more could not be decided upon")
            raise error


def publish_candidates(
    instance: dg.DagsterInstance, catalog: Catalog, candidates: Sequence[Materialization] | None = None
) -> Sequence[str]:
    """Publish or reject candidates, by default all that wait, whose checks have been evaluated; return what was done.

    A check that crashed or never ran has found nothing: its candidate waits, and its reason names the check. An error
    about one candidate is raised after all others are decided.
    """
    decided = decide_on(instance, catalog, catalog.candidates.waiting() if candidates is None else candidates)
    decided.raise_first()
    return decided.done


def decide_on(instance: dg.DagsterInstance, catalog: Catalog, candidates: Sequence[Materialization]) -> Decided:
    """Publish or reject candidates as `publish_candidates` does, and return errors instead of raising them."""
    findings = CheckFindings(instance, catalog, candidates)
    done: list[str] = []
    errors: list[Exception] = []
    for candidate in candidates:
        try:
            done += _decide(instance, catalog, candidate, findings)
        except Exception as error:  # noqa: BLE001 - an error about one must not stop the others
            error.add_note(f"while deciding on {_title(candidate)}")
            errors.append(error)
            if isinstance(error, BackendError):  # each of the others would wait for the same error
                break
    return Decided(done, errors)


def _decide(
    instance: dg.DagsterInstance, catalog: Catalog, candidate: Materialization, findings: CheckFindings
) -> Iterator[str]:
    """Publish or reject one candidate, or note which checks it waits for.

    Dagster comes first: after a crash in between, the next decision finds that Dagster knows already.
    """
    what = _title(candidate)
    required: Sequence[str] = candidate.metadata[PUBLISH_AFTER]
    found = {name: findings.of(candidate, name) for name in required}
    blocking = dg.AssetCheckSeverity.ERROR
    failed = [name for name, of_it in found.items() if of_it and not of_it.passed and of_it.severity == blocking]
    missing = [name for name, evaluation in found.items() if evaluation is None]
    if failed:
        reason = f"failed {'checks' if len(failed) > 1 else 'check'} {', '.join(failed)}"
        if current := _current(catalog, candidate):
            report_rejection(instance, candidate, reason, current, findings_of_current(findings, current))
        if catalog.candidates.reject(candidate, reason):
            yield f"{what} is rejected: {reason}"
    elif missing:
        if candidate.publication_reason != waits_for(missing):
            catalog.candidates.explain(candidate, waits_for(missing))
    else:
        is_reported = report_pass(instance, candidate, passed_findings(findings, candidate))
        if catalog.candidates.publish(candidate):
            yield f"{what} is published"
        elif is_reported and (current := _current(catalog, candidate)):  # something newer became current meanwhile
            of_current = findings_of_current(findings, current)
            report_current(instance, current, f"Version {current.version} is current.", of_current)


def _current(catalog: Catalog, candidate: Materialization) -> Materialization | None:
    """Return the current version of a candidate's asset and partition, as the run made it that Dagster knows."""
    found = catalog.materializations.find(candidate.asset, [candidate.partition]).get(candidate.partition)
    return None if found is None else catalog.materializations.origin(found)


def _title(made: Materialization) -> str:
    return str(VersionName(made.asset, made.partition, made.version))
