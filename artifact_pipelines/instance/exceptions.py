"""Errors between the catalog and a Dagster instance."""

import dataclasses

from artifact_pipelines.core.exceptions import BackendError


@dataclasses.dataclass(eq=False)
class DagsterNotToldError(BackendError):
    """The catalog has changed, and that could not be reported to Dagster."""

    home: str
    reason: str

    def __str__(self) -> str:
        return f"The catalog is changed, but that could not be reported to Dagster's instance in {self.home}: {self.reason}. Fix that (DAGSTER_HOME), and run the same command again."


@dataclasses.dataclass(eq=False)
class RunEndedError(BackendError):
    """Dagster has ended a run whose process went on; it publishes nothing more."""

    run_id: str
    status: str

    def __str__(self) -> str:
        return (
            f"Dagster ended run {self.run_id} ({self.status}) while its process stood still or went on, so this output is "
            "not published. A later run may have published newer content. Materialize again if none has."
        )
