import dataclasses
import os
import pathlib

import pytest

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import LandingFile, LandingState
from artifact_pipelines.datasets.exceptions import EmptySourceError, NothingLandedError
from artifact_pipelines.datasets.interfaces import Sighting
from artifact_pipelines.datasets.landing.entry_names import SourceGlob, check_source
from artifact_pipelines.datasets.landing.folder import LandingFolder
from artifact_pipelines.datasets.landing.zone import (
    KnownContent,
    decide,
    find_landed,
    is_unchanged,
    open_landed,
    record_seen,
)
from artifact_pipelines.storage.exceptions import SourceUnreadableError, SourceVanishedError
from artifact_pipelines.storage.file_types import describe_by_name

SEEN = LandingFile("flights", "flights.csv", 10, 1, LandingState.SEEN)
OLD, NOW, NEW = "a" * 64, "b" * 64, "c" * 64
KNOWN = KnownContent(current=NOW, version_of={OLD: 1, NOW: 2}, failed_as={})


@pytest.mark.parametrize("source", ["*.csv", "sub/*.csv", "**/*.parquet", "flights.csv"])
def test_glob_below_the_landing_zone_is_a_source(source: str) -> None:
    check_source(source)


@pytest.mark.parametrize("source", ["", "/etc/*", "../*.csv", "a/../../b"])
def test_source_outside_the_landing_zone_is_refused(source: str) -> None:
    with pytest.raises(InvalidArgumentError, match="below the landing zone"):
        check_source(source)


def test_same_size_and_time_mean_unchanged() -> None:
    assert is_unchanged(Sighting("flights.csv", 10, 1), SEEN)
    assert not is_unchanged(Sighting("flights.csv", 11, 1), SEEN)
    assert not is_unchanged(Sighting("flights.csv", 10, 2), SEEN)
    assert not is_unchanged(Sighting("flights.csv", 10, 1), None)


def test_record_of_a_changed_file_keeps_its_last_content_hash() -> None:
    known = dataclasses.replace(SEEN, state=LandingState.INGESTED, attempt=3, content_hash=NOW, run_key="k")
    again = record_seen("flights", Sighting("flights.csv", 20, 5), known)
    assert (again.state, again.attempt, again.content_hash, again.run_key) == (LandingState.SEEN, 3, NOW, None)


@pytest.mark.parametrize("state", [LandingState.QUARANTINED, LandingState.DISCARDED])
def test_failed_file_that_is_dropped_again_is_requested_again(state: LandingState) -> None:
    failed = dataclasses.replace(SEEN, state=state, attempt=1, content_hash=NOW, run_key="k")
    again = record_seen("flights", Sighting("flights.csv", 10, 5), failed)
    assert decide(again, NOW, KNOWN, {"flights.csv"}).state == LandingState.REQUESTED


@pytest.mark.parametrize(
    ("file", "content_hash", "paths", "state", "reason"),
    [
        (SEEN, NEW, set(), LandingState.REQUESTED, None),
        (SEEN, None, set(), LandingState.REQUESTED, None),
        (SEEN, NOW, set(), LandingState.DUPLICATE, "the current one"),
        (dataclasses.replace(SEEN, content_hash=NOW), NOW, {"flights.csv"}, LandingState.DUPLICATE, "current one"),
        (SEEN, OLD, set(), LandingState.DUPLICATE, "a copy of version 1"),
        (dataclasses.replace(SEEN, content_hash=OLD), OLD, {"flights.csv"}, LandingState.DUPLICATE, "touched only"),
        (dataclasses.replace(SEEN, content_hash=NOW), OLD, {"flights.csv"}, LandingState.REQUESTED, None),
    ],
    ids=["new", "too large to say", "current", "current again", "copy of old", "touched", "back to old"],
)
def test_complete_file_is_requested_or_a_duplicate(
    file: LandingFile, content_hash: str | None, paths: set[str], state: LandingState, reason: str | None
) -> None:
    decided = decide(file, content_hash, KNOWN, paths)
    assert decided.state == state
    assert (reason or "") in (decided.reason or "")
    assert (decided.reason is None) == (reason is None)


@pytest.mark.parametrize(
    ("path", "state"),
    [
        ("flights.csv", LandingState.REQUESTED),
        ("flights.CSV", LandingState.REQUESTED),
        ("flights.dat.gz", LandingState.REQUESTED),
        ("copy.dat", LandingState.DUPLICATE),
        ("copy.DAT", LandingState.DUPLICATE),
    ],
)
def test_content_that_failed_as_one_type_is_requested_as_another(path: str, state: LandingState) -> None:
    known = dataclasses.replace(KNOWN, failed_as={NOW: [describe_by_name("flights.dat")]})
    assert decide(dataclasses.replace(SEEN, path=path), NOW, known, set()).state == state


def test_each_attempt_has_its_own_run_key() -> None:
    first = decide(SEEN, NEW, KNOWN, set())
    second = decide(dataclasses.replace(first, state=LandingState.SEEN, content_hash=None), NEW, KNOWN, set())
    assert first.run_key == f"flights/flights.csv#1-{NEW[:16]}"
    assert second.run_key == f"flights/flights.csv#2-{NEW[:16]}"


def _open(landing: pathlib.Path, source: str, path: str | None) -> str:
    zone = LandingFolder(landing)
    with open_landed(zone, find_landed(zone, "flights", SourceGlob(source), {}) if path is None else path) as stream:
        return stream.read().decode()


def test_file_that_changed_last_is_ingested_by_default(landing: pathlib.Path) -> None:
    for name in ("b.csv", "a.csv"):
        (landing / name).write_text(name)
    os.utime(landing / "b.csv")
    (landing / "link.csv").symlink_to("a.csv")
    assert _open(landing, "*.csv", None) == "b.csv"
    assert _open(landing, "*.csv", "a.csv") == "a.csv"


def test_empty_landing_zone_is_an_error_with_the_remedy(landing: pathlib.Path) -> None:
    with pytest.raises(NothingLandedError, match=r"flights.*'\*\.csv'.*Drop one there"):
        _open(landing, "*.csv", None)


def test_missing_empty_or_outside_file_is_refused(landing: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (landing / "empty.csv").touch()
    (landing / "folder").mkdir()
    (landing / "link.csv").symlink_to(tmp_path / "secret")
    (landing / "linked").symlink_to(tmp_path)
    (tmp_path / "secret").write_text("x")
    for path, error in (
        ("gone.csv", SourceVanishedError),
        ("folder/gone.csv", SourceVanishedError),
        ("empty.csv", EmptySourceError),
        ("folder", SourceUnreadableError),
        ("../secret", SourceUnreadableError),
        ("link.csv", SourceUnreadableError),
        ("linked/secret", SourceUnreadableError),
        ("/etc/passwd", SourceUnreadableError),
        ("folder//../empty.csv", SourceUnreadableError),
        ("", SourceUnreadableError),
        ("a\0b", SourceUnreadableError),
        ("a\ud800b", SourceVanishedError),
    ):
        with pytest.raises(error):
            _open(landing, "*", path)
