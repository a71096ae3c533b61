"""Parses selections as people write them: `{"version": 3}`, `{"tag": "gold"}`. Standard library only."""

import contextlib
import datetime
import json
from collections.abc import Mapping
from typing import Any

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import FileId, Selection

SELECTION_KEYS = ("file_id", "version", "tag", "as_of", "run_id")
SELECT_TAG = "artifact/select"
"""Run tag: a JSON object of asset keys and a selection for each, such as `{"flights/table": {"version": 3}}`."""


def selection_from(values: Mapping[str, Any], where: str) -> Selection:
    """Return the selection of a mapping with exactly one of `SELECTION_KEYS`.

    Args:
        values: `file_id` and `version` are positive whole numbers, `tag` and `run_id` texts, `as_of` a time with its
            zone, as ISO 8601 text or `datetime`.
        where: Place of the mapping, for errors.

    Raises:
        InvalidArgumentError: The mapping has any other form.
    """
    if not isinstance(values, Mapping) or len(values) != 1 or not set(values) <= set(SELECTION_KEYS):
        raise InvalidArgumentError(where, values, f"exactly one of {', '.join(SELECTION_KEYS)}, and its value")
    [(key, value)] = values.items()
    if key in ("file_id", "version"):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**63:
            raise InvalidArgumentError(f"{where}: {key}", value, "a whole number from 1 up")
        return Selection(file_id=FileId(value)) if key == "file_id" else Selection(version=value)
    if key == "as_of":
        return Selection(as_of=_time_from(value, f"{where}: {key}"))
    if not isinstance(value, str) or not value:
        raise InvalidArgumentError(f"{where}: {key}", value, "a text")
    return Selection(tag=value) if key == "tag" else Selection(run_id=value)


def selections_from_tag(text: str) -> Mapping[str, Selection]:
    """Return the selection for each asset in the value of the run tag `artifact/select`.

    Raises:
        InvalidArgumentError: The text does not have that form.
    """
    where = f"run tag {SELECT_TAG}"
    try:
        wanted = json.loads(text)
    except ValueError as error:
        raise InvalidArgumentError(where, text, f"JSON ({error})") from error
    if not isinstance(wanted, dict):
        raise InvalidArgumentError(where, text, 'a JSON object such as {"flights/table": {"version": 3}}')
    return {asset: selection_from(values, f"{where}: {asset}") for asset, values in wanted.items()}


def _time_from(value: object, where: str) -> datetime.datetime:
    """Return a time in UTC: not every database compares times of different zones."""
    with contextlib.suppress(ValueError, OverflowError):
        time = datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(time, datetime.datetime) and time.tzinfo is not None:
            return time.astimezone(datetime.UTC)
    raise InvalidArgumentError(where, value, "a time with its zone, such as 2026-11-24T10:00:00Z")
