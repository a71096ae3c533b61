"""What a row of materializations says when it becomes current, or a candidate; inside of somebody's transaction.

One idea: one materialization of an asset or partition is current, and candidates are always newer than it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.tables import dataset_versions, datasets, materializations
from artifact_pipelines.core.types import SUPERSEDED, MaterializationFacts, Publication

# Written out, not as a parameter: only so the index of candidates serves.
IS_CANDIDATE = materializations.c.publication == sa.literal_column("'candidate'")
IS_NOT_REJECTED = materializations.c.publication != Publication.REJECTED

PUBLISH_AFTER = "publish_after"
"""Key in a candidate's metadata: names of the checks that have to pass."""

DATASET = "dataset"
"""Key in a candidate's metadata: the dataset of which it becomes a version when it is published."""

CHECKED_IN = "checked_in"
"""Key in a candidate's metadata: runs other than its own whose checks loaded it."""


def current_columns(since: object, reason: str | None = None) -> Mapping[str, Any]:
    """Return what the columns of a materialization say that becomes current at a time."""
    return {
        "is_current": True,
        "current_since": since,
        "current_until": None,
        "publication": Publication.PUBLISHED,
        "publication_reason": reason,
    }


def candidate_columns(facts: MaterializationFacts) -> Mapping[str, Any]:
    """Return what the columns of a new candidate say."""
    of_dataset = {} if facts.dataset is None else {DATASET: facts.dataset}
    return {
        "is_current": False,
        "publication": Publication.CANDIDATE,
        "publication_reason": waits_for(facts.publish_after),
        "metadata": {**facts.metadata, **of_dataset, PUBLISH_AFTER: list(facts.publish_after)},
    }


def waits_for(checks: Sequence[str]) -> str:
    """Return why a candidate is not published yet."""
    what = f"checks {', '.join(checks)} are" if len(checks) > 1 else f"check {checks[0]} is"
    return f"waits until {what} seen to have passed"


def superseded_by(version: int) -> str:
    """Return why a candidate that no check has failed is never published."""
    return f"{SUPERSEDED} by version {version}, which became current first"


def give_way(
    connection: sa.Connection,
    which: Sequence[sa.ColumnElement[bool]],
    version: int,
    materialization_id: int | None = None,
) -> None:
    """Make room for what becomes current: what is so ends to be, and candidates before it have no future.

    Args:
        connection: In a transaction that has locked the asset.
        which: Which asset and partition.
        version: Number of what becomes current.
        materialization_id: What becomes current; None: it is about to be inserted.
    """
    rows = sa.update(materializations).where(*which)
    connection.execute(rows.where(materializations.c.is_current).values(is_current=False))
    superseded = rows.where(IS_CANDIDATE)
    if materialization_id is not None:
        superseded = superseded.where(materializations.c.materialization_id < materialization_id)
    connection.execute(superseded.values(publication=Publication.REJECTED, publication_reason=superseded_by(version)))


def insert_dataset_version(connection: sa.Connection, dataset: str, number: int, materialization_id: int) -> None:
    """Make a materialization a version of a dataset, which is made when it is not there yet."""
    dataset_id = connection.execute(sa.select(datasets.c.dataset_id).where(datasets.c.name == dataset)).scalar()
    if dataset_id is None:
        insert = sa.insert(datasets).values(name=dataset).returning(datasets.c.dataset_id)
        dataset_id = connection.execute(insert).scalar_one()
    connection.execute(
        sa.insert(dataset_versions).values(dataset_id=dataset_id, number=number, materialization_id=materialization_id)
    )
