"""Write, audit, publish: an output becomes current only after its asset's blocking checks have passed.

One idea: the catalog says what waits, Dagster's event log says what was found, and whoever asks first acts upon it: the
sensor `artifact_publisher`, or the next step that loads the asset.
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
from artifact_pipelines.io_manager.dagster_reports import report_current, report_pass, report_rejection

_MOST_QUERIED = 500
"""Above this many partitions, query all candidates of the asset."""


@dataclasses.dataclass(frozen=True, slots=True)
class Decided:
    """What came of deciding on candidates.

    Attributes:
        done: What was done, for people.
        errors: Why the others are left as they are, in order.
    """

    done: Sequence[str]
    errors: Sequence[Exception]

    def raise_first(self) -> None:
        """Raise the first error, if there is one; its notes tell of the others."""
        for error in self.errors[:1]:
            if len(self.errors) > 1:
                error.add_note(f"{len(self.errors) - 1} more could not be decided upon")
            raise error


def publish_candidates(
    instance: dg.DagsterInstance, catalog: Catalog, candidates: Sequence[Materialization] | None = None
) -> Sequence[str]:
    """Publish or reject the candidates whose checks have been evaluated.

    A check that crashed or never ran has found nothing: its candidate waits, and says for what. Where one cannot be
    decided upon, all others are before the first error is raised.

    Args:
        instance: Whose event log has the checks' evaluations.
        catalog: Where the candidates are.
        candidates: Only these; None: all that wait.

    Returns:
        What was done, for people.
    """
    decided = decide_on(instance, catalog, catalog.candidates.waiting() if candidates is None else candidates)
    decided.raise_first()
    return decided.done


def decide_on(instance: dg.DagsterInstance, catalog: Catalog, candidates: Sequence[Materialization]) -> Decided:
    """Do as `publish_candidates` does, and return what it would raise."""
    findings = CheckFindings(instance, catalog, candidates)
    done: list[str] = []
    errors: list[Exception] = []
    for candidate in candidates:
        try:
            done += _decide(instance, catalog, candidate, findings)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one is told, and not of the others
            error.add_note(f"while deciding on {_title(candidate)}")
            errors.append(error)
            if isinstance(error, BackendError):  # it would say the same of the others, and each would wait for it
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
    """Act on what the checks of one candidate have found."""
    what = _title(candidate)
    required: Sequence[str] = candidate.metadata[PUBLISH_AFTER]
    found = {name: findings.of(candidate, name) for name in required}
    failed = [name for name, evaluation in found.items() if evaluation and _blocks(evaluation)]
    missing = [name for name, evaluation in found.items() if evaluation is None]
    if failed:
        reason = f"failed {'checks' if len(failed) > 1 else 'check'} {', '.join(failed)}"
        # Dagster first: killed in between, the next one who decides finds that it knows already.
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
    """Make a candidate current; Dagster first, as above. Returns whether that was done."""
    is_told = report_pass(instance, candidate, evaluations)
    is_done = catalog.candidates.publish(candidate)
    current = _current(catalog, candidate) if is_told and not is_done else None
    if current is not None:  # something newer became so meanwhile
        report_current(instance, current, f"Version {current.version} is current.")
    return is_done


def _current(catalog: Catalog, candidate: Materialization) -> Materialization | None:
    """Return what is current of a candidate's asset and partition, as the run has made it by which Dagster knows it."""
    found = catalog.materializations.find(candidate.asset, [candidate.partition]).get(candidate.partition)
    return None if found is None else catalog.materializations.origin(found)


def _blocks(evaluation: dg.AssetCheckEvaluation) -> bool:
    return not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR


def _title(made: Materialization) -> str:
    return str(VersionName(made.asset, made.partition, made.version))
