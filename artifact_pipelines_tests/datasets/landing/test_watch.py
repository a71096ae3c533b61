import dataclasses
import io
import os
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import CatalogUnavailableError
from artifact_pipelines.core.types import LandingFile, LandingState, MaterializationFacts
from artifact_pipelines.datasets.exceptions import LandingZoneMissingError
from artifact_pipelines.datasets.landing import decisions as landing_decisions
from artifact_pipelines.datasets.landing import rules as landing_rules
from artifact_pipelines.datasets.landing import watch as landing_watch
from artifact_pipelines.datasets.landing.entry_names import SourceGlob, shortened
from artifact_pipelines.datasets.landing.folder import LandedFile, LandingFolder
from artifact_pipelines.datasets.landing.rules import LandingRules
from artifact_pipelines.datasets.landing.watch import LandingWatch, RunOutcome
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import SourceChangedError, SourceVanishedError
from artifact_pipelines.storage.file_types import describe
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.staging import hash_stream
from artifact_pipelines_tests.catalog.statements import statements_of
from artifact_pipelines_tests.storage.back_door import BackDoor
from artifact_pipelines_tests.storage.settling import put_and_settle


class Zone:
    """A watched landing zone, and a pipeline that runs the requests on demand."""

    def __init__(self, catalog: Catalog, producer: ArtifactProducer, folder: pathlib.Path) -> None:
        zone = LandingFolder(folder)
        self.watch = LandingWatch(catalog, zone, "flights", "**/*.csv", "flights/raw", settle_s=0)
        self.catalog = catalog
        self.outcomes: dict[str, RunOutcome | None] = {}
        self._producer = producer
        self._folder = folder

    def drop(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text)

    def tick(self) -> Mapping[str, LandingFile]:
        files = self.watch.tick(lambda run_key: self.outcomes.get(run_key, RunOutcome(LandingState.REQUESTED)))
        return {file.path: file for file in files}

    def states(self) -> Mapping[str, str]:
        return {path: file.state.value for path, file in self.tick().items()}

    def requested(self) -> LandingFile:
        [file] = [file for file in self.tick().values() if file.state == LandingState.REQUESTED]
        return file

    def ingest(self) -> LandingFile:
        """Do the work of the requested run."""
        file = self.requested()
        assert file.run_key
        self.store(io.BytesIO((self._folder / file.path).read_bytes()))
        self.outcomes[file.run_key] = RunOutcome(LandingState.INGESTED)
        return file

    def store(self, stream: BinaryIO) -> None:
        """Store a content as the dataset's raw file."""
        facts = MaterializationFacts("flights/raw", hash_stream(stream).content_hash, dataset="flights")
        stream.seek(0)
        record = self.catalog.materializations.record
        put_and_settle(self._producer, stream, describe("csv"), lambda lease: record(facts, [lease]))

    def fail(self) -> None:
        run_key = self.requested().run_key
        assert run_key
        self.outcomes[run_key] = RunOutcome(LandingState.QUARANTINED, "its run failed")

    def stored(self, content_hash: str) -> str:
        """Return the text of an ingested content."""
        files = [made.file for made in self.catalog.materializations.history("flights/raw")]
        [file_id] = {file.file_id for file in files if file.content_hash == content_hash}
        with self._producer.open(file_id) as stream:
            return stream.read().decode()

    def rule(self, backend: IStorageBackend, **rules: Any) -> None:
        """Set the dataset's rules for its files."""
        self.watch = dataclasses.replace(self.watch, rules=LandingRules(**rules), read_stored=backend.read_stream)


@pytest.fixture
def zone(catalog: Catalog, producer: ArtifactProducer, landing: pathlib.Path) -> Zone:
    return Zone(catalog, producer, landing)


def test_new_file_is_requested_then_ingested(zone: Zone) -> None:
    zone.drop("a.csv", "1")
    file = zone.ingest()
    assert file.run_key == f"flights/a.csv#1-{file.content_hash[:16]}"  # type: ignore[index]
    assert zone.states() == {"a.csv": "ingested"}
    assert zone.states() == {"a.csv": "ingested"}


def test_request_stays_while_its_run_is_in_progress(zone: Zone) -> None:
    zone.drop("a.csv", "1")
    file = zone.requested()
    zone.outcomes[str(file.run_key)] = RunOutcome(LandingState.REQUESTED)
    again = zone.requested()
    assert (again.run_key, again.attempt) == (file.run_key, 1)


def test_redrop_touch_and_rename_are_duplicates_with_a_reason(zone: Zone, landing: pathlib.Path) -> None:
    zone.drop("a.csv", "1")
    zone.ingest()
    zone.tick()
    zone.drop("a.csv", "1")
    assert zone.tick()["a.csv"].reason == "same content as version 1, the current one"
    (landing / "a.csv").touch()
    assert zone.states() == {"a.csv": "duplicate"}
    (landing / "a.csv").rename(landing / "b.csv")
    assert zone.states() == {"b.csv": "duplicate"}


def test_changed_file_is_the_next_version(zone: Zone) -> None:
    zone.drop("a.csv", "1")
    zone.ingest()
    zone.drop("a.csv", "2")
    assert zone.ingest().attempt == 2
    assert [m.version for m in zone.catalog.materializations.history("flights/raw")] == [2, 1]


def test_old_content_under_the_old_name_is_a_new_version(zone: Zone) -> None:
    for text in ("1", "2", "1"):
        zone.drop("a.csv", text)
        zone.ingest()
    assert zone.catalog.materializations.current("flights/raw").version == 3


def test_files_are_requested_one_at_a_time_in_order_of_arrival(zone: Zone) -> None:
    zone.drop("z.csv", "1")
    zone.drop("a.csv", "2")
    assert zone.ingest().path == "z.csv"
    assert zone.ingest().path == "a.csv"
    assert zone.states() == {"a.csv": "ingested", "z.csv": "ingested"}


def test_failed_run_fails_its_file_and_blocks_no_other(zone: Zone) -> None:
    zone.drop("bad.csv", "1")
    zone.fail()
    zone.drop("good.csv", "2")
    assert zone.ingest().path == "good.csv"
    files = zone.tick()
    assert files["bad.csv"].state == LandingState.QUARANTINED
    assert files["bad.csv"].reason == "its run failed"
    assert zone.states() == {"bad.csv": "quarantined", "good.csv": "ingested"}, "it is not retried without another drop"


def test_failed_file_is_retried_after_another_drop(zone: Zone) -> None:
    zone.drop("a.csv", "1")
    zone.fail()
    zone.tick()
    zone.drop("a.csv", "1")
    assert zone.ingest().attempt == 2


def test_empty_file_fails_without_a_run_and_blocks_no_other(zone: Zone) -> None:
    zone.drop("empty.csv", "")
    zone.drop("good.csv", "1")
    assert zone.ingest().path == "good.csv"
    assert "holds no data" in str(zone.tick()["empty.csv"].reason)


def test_file_that_is_still_being_written_is_not_requested(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    zone.drop("a.csv", "1")
    text = ["1"]

    def someone_writes(_: float) -> None:
        text.append("more")
        zone.drop("a.csv", "".join(text))

    monkeypatch.setattr(time, "sleep", someone_writes)
    assert [zone.states() for _ in range(3)] == [{"a.csv": "seen"}] * 3
    monkeypatch.undo()
    assert zone.requested().path == "a.csv"


def test_file_unchanged_since_the_last_tick_needs_no_second_wait(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    zone.catalog.landing.save("flights", [])
    zone.drop("a.csv", "1")
    monkeypatch.setattr(LandingFolder, "list_entries", _only_first(LandingFolder.list_entries))
    assert zone.states() == {"a.csv": "seen"}
    monkeypatch.undo()
    monkeypatch.setattr(time, "sleep", None)
    assert zone.requested().path == "a.csv"


def _only_first(list_once: Callable[..., object]) -> Callable[..., object]:
    calls: list[int] = []

    def listed(zone: LandingFolder, glob: SourceGlob) -> object:
        calls.append(1)
        return list_once(zone, glob) if len(calls) == 1 else []

    return listed


@pytest.mark.parametrize("error", [SourceVanishedError("a.csv"), SourceChangedError("a.csv")])
def test_file_that_changes_while_it_is_hashed_is_requested_later(
    zone: Zone, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(stream: object) -> None:
        raise error

    zone.drop("a.csv", "1")
    with monkeypatch.context() as moving:
        moving.setattr(landing_decisions, "hash_stream", fail)
        assert zone.states() == {"a.csv": "seen"}
    assert zone.requested().path == "a.csv"


def test_file_too_large_to_hash_is_requested_without_a_hash(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing_decisions, "HASH_LIMIT_BYTES", 3)
    zone.drop("a.csv", "1234")
    file = zone.requested()
    assert file.content_hash is None
    assert str(file.run_key).endswith(str(file.changed_ns)[:16])


def test_request_that_never_started_a_run_is_repeated(zone: Zone) -> None:
    """The daemon died between the sensor's commit and the run."""
    zone.drop("a.csv", "1")
    first = zone.requested()
    zone.outcomes[str(first.run_key)] = None
    assert zone.requested() == first  # under the same run key, so that Dagster starts one run


def test_request_without_a_run_for_a_deleted_file_blocks_no_other(zone: Zone, landing: pathlib.Path) -> None:
    zone.drop("a.csv", "1")
    zone.outcomes[str(zone.requested().run_key)] = None
    (landing / "a.csv").unlink()
    zone.drop("b.csv", "2")
    assert zone.requested().path == "b.csv"


def test_deleted_file_is_not_reported(zone: Zone, landing: pathlib.Path) -> None:
    zone.drop("a.csv", "1")
    zone.ingest()
    (landing / "a.csv").unlink()
    assert zone.tick() == {}


def test_missing_landing_zone_is_an_error_and_changes_no_record(zone: Zone, landing: pathlib.Path) -> None:
    zone.drop("a.csv", "1")
    zone.ingest()
    before = _rows(zone)
    landing.rename(landing.with_name("elsewhere"))
    with pytest.raises(LandingZoneMissingError):
        zone.tick()
    assert _rows(zone) == before


def _rows(zone: Zone) -> Sequence[LandingFile]:
    return list(zone.catalog.landing.files_of("flights").values())


def test_second_drop_repairs_a_damaged_file(zone: Zone) -> None:
    zone.drop("a.csv", "1")
    zone.ingest()
    assert zone.states() == {"a.csv": "ingested"}
    stored = zone.catalog.materializations.current("flights/raw").file
    assert zone.catalog.files.mark_damaged(stored)
    zone.drop("b.csv", "1")
    assert zone.ingest().path == "b.csv"
    assert zone.catalog.materializations.current("flights/raw").file.state == "stored"
    zone.drop("c.csv", "1")
    assert zone.states()["c.csv"] == "duplicate"


def _name_in_latin_1(landing: pathlib.Path) -> str:
    pathlib.Path(os.fsdecode(os.fsencode(landing) + b"/caf\xe9.csv")).touch()
    return r"caf\xe9.csv"


def _linked_folder(landing: pathlib.Path) -> str:
    (landing / "linked").symlink_to("/etc")
    return "linked"


def _pipe(landing: pathlib.Path) -> str:
    os.mkfifo(landing / "pipe.csv")
    return "pipe.csv"


def _path_over_the_limit(landing: pathlib.Path) -> str:
    folder = landing.joinpath(*["x" * 240] * 5)
    folder.mkdir(parents=True)
    return shortened(str(folder.relative_to(landing)))


@pytest.mark.parametrize("hostile", [_name_in_latin_1, _linked_folder, _pipe, _path_over_the_limit])
def test_entry_that_cannot_be_ingested_fails_with_its_reason_and_stops_no_good_file(
    zone: Zone, landing: pathlib.Path, hostile: Callable[[pathlib.Path], str]
) -> None:
    path = hostile(landing)
    zone.drop("good.csv", "1")
    assert zone.ingest().path == "good.csv"
    files = zone.tick()
    assert set(files) == {path, "good.csv"}
    assert files["good.csv"].state == LandingState.INGESTED
    assert files[path].state == LandingState.QUARANTINED
    assert files[path].reason
    assert zone.catalog.landing.files_of("flights")[path] == files[path]


def test_no_file_is_quarantined_because_the_catalog_does_not_answer(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise CatalogUnavailableError("the catalog", "it restarts")

    zone.drop("a.csv", "1")
    with monkeypatch.context() as patch:
        patch.setattr(zone.catalog.datasets, "version_with", fail)
        with pytest.raises(CatalogUnavailableError):
            zone.tick()
    assert zone.states() == {"a.csv": "requested"}


def test_file_that_could_not_be_read_is_tried_again_at_each_tick(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    zone.drop("a.csv", "1")
    with monkeypatch.context() as closed:
        closed.setattr(LandedFile, "_open", refuse)
        assert zone.states() == {"a.csv": "quarantined"}
    file = zone.ingest()
    assert (file.path, file.reason) == ("a.csv", None)


def test_good_file_whose_path_was_blocked_for_a_while_is_a_duplicate(zone: Zone, landing: pathlib.Path) -> None:
    (landing / "sub").mkdir()
    zone.drop("sub/a.csv", "1")
    zone.ingest()
    zone.tick()
    (landing / "sub" / "a.csv").rename(landing / ".a")
    os.mkfifo(landing / "sub" / "a.csv")
    assert zone.states() == {"sub/a.csv": "quarantined"}
    (landing / ".a").rename(landing / "sub" / "a.csv")
    assert zone.states() == {"sub/a.csv": "duplicate"}


def _in_the_archive(landing: pathlib.Path) -> Sequence[str]:
    return [path.name for path in (landing / ".archive").rglob("*") if path.is_file()]


def test_file_that_takes_too_long_to_read_stays_and_is_not_read_again(
    zone: Zone, backend: IStorageBackend, landing: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone.drop("a.csv", "1")
    zone.ingest()
    zone.tick()
    zone.rule(backend, afterwards="delete")
    monkeypatch.setattr(landing_rules, "CLEAR_S", -1.0)
    assert "move or remove it yourself" in str(zone.tick()["a.csv"].reason)
    monkeypatch.undo()
    zone.tick()
    assert (landing / "a.csv").exists()
    zone.drop("a.csv", "1")
    zone.tick()
    assert not (landing / "a.csv").exists()


def test_file_that_takes_too_long_to_read_is_not_read_again_after_another_was_ingested(
    zone: Zone, backend: IStorageBackend, landing: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone.drop("a.csv", "1")
    zone.ingest()
    zone.tick()
    zone.rule(backend, afterwards="delete")
    with monkeypatch.context() as slowly:
        slowly.setattr(landing_rules, "CLEAR_S", -1.0)
        zone.tick()
    zone.drop("b.csv", "2")
    zone.ingest()
    zone.tick()
    assert "move or remove it yourself" in str(zone.tick()["a.csv"].reason)
    assert [path.name for path in landing.glob("*.csv")] == ["a.csv"]


def test_tick_that_is_late_clears_nothing_away(
    zone: Zone, backend: IStorageBackend, landing: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone.rule(backend, afterwards="delete")
    zone.drop("a.csv", "1")
    zone.ingest()
    with monkeypatch.context() as late:
        late.setattr(landing_watch, "WORK_S", -1.0)
        assert zone.states() == {"a.csv": "ingested"}
        assert (landing / "a.csv").exists()
    zone.tick()
    assert not (landing / "a.csv").exists()


@pytest.mark.parametrize(("afterwards", "archived"), [("keep", []), ("archive", ["a.csv"]), ("delete", [])])
def test_ingested_file_stays_or_is_archived_or_deleted(
    zone: Zone, backend: IStorageBackend, landing: pathlib.Path, afterwards: str, archived: Sequence[str]
) -> None:
    zone.rule(backend, afterwards=afterwards)
    zone.drop("a.csv", "1")
    zone.ingest()
    assert zone.states() == {"a.csv": "ingested"}
    assert (landing / "a.csv").exists() == (afterwards == "keep")
    assert _in_the_archive(landing) == archived
    zone.drop("a.csv", "1")
    assert zone.states() == {"a.csv": "duplicate"}
    assert (landing / "a.csv").exists() == (afterwards == "keep")


def test_file_stays_until_the_store_has_an_intact_copy(
    zone: Zone, backend: IStorageBackend, back_door: BackDoor, landing: pathlib.Path
) -> None:
    zone.rule(backend, afterwards="delete")
    zone.drop("a.csv", "1")
    zone.ingest()
    path = zone.catalog.materializations.current("flights/raw").file.storage_path
    back_door.put(path, b"2")
    assert zone.tick()["a.csv"].reason == "it stays: the store has no intact copy of it"
    back_door.delete(path)
    assert zone.states() == {"a.csv": "ingested"}
    assert (landing / "a.csv").exists()
    back_door.put(path, b"1")
    zone.tick()
    assert not (landing / "a.csv").exists()


def test_file_waits_for_its_marker_and_for_a_new_one_after_a_change(
    zone: Zone, backend: IStorageBackend, landing: pathlib.Path
) -> None:
    zone.rule(backend, marker="{name}.done")
    (landing / "sub").mkdir()
    zone.drop("sub/a.csv", "1")
    zone.drop("b.csv.done", "")
    assert zone.states() == {"sub/a.csv": "seen"}
    assert zone.tick()["sub/a.csv"].reason == "it waits for its marker a.csv.done"
    zone.drop("sub/a.csv.done", "")
    assert zone.ingest().path == "sub/a.csv"
    zone.tick()
    time.sleep(1.01)  # times are compared in seconds
    zone.drop("sub/a.csv", "2")
    assert zone.states() == {"sub/a.csv": "seen"}, "the marker is older than the file"
    zone.drop("sub/a.csv.done", "")
    assert zone.ingest().path == "sub/a.csv"


@pytest.mark.parametrize("afterwards", ["archive", "delete"])
def test_marker_goes_with_its_file_and_a_shared_one_stays(
    zone: Zone, backend: IStorageBackend, landing: pathlib.Path, afterwards: str
) -> None:
    for marker, stays in (("{name}.done", False), ("_SUCCESS", True)):
        zone.rule(backend, marker=marker, afterwards=afterwards)
        zone.drop("a.csv", marker)
        lies = landing / marker.replace("{name}", "a.csv")
        lies.touch()
        zone.ingest()
        zone.tick()
        assert not (landing / "a.csv").exists()
        assert lies.exists() == stays
        assert (lies.name in _in_the_archive(landing)) == (afterwards == "archive" and not stays)


def test_ignored_names_are_never_seen(zone: Zone, backend: IStorageBackend) -> None:
    zone.drop("~x.csv", "1")
    zone.drop(".b.csv", "1")
    assert zone.states() == {"~x.csv": "requested"}
    zone.rule(backend, ignore=["~*"])
    assert set(zone.states()) == {".b.csv"}


@pytest.mark.everywhere
def test_second_daemon_that_looks_at_the_same_time_requests_nothing(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = dataclasses.replace(zone.watch)
    zone.drop("a.csv", "1")
    requested: list[LandingFile] = []

    def the_other_ticks(_: float) -> None:
        monkeypatch.undo()
        requested.extend(other.tick(lambda run_key: None))

    monkeypatch.setattr(time, "sleep", the_other_ticks)
    assert zone.states() == {}
    assert [file.state for file in requested] == [LandingState.REQUESTED]
    assert zone.requested() == requested[0]


def test_tick_works_on_one_file_after_its_time_so_that_a_slow_list_stops_nothing(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone.drop("a.csv", "1")
    zone.ingest()
    zone.drop("b.csv", "1")
    zone.drop("c.csv", "1")
    with monkeypatch.context() as late:
        late.setattr(landing_watch, "WORK_S", -1)
        assert sorted(zone.states().values()) == ["duplicate", "ingested", "seen"]
    assert sorted(zone.states().values()) == ["duplicate", "duplicate", "ingested"]


def test_queries_of_a_tick_do_not_grow_with_the_files_that_wait(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing_decisions, "MOST_IN_RUN", 1)
    zone.watch = dataclasses.replace(zone.watch, is_union=True)
    counts = []
    for more in (range(10), range(10, 100)):
        for number in more:
            zone.drop(f"{number}.csv", str(number))
        zone.ingest()
        counts.append(len(statements_of(zone.tick)))
    assert counts[0] == counts[1] < 20


def test_a_tick_reads_a_bounded_number_of_files(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing_decisions, "MOST_DECIDED", 2)
    zone.drop("0.csv", "1")
    zone.ingest()
    for number in range(1, 6):
        zone.drop(f"{number}.csv", "1")
    found = [list(zone.states().values()).count("duplicate") for _ in range(4)]
    assert found == [2, 4, 5, 5]
