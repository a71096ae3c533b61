"""Looks at the landing zone for one dataset: finds complete files, requests runs, and follows up earlier requests.

State lives in the catalog, not in a time cursor, so a restart skips no file and requests none twice. The files of a
dataset, or of a partition of it, are ingested one at a time, in the order in which they stopped changing.
"""

import dataclasses
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import BinaryIO, cast

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.types import FileState, LandingFile, LandingState, StoragePath
from artifact_pipelines.datasets.interfaces import ILandingZone, Sighting
from artifact_pipelines.datasets.landing.decisions import Decisions
from artifact_pipelines.datasets.landing.ingested import Counted, Ingested
from artifact_pipelines.datasets.landing.rules import DEFAULT_RULES, TOO_SLOW, InTime, LandingRules, clear_away
from artifact_pipelines.datasets.landing.zone import (
    failed_in_run,
    is_unchanged,
    is_undecided,
    note_replaced,
    record_seen,
)
from artifact_pipelines.datasets.partition_keys import PartitionKeys
from artifact_pipelines.storage.staging import hash_stream

WORK_S = 20.0
"""After this time a tick (60 s at most) begins no work except its first decision; the next tick continues."""
MOST_REQUESTED = 10
"""So many partitions of a dataset may be ingested at once."""


@dataclasses.dataclass(frozen=True, slots=True)
class RunOutcome:
    """The outcome of the runs of a requested file so far.

    Attributes:
        reason: Why, for people.
        has_run: True if a run has ended or is in progress; False if the next one has yet to be requested.
    """

    state: LandingState
    reason: str | None = None
    has_run: bool = True


@dataclasses.dataclass(frozen=True)
class LandingWatch:
    """Watches one dataset's files.

    Attributes:
        raw_asset: Key of the asset that stores its files.
        settle_s: Seconds that a file must stay unchanged to count as complete.
        rules: The dataset's own rules.
        read_stored: Opens stored bytes; needed if the rules do not keep files.
        is_union: True if a table has the rows of all files; else each file replaces the one before.
        keys: The partitions; None: the dataset has none.
    """

    catalog: Catalog
    zone: ILandingZone
    dataset: str
    source: str
    raw_asset: str
    settle_s: float
    rules: LandingRules = DEFAULT_RULES
    read_stored: Callable[[StoragePath], BinaryIO] | None = None
    is_union: bool = False
    keys: PartitionKeys | None = None

    def look(self) -> Sequence[Sighting]:
        """Return the entries of the landing zone that match, sorted by path.

        Raises:
            LandingZoneMissingError: The landing zone is not a readable folder.
        """
        return self.zone.list_entries(self.rules.glob(self.source))

    def is_quiet(self, sightings: Sequence[Sighting], known: Mapping[str, LandingFile]) -> bool:
        """True if a tick would find nothing to do: no entry is new or has changed, and none is waiting for anything."""
        if self.rules.afterwards != "keep" or self.has_fresh(sightings, known):
            return False
        done = {LandingState.INGESTED, LandingState.DISCARDED, *(() if self.is_union else (LandingState.DUPLICATE,))}
        return all(file.state in done for file in known.values())

    def has_fresh(self, sightings: Sequence[Sighting], known: Mapping[str, LandingFile]) -> bool:
        """True if an entry is new or has changed since it was last recorded."""
        return not all(is_unchanged(sighting, known.get(sighting.path)) for sighting in sightings)

    def tick(
        self,
        outcome_of: Callable[[str], RunOutcome | None],
        earlier: Collection[Sighting] | None = None,
        deadline: float | None = None,
    ) -> Sequence[LandingFile]:
        """Look once, record the findings, and return all files in the landing zone with their states.

        A file in state requested that has no run needs one under its `run_key`.

        Args:
            outcome_of: Returns the outcome of the runs for a run key so far; None: there is no run.
            earlier: The entries as a look found them at least `settle_s` ago; None: the tick waits for that long.
            deadline: On the monotonic clock; only the first decision may begin later.

        Raises:
            LandingZoneMissingError: The landing zone is not a readable folder.
        """
        deadline = time.monotonic() + WORK_S if deadline is None else deadline
        ingested, sightings, known = self.ingested, self.look(), self._files()
        settled = self._settled(sightings, known, earlier)
        paths = {sighting.path for sighting in sightings}
        updated = {path: self._followed_up(file, path in paths, outcome_of) for path, file in known.items()}
        for sighting in sightings:
            if not is_unchanged(sighting, known.get(sighting.path)):
                updated[sighting.path] = record_seen(self.dataset, sighting, updated.get(sighting.path))
        if not self.is_union:
            updated.update(note_replaced(updated, known, ingested.partition_of))
        updated.update(ingested.read_since(updated.values()))
        counted = ingested.counted(
            {ingested.partition_of(f.path) for f in updated.values() if f.state == LandingState.DUPLICATE}
        )

        def names(path: str) -> Counted | None:
            return None if counted is None else counted.get(ingested.partition_of(path), {})

        complete = [s for s in settled if s.problem is None and _is_due(updated[s.path], names(s.path))]
        updated.update(self._decided(complete, updated, known, deadline))
        if self.rules.afterwards != "keep":
            cleared = [s for s in settled if s.problem is None and _may_leave(updated[s.path], names(s.path))]
            updated.update(self._cleared_away(cleared, updated, deadline))
        changed = [file for path, file in updated.items() if file != known.get(path)]
        if changed and not self.catalog.landing.save(self.dataset, changed, known):
            # Another daemon watches the same landing zone and was faster. Its requests are its own.
            updated = {p: f for p, f in self._files().items() if f.state != LandingState.REQUESTED}
        return [updated[sighting.path] for sighting in sightings if sighting.path in updated]

    @property
    def ingested(self) -> Ingested:
        """What the catalog knows of the files that the dataset has ingested."""
        return Ingested(self.catalog, self.dataset, self.raw_asset, self.is_union, self.keys)

    def _files(self) -> Mapping[str, LandingFile]:
        return self.catalog.landing.files_of(self.dataset)

    def _settled(
        self,
        sightings: Sequence[Sighting],
        known: Mapping[str, LandingFile],
        earlier: Collection[Sighting] | None,
    ) -> Sequence[Sighting]:
        """Return the files unchanged between two looks, oldest first; an earlier tick may have been the first look."""
        resting = {s for s in sightings if is_unchanged(s, known.get(s.path))}
        fresh = {s for s in sightings if s.problem is None} - resting
        if fresh and earlier is None:
            time.sleep(self.settle_s)
            earlier = self.look()
        resting |= fresh & set(earlier or ())
        return sorted(resting, key=lambda s: (s.changed_ns, s.path))

    def _followed_up(
        self, file: LandingFile, is_there: bool, outcome_of: Callable[[str], RunOutcome | None]
    ) -> LandingFile:
        if file.state == LandingState.QUARANTINED and not failed_in_run(file) and not is_there:
            return dataclasses.replace(file, state=LandingState.SEEN, reason=None)  # it never had a content
        if file.state != LandingState.REQUESTED or file.run_key is None:
            return file
        # No outcome: the daemon died before it started the run, or is about to start it.
        outcome = outcome_of(file.run_key) or RunOutcome(LandingState.REQUESTED, has_run=False)
        if not outcome.has_run and not is_there:  # no run can be requested for it, and others would wait forever
            return dataclasses.replace(file, state=LandingState.SEEN, reason=None)
        return dataclasses.replace(file, state=outcome.state, reason=outcome.reason)

    def _decided(
        self,
        complete: Sequence[Sighting],
        files: Mapping[str, LandingFile],
        before: Mapping[str, LandingFile],
        deadline: float,
    ) -> Mapping[str, LandingFile]:
        """Return the files decided on, and those that wait for their marker."""
        busy = {self.ingested.partition_of(f.path) for f in files.values() if f.state == LandingState.REQUESTED}
        if len(busy) >= (most := self._most_requested()):
            return {}
        unmarked = self._without_marker(complete, files)
        ready = [(sighting, files[sighting.path]) for sighting in complete if sighting.path not in unmarked]
        ready.sort(key=lambda pair: pair[1].state == LandingState.QUARANTINED)  # last, because they may take long
        decisions = Decisions(self.zone, self.ingested, files, before, deadline, busy, most)
        decisions.decide(ready)
        return {**unmarked, **decisions.made}

    def _most_requested(self) -> int:
        """Return how many files may be ingested at once, each of another partition.

        The first table of all is made alone: its types are those of all others.
        """
        if self.keys and self.catalog.materializations.history(self.ingested.table_asset, limit=1):
            return MOST_REQUESTED
        return 1

    def _without_marker(
        self, complete: Sequence[Sighting], files: Mapping[str, LandingFile]
    ) -> Mapping[str, LandingFile]:
        """Return the files that wait for their marker, with this reason."""
        markers = self.rules.markers(self.zone, self.source) if complete else {}
        missing = {s.path: marker for s in complete if (marker := self.rules.missing_marker(s, markers))}
        return {
            path: dataclasses.replace(files[path], state=LandingState.SEEN, reason=f"it waits for its marker {marker}")
            for path, marker in missing.items()
        }

    def _cleared_away(
        self, files: Sequence[Sighting], records: Mapping[str, LandingFile], deadline: float
    ) -> Mapping[str, LandingFile]:
        """Clear away ingested files, oldest first, until the deadline. A file that has to stay gets the reason.

        The decisions before may have taken long, so none may begin after the deadline.
        """
        done = (LandingState.INGESTED, LandingState.DUPLICATE)
        changed = {}
        waiting = (f for f in files if records[f.path].state in done and records[f.path].reason != TOO_SLOW)
        for file in waiting:
            if time.monotonic() > deadline:
                break
            if stays := clear_away(self.rules, self.zone, self.dataset, file, self._is_intact):
                changed[file.path] = dataclasses.replace(records[file.path], reason=stays)
        return changed

    def _is_intact(self, path: str, content_hash: str, until: float) -> bool:
        made = self.catalog.datasets.version_with(self.raw_asset, self.ingested.partition_of(path), content_hash)
        stored = [file for file in made.files if file.content_hash == content_hash] if made else []
        if not stored or stored[0].state != FileState.STORED or self.read_stored is None:
            return False
        try:
            with self.read_stored(stored[0].storage_path) as stream:
                return hash_stream(cast("BinaryIO", InTime(stream, until))).content_hash == content_hash
        except FileNotFoundError:
            return False


def _is_due(file: LandingFile, counted: Counted | None) -> bool:
    """True if a complete file needs a decision; also a copy of a file whose rows have left the union."""
    has_left = counted is not None and file.content_hash not in counted
    return is_undecided(file) or (has_left and file.state == LandingState.DUPLICATE)


def _may_leave(file: LandingFile, counted: Counted | None) -> bool:
    """True unless a file is a copy that is needed as soon as the rows of its original are replaced."""
    is_copy = counted is not None and file.path not in counted.get(file.content_hash or "", ())
    return not (is_copy and file.state == LandingState.DUPLICATE)
