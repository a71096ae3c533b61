"""What each step that runs has loaded so far, so that it is recorded with what the step writes."""

import threading
from collections.abc import Iterable, Sequence

from artifact_pipelines.core.types import LoadedInput

Step = tuple[str, str, int]
_STEPS = 1000


class StepInputs:
    """The files that steps loaded, by run, step and attempt; those of the last steps only. Threads may share it."""

    def __init__(self) -> None:
        self._loaded: dict[Step, list[LoadedInput]] = {}
        self._lock = threading.Lock()

    def add(self, step: Step | None, loaded: Iterable[LoadedInput]) -> None:
        """Note that a step has loaded files; outside of a step (None) nobody asks."""
        if step is None:
            return
        with self._lock:
            self._loaded.setdefault(step, []).extend(loaded)
            while len(self._loaded) > _STEPS:  # a process may run for months
                del self._loaded[next(iter(self._loaded))]

    def of(self, step: Step | None) -> Sequence[LoadedInput]:
        """Return what a step has loaded so far."""
        with self._lock:
            return tuple(self._loaded.get(step, ())) if step else ()
