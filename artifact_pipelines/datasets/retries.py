"""Decides whether a run that failed is tried again: if the machinery failed, not if its data did.

One idea: only a failed step says something about the data, unless its error says that storage or catalog was away.
After any other failure the same run may succeed, so it is requested again, a few times with growing pauses.
"""

import dataclasses
import datetime
import enum
from collections.abc import Iterable, Mapping
from time import time as now_s

from artifact_pipelines.instance.outages import OUTAGES, RETRIES_LEFT_AFTER_DEATH_TAG, RETRIES_LEFT_TAG
from artifact_pipelines.storage.exceptions import StorageFullError


class Fault(enum.StrEnum):
    """The culprit of a failed run or step, in words."""

    DATA = "its data"
    DEATH = "its run died, not its data"
    OUTAGE = "storage or catalog failed, not its data"
    LEFT_OUT = "another step of its run failed"


PAUSES_S: Mapping[Fault, tuple[float, ...]] = {
    Fault.DATA: (),
    Fault.DEATH: (10.0, 60.0, 300.0),
    # Longer, because the same run succeeds once it is over; never far apart, because later files wait for it.
    Fault.OUTAGE: (10.0, 60.0, 300.0, *[600.0] * 24),
    Fault.LEFT_OUT: (0.0,),
}
"""Pauses before each retry. Dagster's own `run_retries`, where they are on, come first and at once."""

RETRY_TAG = "artifact/retry"
"""Tag of a run: its number among the retries of the same work."""

_REASON_TAG = "dagster/failure_reason"
_STEP_FAILURE = "STEP_FAILURE"
_DAGSTER_RETRIES_TAG = "dagster/will_retry"
_DAGSTER_TAKES_S = 60.0
_FAULTS = {
    **{kind.__name__: Fault.OUTAGE for kind in OUTAGES},
    StorageFullError.__name__: Fault.DEATH,  # by one large file perhaps, which must not hold up others for long
    "ChildProcessCrashException": Fault.DEATH,  # of the multiprocess executor
}
_WRAPPERS = ("Dagster", "RetryRequested")


@dataclasses.dataclass(frozen=True)
class Retry:
    """The next try of a run that failed.

    Attributes:
        number: Counts the retries, from 1.
        due_s: When it starts, in seconds since 1970.
        fault: Why it is tried.
    """

    number: int
    due_s: float
    fault: Fault

    @property
    def is_due(self) -> bool:
        """True if its pause is over."""
        return now_s() >= self.due_s

    @property
    def tags(self) -> dict[str, str]:
        """The tags of its run."""
        is_first_try = self.fault == Fault.LEFT_OUT  # of assets that nobody has tried to make
        faults = {RETRIES_LEFT_TAG: Fault.OUTAGE, RETRIES_LEFT_AFTER_DEATH_TAG: Fault.DEATH}
        left = {tag: 0 if is_first_try else len(PAUSES_S[fault]) - self.number for tag, fault in faults.items()}
        return {RETRY_TAG: str(self.number), "dagster/max_retries": "0", **{tag: str(n) for tag, n in left.items()}}

    def __str__(self) -> str:
        due = datetime.datetime.fromtimestamp(self.due_s, datetime.UTC)
        return f"{self.fault}; retry {self.number} of {len(PAUSES_S[self.fault])} starts at {due:%Y-%m-%d %H:%M:%S} UTC"


def fault_of(tags: Mapping[str, str]) -> Fault | None:
    """Return the fault of a failed run with these tags; None: a step failed, so its error decides."""
    return None if tags.get(_REASON_TAG) == _STEP_FAILURE else Fault.DEATH


def fault_of_error(names: Iterable[str]) -> Fault:
    """Return the fault that an error shows.

    Args:
        names: Names of its class and of those of its causes. Dagster's come first, and count only if they are known.
    """
    for name in names:
        if name in _FAULTS:
            return _FAULTS[name]
        if not name.startswith(_WRAPPERS):
            break
    return Fault.DATA


def next_retry(tags: Mapping[str, str], ended_s: float, fault: Fault) -> Retry | None:
    """Return the next try of a run that failed; None if its data are at fault, or it failed too often.

    Args:
        tags: The tags of the run.
        ended_s: When it ended, in seconds since 1970.
    """
    number = int(tags.get(RETRY_TAG, "0")) + 1
    pauses_s = PAUSES_S[fault]
    if number > len(pauses_s):
        return None
    # Dagster's own retry is about to take the place of this run. If it does not, ours comes later.
    wait_s = _DAGSTER_TAKES_S if tags.get(_DAGSTER_RETRIES_TAG) == "true" else 0.0
    return Retry(number, ended_s + pauses_s[number - 1] + wait_s, fault)
