"""Which materialization an input loads where it is not to be the current one: what the run's tag or the input says."""

import dagster as dg

from artifact_pipelines.core.selection import SELECT_TAG, SELECTION_KEYS, selection_from, selections_from_tag
from artifact_pipelines.core.types import Selection
from artifact_pipelines.handlers.partitions import PARTITION_COLUMN_METADATA_KEY
from artifact_pipelines.io_manager.contexts import asset_of, check_known, input_name_of, metadata_of, step_of

_DECLARED = (PARTITION_COLUMN_METADATA_KEY, *(f"artifact/{key}" for key in SELECTION_KEYS))


def selection_of_run(context: dg.InputContext) -> Selection | None:
    """Return what the run's tag `artifact/select` says of the input's asset; it comes before the input's metadata.

    An asset that the tag names and that no step of the run loads is no error: one tag may serve many jobs.

    Raises:
        InvalidArgumentError: The tag is not of the form that selections have.
    """
    step = step_of(context)
    tag = step.run_tags.get(SELECT_TAG) if step else None
    return selections_from_tag(tag).get(asset_of(context)) if tag is not None else None


def selection_of_input(context: dg.InputContext) -> Selection | None:
    """Return what the input's metadata select, for every run.

    Raises:
        InvalidArgumentError: The metadata are not of the form that a selection has.
    """
    metadata = metadata_of(context)
    check_known(f"metadata artifact/… of an input of {asset_of(context)}", metadata, _DECLARED)
    given = {key: metadata[f"artifact/{key}"] for key in SELECTION_KEYS if f"artifact/{key}" in metadata}
    if not given:
        return None
    return selection_from(given, f"metadata artifact/… of input {input_name_of(context)}")
