"""Errors of io_manager: assets that Dagster and this package see differently."""

import dataclasses

from artifact_pipelines.core.exceptions import BackendError, UsageError


@dataclasses.dataclass(eq=False)
class NoBlockingChecksError(UsageError):
    """An asset is published after its checks, and no check of it is blocking: nothing would ever publish it."""

    asset: str

    def __str__(self) -> str:
        return (
            f"Asset {self.asset} is published after its checks (`artifact/publish: after_checks`), but the code location "
            "that runs it declares no check of it with blocking=True, so nothing would ever publish it. "
            "Declare one, or remove `artifact/publish`."
        )


@dataclasses.dataclass(eq=False)
class DagsterNotToldError(BackendError):
    """The catalog has changed, and that could not be reported to Dagster."""

    home: str
    reason: str

    def __str__(self) -> str:
        return f"The catalog is changed, but that could not be reported to Dagster's instance in {self.home}: {self.reason}. Fix that (DAGSTER_HOME), and run the same command again."
