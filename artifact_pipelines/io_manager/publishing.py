"""Write, audit, publish: an output becomes current only after its asset's blocking checks have passed.

One idea: the catalog knows which candidates wait, Dagster's event log knows what their checks found, and the first to
ask decides: the sensor `artifact_publisher`, or the next step that loads the asset.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.current import PUBLISH_AFTER, waits_for
from artifact_pipelines.core.exceptions import BackendError
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.core.types import Materialization, Publication
from artifact_pipelines.io_manager.asked import InputAsked
from artifact_pipelines.io_manager.check_findings import CheckFindings
from artifact_pipelines.io_manager.runless_reports import report_current, report_pass, report_rejection

_MOST_QUERIED = 500
"""Above this many partitions, query all candidates of the asset."""


@dataclasses.dataclass(frozen=True, slots=True)
class Decided:
    """The outcome of deciding on candidates.

    Attributes:
        done: A sentence for each candidate that was published or rejected.
        errors: Why others are left as they are, in order.
    """

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
    """Publish or reject the candidates whose checks have been evaluated.

    A check that crashed or never ran has found nothing: its candidate waits, and its reason names the check. An error
    about one candidate is raised after all others are decided.

    Args:
        instance: Its event log has the checks' evaluations.
        catalog: Where the candidates are.
        candidates: Only these; None: all that wait.

    Returns:
        A sentence for each candidate that was published or rejected.
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


def publish_due(catalog: Catalog, asked: InputAsked) -> None:
    """Publish candidates that have passed their checks before a step loads them, so that no one waits for a sensor.

    A check of the asset loads the asset as it is.
    """
    if asked.step is None or asked.key is None or asked.is_check:
        return
    few = asked.keys if len(asked.keys) <= _MOST_QUERIED else None
    waiting = catalog.candidates.waiting(asked.asset, few)
    wanted = set(asked.keys)
    due = [candidate for candidate in waiting if candidate.partition in wanted]
    if due:
        publish_candidates(asked.step.instance, catalog, due)


def note_checked(catalog: Catalog, asked: InputAsked, loaded: Iterable[Materialization]) -> None:
    """Note which candidates a check in another run has loaded: its findings are about those."""
    if asked.step is None or not asked.is_check:
        return
    run_id = asked.step.run_id
    for made in loaded:
        if made.publication == Publication.CANDIDATE and made.run_id != run_id:
            catalog.candidates.note_check(made, run_id)


def _decide(
    instance: dg.DagsterInstance, catalog: Catalog, candidate: Materialization, findings: CheckFindings
) -> Iterator[str]:
    """Publish or reject one candidate, or note which checks it waits for."""
    what = _title(candidate)
    required: Sequence[str] = candidate.metadata[PUBLISH_AFTER]
    found = {name: findings.of(candidate, name) for name in required}
    failed = [name for name, evaluation in found.items() if evaluation and _blocks(evaluation)]
    missing = [name for name, evaluation in found.items() if evaluation is None]
    if failed:
        reason = f"failed {'checks' if len(failed) > 1 else 'check'} {', '.join(failed)}"
        # Dagster first: after a crash in between, the next decision finds that Dagster knows already.
        current = _current(catalog, candidate)
        if current is not None:
            of_current = [findings.of(current, name) for name in required]
            report_rejection(instance, candidate, reason, current, of_current)
        if catalog.candidates.reject(candidate, reason):
            yield f"{what} is rejected: {reason}"
    elif missing:
        if candidate.publication_reason != waits_for(missing):
            catalog.candidates.explain(candidate, waits_for(missing))
    elif _publish(instance, catalog, candidate, list(found.values())):
        yield f"{what} is published"


def _publish(
    instance: dg.DagsterInstance,
    catalog: Catalog,
    candidate: Materialization,
    evaluations: Sequence[dg.AssetCheckEvaluation | None],
) -> bool:
    """Make a candidate current, Dagster first, as above; return whether that was done."""
    is_reported = report_pass(instance, candidate, evaluations)
    is_done = catalog.candidates.publish(candidate)
    current = _current(catalog, candidate) if is_reported and not is_done else None
    if current is not None:  # something newer became current meanwhile
        report_current(instance, current, f"Version {current.version} is current.")
    return is_done


def _current(catalog: Catalog, candidate: Materialization) -> Materialization | None:
    """Return the current version of a candidate's asset and partition, as the run made it that Dagster knows."""
    found = catalog.materializations.find(candidate.asset, [candidate.partition]).get(candidate.partition)
    return None if found is None else catalog.materializations.origin(found)


def _blocks(evaluation: dg.AssetCheckEvaluation) -> bool:
    return not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR


def _title(made: Materialization) -> str:
    return str(VersionName(made.asset, made.partition, made.version))
