"""Errors that pass by themselves: storage or catalog is away, and the same work may succeed later."""

from collections.abc import Mapping

from artifact_pipelines.catalog.exceptions import ReadOnlyCatalogError
from artifact_pipelines.core.exceptions import CatalogUnavailableError, LeaseExpiredError
from artifact_pipelines.storage.exceptions import StorageUnavailableError

OUTAGES = (CatalogUnavailableError, ReadOnlyCatalogError, LeaseExpiredError, StorageUnavailableError)

RETRIES_LEFT_TAG = "artifact/retries_left"
"""Tag of a retry that a sensor of a dataset has requested: how many more it would request if it meets an outage too."""

RETRIES_LEFT_AFTER_DEATH_TAG = "artifact/retries_left_after_death"
"""The same if its process dies. There are fewer of these."""

_WILL_RETRY_TAG, _RETRY_NUMBER_TAG = "dagster/will_retry", "dagster/retry_number"
_PARENT_TAG = "dagster/parent_run_id"


def is_middle_try(tags: Mapping[str, str], errors: set[str]) -> bool:
    """True if a failed run is one of several tries that fail for no fault of the data, between the first and the last.

    Args:
        tags: Of the run.
        errors: The classes of its steps' errors; empty if its process died.
    """
    if tags.get(_WILL_RETRY_TAG) == "true":
        return _RETRY_NUMBER_TAG in tags
    if _PARENT_TAG in tags:
        return False  # a person's, who re-executed it with its tags, or the last of Dagster's own
    left = tags.get(RETRIES_LEFT_TAG if errors else RETRIES_LEFT_AFTER_DEATH_TAG, "0")
    return int(left) > 0 and errors <= {kind.__name__ for kind in OUTAGES}
