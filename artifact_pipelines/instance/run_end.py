"""Checks that a run goes on before it publishes. Dagster may have ended it while its process stood still or went on.

A run is ended without its process when someone forces its termination, or when its host was cut off for long. What it
publishes afterwards would replace newer content.
"""

import time

from artifact_pipelines.instance.dagster_internals import StepExecutionContext
from artifact_pipelines.instance.exceptions import RunEndedError

ASK_AFTER_S = 60.0
"""A run that was known to go on this recently is not asked for again: the query costs as much as a small output."""

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine is suspended


class RunEnd:
    """Knows when Dagster last counted the run of this process as going on: at first, when this object was made."""

    def __init__(self) -> None:
        self._known_s = time.clock_gettime(_CLOCK)

    def check(self, step: StepExecutionContext | None) -> None:
        """Ask Dagster for the run of a step, if that was long ago.

        Raises:
            RunEndedError: Dagster has ended the run.
        """
        now_s = time.clock_gettime(_CLOCK)
        if step is None or now_s - self._known_s < ASK_AFTER_S:
            return
        run = step.instance.get_run_by_id(step.run_id)
        if run is not None and run.is_finished:
            raise RunEndedError(step.run_id, run.status.value)
        self._known_s = now_s
