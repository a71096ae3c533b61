"""Looks at the landing zone for one dataset: finds complete files, requests runs, and follows up earlier requests.

State lives in the catalog, not in a time cursor, so a restart skips no file and requests none twice. A dataset's files
are ingested one at a time, in the order in which they stopped changing.
"""

import dataclasses
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import BinaryIO

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import BackendError, SourceError
from artifact_pipelines.core.types import FileDescription, FileState, LandingFile, LandingState, StoragePath
from artifact_pipelines.datasets.exceptions import EmptySourceError
from artifact_pipelines.datasets.interfaces import ILandingZone, Sighting
from artifact_pipelines.datasets.landing_rules import DEFAULT_RULES, LandingRules, clear_away
from artifact_pipelines.datasets.landing_zone import (
    KnownContent,
    decide,
    failed_in_run,
    is_unchanged,
    is_undecided,
    note_replaced,
    record_seen,
)
from artifact_pipelines.datasets.union_table import counted_files
from artifact_pipelines.storage.exceptions import SourceChangedError, SourceVanishedError
from artifact_pipelines.storage.file_types import describe_by_name
from artifact_pipelines.storage.staging import hash_stream

WORK_S = 20.0
"""A tick (60 s at most) begins no work on a file later than this; the next one goes on."""
_MOST_INPUTS = 1_000
HASH_LIMIT_BYTES = 4 << 30
"""A sensor's tick (60 s at most) does not hash larger files; their run finds out whether they are duplicates."""


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
        union: Key of the table that has the rows of all files; None: each file replaces the one before.
    """

    catalog: Catalog
    zone: ILandingZone
    dataset: str
    source: str
    raw_asset: str
    settle_s: float
    rules: LandingRules = DEFAULT_RULES
    read_stored: Callable[[StoragePath], BinaryIO] | None = None
    union: str | None = None

    def tick(self, outcome_of: Callable[[str], RunOutcome | None]) -> Sequence[LandingFile]:
        """Look once, record the findings, and return all files in the landing zone with their states.

        A file in state requested that has no run needs one under its `run_key`.

        Args:
            outcome_of: Returns the outcome of the runs for a run key so far; None: there is no run.

        Raises:
            LandingZoneMissingError: The landing zone is not a readable folder.
        """
        deadline = time.monotonic() + WORK_S
        sightings = self.zone.list_entries(self.rules.glob(self.source))
        known = self._files()
        settled = self._settled(sightings, known)
        paths = {sighting.path for sighting in sightings}
        updated = {path: self._followed_up(file, path in paths, outcome_of) for path, file in known.items()}
        for sighting in sightings:
            if not is_unchanged(sighting, known.get(sighting.path)):
                updated[sighting.path] = record_seen(self.dataset, sighting, updated.get(sighting.path))
        if self.union is None:
            updated.update(note_replaced(updated, known))
        counted = self._counted()
        updated.update(self._read_since(updated.values()))
        if not any(file.state == LandingState.REQUESTED for file in updated.values()):
            complete = [s for s in settled if s.problem is None and _is_due(updated[s.path], counted)]
            updated.update(self._decided(complete, updated, known, deadline))
        if self.rules.afterwards != "keep":
            cleared = [s for s in settled if s.problem is None and _may_leave(updated[s.path], counted)]
            updated.update(self._cleared_away(cleared, updated, deadline))
        changed = [file for path, file in updated.items() if file != known.get(path)]
        if changed and not self.catalog.landing.save(self.dataset, changed, known):
            # Another daemon watches the same landing zone and was faster. Its requests are its own.
            updated = {p: f for p, f in self._files().items() if f.state != LandingState.REQUESTED}
        return [updated[sighting.path] for sighting in sightings if sighting.path in updated]

    def _files(self) -> Mapping[str, LandingFile]:
        return self.catalog.landing.files_of(self.dataset)

    def _settled(self, sightings: Sequence[Sighting], known: Mapping[str, LandingFile]) -> Sequence[Sighting]:
        """Return the files unchanged between two looks, oldest first; an earlier tick may have been the first look."""
        resting = {s for s in sightings if is_unchanged(s, known.get(s.path))}
        fresh = {s for s in sightings if s.problem is None} - resting
        if fresh:
            time.sleep(self.settle_s)
            resting |= fresh & set(self.zone.list_entries(self.rules.glob(self.source)))
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

    def _read_since(self, files: Collection[LandingFile]) -> Mapping[str, LandingFile]:
        """Return the files in quarantine whose content the current table has: its rules have changed since."""
        waiting = [file for file in files if failed_in_run(file)]
        made = self.catalog.lineage.versions(f"{self.dataset}/table", None, None, 1) if waiting else ()
        if not made:
            return {}
        inputs = self.catalog.lineage.inputs([each.materialization_id for each in made], _MOST_INPUTS)
        read = {self.catalog.files.get_file(raw.file_id).content_hash for _, raw in inputs}
        reason = f"{self.dataset}/table version {made[0].version} was read from this content"
        done = [dataclasses.replace(f, state=LandingState.DUPLICATE, reason=reason) for f in waiting]
        return {file.path: file for file in done if file.content_hash in read}

    def _decided(
        self,
        resting: Sequence[Sighting],
        files: Mapping[str, LandingFile],
        before: Mapping[str, LandingFile],
        deadline: float,
    ) -> Mapping[str, LandingFile]:
        """Decide on files until one needs a run, or until the deadline; the others wait for it.

        Those that could not be read before come last: they may take long.
        """
        decided: dict[str, LandingFile] = {}
        contents = self._known_content(files.values()) if resting else KnownContent(None, {}, {})
        paths = {path for path, file in before.items() if file.attempt or file.content_hash}
        markers = self.rules.markers(self.zone, self.source) if resting else {}
        complete = sorted(resting, key=lambda s: files[s.path].state == LandingState.QUARANTINED)
        for sighting in complete:
            file = files[sighting.path]
            if marker := self.rules.missing_marker(sighting, markers):
                waiting = f"it waits for its marker {marker}"
                decided[file.path] = dataclasses.replace(file, state=LandingState.SEEN, reason=waiting)
                continue
            if time.monotonic() > deadline:
                break
            try:
                decided[file.path] = decide(file, self._hash(sighting), contents, paths)
            except (SourceVanishedError, SourceChangedError):
                continue  # still changing: the next tick looks again
            except (SourceError, BackendError) as error:  # the zone was listed, so it is this file that fails
                decided[file.path] = dataclasses.replace(file, state=LandingState.QUARANTINED, reason=str(error))
            if decided[file.path].state == LandingState.REQUESTED:
                break
        return decided

    def _cleared_away(
        self, files: Sequence[Sighting], records: Mapping[str, LandingFile], deadline: float
    ) -> Mapping[str, LandingFile]:
        """Clear away ingested files, oldest first, until the deadline. A file that has to stay gets the reason."""
        done = (LandingState.INGESTED, LandingState.DUPLICATE)
        ingested = [file for file in files if records[file.path].state in done]
        stored = self._stored() if ingested else {}
        changed = {}
        for file in ingested:
            if time.monotonic() > deadline:
                break
            stays = clear_away(self.rules, self.zone, self.dataset, file, lambda found: self._is_intact(stored, found))
            if stays:
                changed[file.path] = dataclasses.replace(records[file.path], reason=stays)
        return changed

    def _stored(self) -> Mapping[str, StoragePath]:
        """Return the stored files of the dataset, by their hash."""
        history = self.catalog.materializations.history(self.raw_asset)
        files = (version.file for version in history)
        return {file.content_hash: file.storage_path for file in files if file.state == FileState.STORED}

    def _is_intact(self, stored: Mapping[str, StoragePath], content_hash: str) -> bool:
        if content_hash not in stored or self.read_stored is None:
            return False
        try:
            with self.read_stored(stored[content_hash]) as stream:
                return hash_stream(stream).content_hash == content_hash
        except FileNotFoundError:
            return False

    def _hash(self, sighting: Sighting) -> str | None:
        if sighting.size_bytes == 0:
            raise EmptySourceError(f"{self.zone}/{sighting.path}")
        with self.zone.open(sighting.path) as stream:
            return hash_stream(stream).content_hash if sighting.size_bytes <= HASH_LIMIT_BYTES else None

    def _known_content(self, files: Collection[LandingFile]) -> KnownContent:
        history = self.catalog.materializations.history(self.raw_asset)
        # Newest first: an old content that returned has its newest number. A damaged file is repaired by another drop.
        stored = [version for version in history if version.file.state != FileState.DAMAGED]
        version_of = {version.file.content_hash: version.version for version in reversed(stored)}
        ingested = {file.content_hash for file in files if file.state == LandingState.INGESTED}
        failed_as: dict[str, list[FileDescription]] = {}
        for file in files:
            if failed_in_run(file) and file.content_hash and file.content_hash not in ingested:
                failed_as.setdefault(file.content_hash, []).append(describe_by_name(file.path))
        current = history[0].file.content_hash if history else None
        return KnownContent(current, version_of, failed_as, self._counted())

    def _counted(self) -> Mapping[str, Sequence[str]] | None:
        """Return the names of the files whose rows are in the union, by hash; None: the table is no union."""
        if self.union is None:
            return None
        table = self.catalog.materializations.find(self.union, [None]).get(None)
        names: dict[str, list[str]] = {}
        for file in counted_files(table.source, table.row_count).values() if table else ():
            names.setdefault(file.content_hash, []).append(file.name)
        return names


def _is_due(file: LandingFile, counted: Mapping[str, Sequence[str]] | None) -> bool:
    """True if a complete file needs a decision; also a copy of a file whose rows have left the union."""
    has_left = counted is not None and file.content_hash not in counted
    return is_undecided(file) or (has_left and file.state == LandingState.DUPLICATE)


def _may_leave(file: LandingFile, counted: Mapping[str, Sequence[str]] | None) -> bool:
    """True unless a file is a copy that is needed as soon as the rows of its original are replaced."""
    is_copy = counted is not None and file.path not in counted.get(file.content_hash or "", ())
    return not (is_copy and file.state == LandingState.DUPLICATE)
