"""Decides whether a run that ended is tried again: if its process, code server or machine died, not if a step failed.

One idea: only a failed step says something about the data. After any other failure the same run may succeed, so it is
requested again, a few times with growing pauses.
"""

import dataclasses
import datetime
from collections.abc import Mapping
from time import time as now_s

PAUSES_S = (10.0, 60.0, 300.0)
"""Pause before each retry. Dagster's own `run_retries`, where they are on, come first and at once."""

RETRY_TAG = "artifact/retry"
"""Tag of a run: its number among the retries of the same work."""

_REASON_TAG = "dagster/failure_reason"
_STEP_FAILURE = "STEP_FAILURE"
_DAGSTER_RETRIES_TAG = "dagster/will_retry"
_DAGSTER_TAKES_S = 60.0


@dataclasses.dataclass(frozen=True)
class Retry:
    """The next try of a run that died.

    Attributes:
        number: Counts the retries, from 1.
        due_s: When it starts, in seconds since 1970.
    """

    number: int
    due_s: float

    @property
    def is_due(self) -> bool:
        """True if its pause is over."""
        return now_s() >= self.due_s

    @property
    def tags(self) -> dict[str, str]:
        """The tags of its run."""
        return {RETRY_TAG: str(self.number), "dagster/max_retries": "0"}

    def __str__(self) -> str:
        due = datetime.datetime.fromtimestamp(self.due_s, datetime.UTC)
        return f"its run died, not its data; retry {self.number} of {len(PAUSES_S)} starts at {due:%H:%M:%S} UTC"


def has_died(tags: Mapping[str, str]) -> bool:
    """True if a failed run with these tags failed although none of its steps did."""
    return tags.get(_REASON_TAG) != _STEP_FAILURE


def next_retry(tags: Mapping[str, str], ended_s: float) -> Retry | None:
    """Return the next try of a run that failed; None if a step failed, or it died too often.

    Args:
        tags: The tags of the run.
        ended_s: When it ended, in seconds since 1970.
    """
    number = int(tags.get(RETRY_TAG, "0")) + 1
    if not has_died(tags) or number > len(PAUSES_S):
        return None
    # Dagster's own retry is about to take the place of this run. If it does not, ours comes later.
    wait_s = _DAGSTER_TAKES_S if tags.get(_DAGSTER_RETRIES_TAG) == "true" else 0.0
    return Retry(number, ended_s + PAUSES_S[number - 1] + wait_s)
