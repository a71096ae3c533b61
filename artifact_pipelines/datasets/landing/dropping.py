"""Drops files into the landing zone, and follows them until their dataset has ingested them.

One idea: the catalog's record of a file says what became of it, so a dropped file is followed without Dagster.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from typing import BinaryIO

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.landing import LandingSource
from artifact_pipelines.core.exceptions import InvalidArgumentError, first_names
from artifact_pipelines.core.types import LandingFile, LandingState
from artifact_pipelines.datasets.exceptions import (
    DropIsWaitingError,
    NotIngestedError,
    NotNoticedError,
    UnwatchedDatasetError,
)
from artifact_pipelines.datasets.interfaces import ILandingZone, Sighting
from artifact_pipelines.datasets.landing.entry_names import SourceGlob, check_inside, find_ignoring, from_text
from artifact_pipelines.datasets.landing.folder import DROPPING
from artifact_pipelines.datasets.landing.rules import ARCHIVE
from artifact_pipelines.datasets.landing.zone import is_unchanged
from artifact_pipelines.storage.exceptions import SourceChangedError

LOOK_S = 0.5
_DONE = (LandingState.INGESTED, LandingState.DUPLICATE, LandingState.QUARANTINED, LandingState.DISCARDED)


@dataclasses.dataclass(frozen=True, slots=True)
class Dropped:
    """A file that was put into the landing zone.

    Attributes:
        sighting: How it lay there; None: it was gone again at once, because its dataset archives or deletes.
        before: What the catalog knew of its path.
    """

    path: str
    sighting: Sighting | None
    before: LandingFile | None


def drop(zone: ILandingZone, catalog: Catalog, dataset: str, path: str, stream: BinaryIO, named_by: str) -> Dropped:
    """Put a file into the landing zone in one step.

    Args:
        named_by: The option or parameter that names the path, for the messages of errors.

    Raises:
        InvalidArgumentError: The dataset's sensor looks for other paths.
        UnwatchedDatasetError: There is no such dataset, or its sensor has not looked yet, but others have.
        DropIsWaitingError: A file that lies there has not been ingested yet, and would be lost.
        SourceError: See `ILandingZone.put`.
        BackendError: See `ILandingZone.put`.
    """
    check_inside(from_text(path))
    _check_path(catalog, dataset, path, named_by)
    there, before = zone.look(path), catalog.landing.files_of(dataset).get(path)
    if there is not None and not (before and before.state in _DONE and is_unchanged(there, before)):
        raise DropIsWaitingError(str(zone), path, named_by)
    try:
        zone.put(stream, path, there)
    except SourceChangedError as error:
        if zone.look(path) in (None, there):  # it is the dropped file that has changed
            raise
        raise DropIsWaitingError(str(zone), path, named_by) from error
    return Dropped(path, zone.look(path), before)


def _check_path(catalog: Catalog, dataset: str, path: str, named_by: str) -> None:
    """Refuse a path that no sensor would notice for this dataset, as far as the sensors have said what they look for.

    Before the first sensor has looked, nothing is known.
    """
    sources = catalog.landing.sources()
    matching = [each for each, source in sources.items() if _matches(source, path)]
    if dataset in matching or not sources:
        return
    if dataset not in sources:
        raise UnwatchedDatasetError(dataset, path, sorted(sources), matching)
    wanted = sources[dataset]
    instead = f"{first_names(matching)} would take it" if matching else "no dataset would take it"
    whose = f"the source of {dataset} at the last look of its sensor"
    expected = f"a path that {wanted.source!r} matches, {whose} (`{named_by}`); {instead}"
    if found := find_ignoring(path.split("/"), wanted.ignored):
        name, pattern = found
        is_own = pattern in (ARCHIVE, DROPPING)
        why = (
            f"{name!r} belongs to the landing zone"
            if is_own
            else f"{pattern!r} of its `landing.ignore` matches {name!r}"
        )
        expected = f"a path that {dataset} does not ignore (`{named_by}`): {why}"
    raise InvalidArgumentError("path", path, expected)


def _matches(source: LandingSource, path: str) -> bool:
    glob = SourceGlob(source.source, source.ignored)
    return glob.is_match(functools.reduce(glob.step, path.split("/"), glob.start))


def follow(
    catalog: Catalog, dataset: str, dropped: Dropped, notice_s: int, report: Callable[[str], object]
) -> LandingFile:
    """Wait until a dropped file is ingested or known to be a duplicate, and return its record.

    Args:
        notice_s: How long the sensor may take to notice it.
        report: Takes the state, for people, again and again.

    Raises:
        NotNoticedError: No sensor has noticed it.
        NotIngestedError: It waits in quarantine, or was discarded.
    """
    deadline, state = time.monotonic() + notice_s, "waiting for the sensor"
    while True:
        file = catalog.landing.files_of(dataset).get(dropped.path)
        if file is not None and _is_of(file, dropped):
            state = f"{file.state}{f': {file.reason}' if file.reason else ''}"
            if file.state in (LandingState.INGESTED, LandingState.DUPLICATE):
                return file
            if file.state in _DONE:
                raise NotIngestedError(dataset, dropped.path, file.reason or file.state)
        elif time.monotonic() > deadline:
            raise NotNoticedError(dataset, dropped.path, notice_s)
        report(state)
        time.sleep(LOOK_S)


def _is_of(file: LandingFile, dropped: Dropped) -> bool:
    """True if a record is about the dropped file and not about one that lay there before."""
    if dropped.sighting is None:
        return file != dropped.before
    return file.changed_ns >= dropped.sighting.changed_ns


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What an ingested file has become.

    Attributes:
        versions: Version numbers of the raw file and of the table, by asset.
        bad_rows: Rows that were left out of the table.
    """

    versions: Mapping[str, int]
    bad_rows: int = 0


def outcome_of(catalog: Catalog, dataset: str, file: LandingFile) -> Outcome:
    """Return what an ingested file has become."""
    same = catalog.datasets.all_with(f"{dataset}/raw", file.content_hash) if file.content_hash else ()
    if not same:
        return Outcome({})
    # Another partition may have the same content under another name.
    raw = next((made for made in same if made.source.get("file") == file.path), same[0])
    table = (f"{dataset}/table", raw.partition)
    consumers = [found for _, found in catalog.lineage.consumers([raw.materialization_id], 100)]
    tables = [found for found in consumers if (found.asset, found.partition) == table]
    if not tables:
        return Outcome({raw.asset: raw.version})
    made = max(tables, key=lambda found: found.version)
    runs = [made.run_id] if made.run_id else []
    beside = catalog.materializations.history(f"{dataset}/bad_rows", raw.partition, runs=runs)
    bad_rows = sum(each.row_count or 0 for each in beside if each.partition == raw.partition)
    return Outcome({raw.asset: raw.version, made.asset: made.version}, bad_rows)
