"""Looks at the landing zone for one dataset: finds complete files, requests runs, and follows up earlier requests.

State lives in the catalog, not in a time cursor, so a restart skips no file and requests none twice. The files of a
dataset, or of a partition of it, are ingested one at a time, in the order in which they stopped changing.
"""

import dataclasses
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import BinaryIO, cast

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import BackendError, CatalogUnavailableError, SourceError
from artifact_pipelines.core.types import FileDescription, FileState, LandingFile, LandingState, StoragePath
from artifact_pipelines.datasets.exceptions import EmptySourceError, NoPartitionError
from artifact_pipelines.datasets.interfaces import ILandingZone, Sighting
from artifact_pipelines.datasets.landing.rules import DEFAULT_RULES, TOO_SLOW, InTime, LandingRules, clear_away
from artifact_pipelines.datasets.landing.zone import (
    KnownContent,
    decide,
    failed_in_run,
    is_unchanged,
    is_undecided,
    note_replaced,
    record_seen,
)
from artifact_pipelines.datasets.partition_keys import PartitionKeys
from artifact_pipelines.datasets.union_table import counted_files
from artifact_pipelines.storage.exceptions import SourceChangedError, SourceVanishedError
from artifact_pipelines.storage.file_types import describe_by_name
from artifact_pipelines.storage.staging import hash_stream

Counted = Mapping[str, Sequence[str]]
"""Names of the files whose rows are in a table, by the hash of their content."""
WORK_S = 20.0
"""After this time a tick (60 s at most) begins no work except its first decision; the next tick continues."""
MOST_DECIDED = 200
"""A tick decides on this many files at most, so that neither its queries nor its time grow with those that wait."""
MOST_REQUESTED = 10
"""So many partitions of a dataset may be ingested at once."""
MOST_IN_RUN = 100
"""So many files enter a union in one run."""
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
        sightings, known = self.look(), self._files()
        settled = self._settled(sightings, known, earlier)
        paths = {sighting.path for sighting in sightings}
        updated = {path: self._followed_up(file, path in paths, outcome_of) for path, file in known.items()}
        for sighting in sightings:
            if not is_unchanged(sighting, known.get(sighting.path)):
                updated[sighting.path] = record_seen(self.dataset, sighting, updated.get(sighting.path))
        if not self.is_union:
            updated.update(note_replaced(updated, known, self.partition_of))
        updated.update(self._read_since(updated.values()))
        busy = {self.partition_of(file.path) for file in updated.values() if file.state == LandingState.REQUESTED}
        counted = self.counted(
            {self.partition_of(f.path) for f in updated.values() if f.state == LandingState.DUPLICATE}
        )

        def names(path: str) -> Counted | None:
            return None if counted is None else counted.get(self.partition_of(path), {})

        if len(busy) < (most := self._most_requested()):
            complete = [s for s in settled if s.problem is None and _is_due(updated[s.path], names(s.path))]
            updated.update(self._decided(complete, updated, known, deadline, busy, most))
        if self.rules.afterwards != "keep":
            cleared = [s for s in settled if s.problem is None and _may_leave(updated[s.path], names(s.path))]
            updated.update(self._cleared_away(cleared, updated, deadline))
        changed = [file for path, file in updated.items() if file != known.get(path)]
        if changed and not self.catalog.landing.save(self.dataset, changed, known):
            # Another daemon watches the same landing zone and was faster. Its requests are its own.
            updated = {p: f for p, f in self._files().items() if f.state != LandingState.REQUESTED}
        return [updated[sighting.path] for sighting in sightings if sighting.path in updated]

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

    def partition_of(self, path: str) -> str | None:
        """Return the partition of a file; None: it has none, or the dataset has none."""
        try:
            return self.keys.of(path) if self.keys else None
        except NoPartitionError:
            return None

    def _read_since(self, files: Collection[LandingFile]) -> Mapping[str, LandingFile]:
        """Return the files in quarantine whose content the current table has: its rules have changed since."""
        waiting: dict[str | None, list[LandingFile]] = {}
        for file in files:
            if failed_in_run(file) and file.content_hash:
                waiting.setdefault(self.partition_of(file.path), []).append(file)
        done = {}
        for partition, some in waiting.items():
            hashes = {str(file.content_hash) for file in some}
            read = self.catalog.datasets.read_by_current(self.table_asset, partition, hashes)
            if counted := self.counted([partition]):  # a union may have left a bad file of its run out
                read = {content: version for content, version in read.items() if content in counted[partition]}
            for file in some:
                if version := read.get(str(file.content_hash)):
                    reason = f"{self.table_asset} version {version} was read from this content"
                    done[file.path] = dataclasses.replace(file, state=LandingState.DUPLICATE, reason=reason)
        return done

    @property
    def table_asset(self) -> str:
        """Key of the asset that holds the table."""
        return f"{self.dataset}/table"

    def _most_requested(self) -> int:
        """Return how many files may be ingested at once, each of another partition.

        The first table of all is made alone: its types are those of all others.
        """
        return MOST_REQUESTED if self.keys and self.catalog.materializations.history(self.table_asset, limit=1) else 1

    def _decided(
        self,
        resting: Sequence[Sighting],
        files: Mapping[str, LandingFile],
        before: Mapping[str, LandingFile],
        deadline: float,
        busy: Collection[str | None],
        most: int,
    ) -> Mapping[str, LandingFile]:
        """Decide on files until enough of them need runs, or until the deadline; the others wait.

        Those that could not be read before come last: they may take long.

        Args:
            busy: Partitions that are being ingested.
            most: How many may be.
        """
        decided: dict[str, LandingFile] = {}
        contents = KnownContents(self, files.values())
        paths = {path for path, file in before.items() if file.attempt or file.content_hash}
        markers = self.rules.markers(self.zone, self.source) if resting else {}
        busy, read, tried = set(busy), 0, 0
        batches: dict[str | None, list[LandingFile]] = {}
        for sighting in sorted(resting, key=lambda s: files[s.path].state == LandingState.QUARANTINED):
            file = files[sighting.path]
            if marker := self.rules.missing_marker(sighting, markers):
                waiting = f"it waits for its marker {marker}"
                decided[file.path] = dataclasses.replace(file, state=LandingState.SEEN, reason=waiting)
                continue
            is_full = all(not 0 < len(batches.get(partition, ())) < MOST_IN_RUN for partition in busy)
            if (len(busy) >= most and is_full) or read >= MOST_DECIDED or (tried and time.monotonic() > deadline):
                break
            try:
                partition = self.keys.of(file.path) if self.keys else None
                batch = batches.get(partition, [])
                if partition in busy and not 0 < len(batch) < MOST_IN_RUN:
                    continue
                if len(busy) >= most and partition not in busy:
                    continue
                tried += 1
                content_hash, read = self._hash(sighting), read + 1
                found = decide(file, content_hash, contents.of(partition, content_hash), paths)
                if found.state == LandingState.REQUESTED and batch and not _may_join(found, batch):
                    continue  # of a later run
                if found.state == LandingState.REQUESTED and batch:
                    found = dataclasses.replace(found, run_key=batch[0].run_key)
                decided[file.path] = found
            except (SourceVanishedError, SourceChangedError):
                continue  # still changing: the next tick looks again
            except CatalogUnavailableError:
                raise  # no fault of the file
            except (SourceError, BackendError) as error:  # the zone was listed, so it is this file that fails
                decided[file.path] = dataclasses.replace(file, state=LandingState.QUARANTINED, reason=str(error))
                continue
            if decided[file.path].state == LandingState.REQUESTED:
                busy.add(partition)
                if self.is_union and decided[file.path].attempt == 1 and content_hash:
                    batches.setdefault(partition, []).append(decided[file.path])
        return decided

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
        made = self.catalog.datasets.version_with(self.raw_asset, self.partition_of(path), content_hash)
        stored = [file for file in made.files if file.content_hash == content_hash] if made else []
        if not stored or stored[0].state != FileState.STORED or self.read_stored is None:
            return False
        try:
            with self.read_stored(stored[0].storage_path) as stream:
                return hash_stream(cast("BinaryIO", InTime(stream, until))).content_hash == content_hash
        except FileNotFoundError:
            return False

    def _hash(self, sighting: Sighting) -> str | None:
        if sighting.size_bytes == 0:
            raise EmptySourceError(sighting.path)
        with self.zone.open(sighting.path) as stream:
            return hash_stream(stream).content_hash if sighting.size_bytes <= HASH_LIMIT_BYTES else None

    def counted(self, partitions: Collection[str | None]) -> Mapping[str | None, Counted] | None:
        """Return the names of the files whose rows are in each union; None: the tables are no unions."""
        if not self.is_union:
            return None
        found = self.catalog.materializations.find(self.table_asset, list(partitions)) if partitions else {}
        names: dict[str | None, dict[str, list[str]]] = {partition: {} for partition in partitions}
        for partition, table in found.items():
            for file in counted_files(table.source, table.row_count).values():
                names[partition].setdefault(file.content_hash, []).append(file.name)
        return names


class KnownContents:
    """What is known of contents during one tick; each partition is looked up once, and each content."""

    def __init__(self, watch: LandingWatch, files: Collection[LandingFile]) -> None:
        self._watch = watch
        self._known: dict[str | None, KnownContent] = {}
        ingested = {file.content_hash for file in files if file.state == LandingState.INGESTED}
        self._failed_as: dict[str, list[FileDescription]] = {}
        for file in files:
            if failed_in_run(file) and file.content_hash and file.content_hash not in ingested:
                self._failed_as.setdefault(file.content_hash, []).append(describe_by_name(file.path))

    def of(self, partition: str | None, content_hash: str | None) -> KnownContent:
        """Return what is known of a content in a partition."""
        raw, catalog = self._watch.raw_asset, self._watch.catalog
        if partition not in self._known:
            newest = catalog.materializations.history(raw, partition, limit=1)
            counted = self._watch.counted([partition])
            current = newest[0].file.content_hash if newest else None
            in_table = None if counted is None else counted[partition]
            self._known[partition] = KnownContent(current, {}, self._failed_as, in_table)
        # A damaged file is repaired by another drop.
        made = catalog.datasets.version_with(raw, partition, content_hash) if content_hash else None
        version_of = {str(content_hash): made.version} if made else {}
        is_in_table = content_hash is None or self._is_in_table(partition, content_hash)
        return dataclasses.replace(self._known[partition], version_of=version_of, is_in_table=is_in_table)

    def _is_in_table(self, partition: str | None, content_hash: str) -> bool:
        """True unless a content is the current one, and the current table was made from another one."""
        if content_hash != self._known[partition].current:
            return True
        table, catalog = self._watch.table_asset, self._watch.catalog
        has_table = bool(catalog.materializations.find(table, [partition]))
        return not has_table or bool(catalog.datasets.read_by_current(table, partition, [content_hash]))


def _may_join(file: LandingFile, batch: Sequence[LandingFile]) -> bool:
    """True if a file may enter a union in the run of others: it has not failed, and none of them has its content."""
    is_new = all(file.content_hash not in (None, other.content_hash) for other in batch)
    return file.attempt == 1 and is_new


def _is_due(file: LandingFile, counted: Counted | None) -> bool:
    """True if a complete file needs a decision; also a copy of a file whose rows have left the union."""
    has_left = counted is not None and file.content_hash not in counted
    return is_undecided(file) or (has_left and file.state == LandingState.DUPLICATE)


def _may_leave(file: LandingFile, counted: Counted | None) -> bool:
    """True unless a file is a copy that is needed as soon as the rows of its original are replaced."""
    is_copy = counted is not None and file.path not in counted.get(file.content_hash or "", ())
    return not (is_copy and file.state == LandingState.DUPLICATE)
