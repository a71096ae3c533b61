"""How commands that make another version current tell Dagster."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from artifact_pipelines.cli.store import waiting
from artifact_pipelines.core.settings import dagster_home

_WORDS = {
    True: "Dagster is told.",
    False: "Dagster knows already.",
    None: "Dagster was not told: DAGSTER_HOME is not set. Where its runs are to know, set it and run the same command "
    "again.",
}


def tell_dagster(report: Callable[[ModuleType, Any], bool]) -> bool | None:
    """Report what was done, and return whether that was needed; None: there is no Dagster here.

    Args:
        report: Calls the right function of the module `dagster_reports`, which takes seconds to import, with Dagster's
            instance.

    Raises:
        DagsterNotToldError: The instance cannot be opened.
    """
    home = dagster_home()
    if home is None:
        return None
    with waiting("Telling Dagster"):
        from artifact_pipelines.io_manager import dagster_reports

        with dagster_reports.open_instance(home) as instance:
            return report(dagster_reports, instance)


def in_words(is_reported: bool | None) -> str:
    """Return what `tell_dagster` returned, for people."""
    return _WORDS[is_reported]
