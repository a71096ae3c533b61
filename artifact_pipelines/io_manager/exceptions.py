"""Errors of io_manager: assets that Dagster and this package see differently."""

import dataclasses

from artifact_pipelines.core.exceptions import BackendError, UsageError


@dataclasses.dataclass(eq=False)
class NoBlockingChecksError(UsageError):
    """An asset is to be published after its checks, and has none that block: nothing would ever publish it."""

    asset: str

    def __str__(self) -> str:
        return (
            f"Asset {self.asset} is to be published after its checks (`artifact/publish: after_checks`), but in the code location "
            "that runs it no check of it is declared with blocking=True, so nothing would ever publish it. "
            "Declare one, or remove `artifact/publish`."
        )


@dataclasses.dataclass(eq=False)
class DagsterNotToldError(BackendError):
    """The catalog has changed, and Dagster could not be told."""

    home: str
    reason: str

    def __str__(self) -> str:
        return f"The catalog is changed, but Dagster's instance in {self.home} could not be told: {self.reason}. Mend that (DAGSTER_HOME), and run the same command again."
