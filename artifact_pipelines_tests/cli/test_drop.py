"""The command drop: files arrive whole, and are followed to their versions."""

import dataclasses
import io
import pathlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pytest

from artifact_pipelines import Store
from artifact_pipelines.catalog.landing import LandingSource
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import Content, LandingFile, LandingState, LoadedInput, MaterializationFacts
from artifact_pipelines.datasets.exceptions import DropIsWaitingError
from artifact_pipelines.datasets.landing import dropping
from artifact_pipelines.datasets.landing.dropping import drop, outcome_of
from artifact_pipelines.datasets.landing.entry_names import SourceGlob
from artifact_pipelines.datasets.landing.folder import LandingFolder
from artifact_pipelines.datasets.landing.zone import record_seen
from artifact_pipelines.storage.exceptions import SourceChangedError
from artifact_pipelines_tests.catalog.test_materialization_catalog import PARQUET, record
from artifact_pipelines_tests.cli.commands import run
from artifact_pipelines_tests.contracts.landing_zone import Slow
from artifact_pipelines_tests.project import CSV, Project


@pytest.fixture
def flights(tmp_path: pathlib.Path, landing: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "flights.csv"
    path.write_text(CSV)
    return path


@contextmanager
def ticking(settings: Settings, **changes: Any) -> Iterator[None]:
    """Let a daemon tick meanwhile."""
    stop = threading.Event()

    def tick() -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            project = Project(settings, instance, samples={}, analyses={}, **changes)
            while not stop.is_set():
                project.settle()
                time.sleep(0.1)

    daemon = threading.Thread(target=tick)
    daemon.start()
    try:
        yield
    finally:
        stop.set()
        daemon.join()


@pytest.mark.usefixtures("store")
def test_dropped_file_lies_in_the_landing_zone(flights: pathlib.Path, landing: pathlib.Path) -> None:
    assert run("drop", flights, "--dataset", "flights", "--as", "sub/f.csv") == "sub/f.csv: dropped\n"
    assert (landing / "sub" / "f.csv").read_text() == CSV


@pytest.mark.usefixtures("store", "landing")
@pytest.mark.parametrize("path", [r"a\x00b.csv", "../a.csv"])
def test_path_of_no_file_is_refused(flights: pathlib.Path, path: str) -> None:
    text = run("drop", flights, "--dataset", "flights", "--as", path, code=5)
    assert "it is not the path of a file below the landing zone" in text


@pytest.mark.usefixtures("store")
def test_file_that_is_not_ingested_yet_is_not_replaced(flights: pathlib.Path, landing: pathlib.Path) -> None:
    run("drop", flights, "--dataset", "flights")
    flights.write_text("other")
    assert "is not ingested yet" in run("drop", flights, "--dataset", "flights", code=5)
    assert (landing / "flights.csv").read_text() == CSV


def test_of_two_drops_at_once_one_is_refused_and_nothing_is_lost(store: Store, landing: pathlib.Path) -> None:
    zone = LandingFolder(landing)
    with pytest.raises(DropIsWaitingError, match="is not ingested yet"):
        drop(zone, store.catalog, "flights", "a.csv", Slow(b"1", lambda: zone.put(io.BytesIO(b"2"), "a.csv")), "--as")
    assert (landing / "a.csv").read_bytes() == b"2"


def test_dropped_file_that_has_changed_is_named_although_the_one_before_is_gone(
    store: Store, landing: pathlib.Path
) -> None:
    zone = LandingFolder(landing)
    zone.put(io.BytesIO(b"1"), "a.csv")
    [there] = zone.list_entries(SourceGlob("*.csv"))
    record = dataclasses.replace(record_seen("flights", there, None), state=LandingState.INGESTED)
    assert store.catalog.landing.save("flights", [record], {})

    def meanwhile() -> None:
        (landing / "a.csv").unlink()
        raise SourceChangedError("mine.csv")

    with pytest.raises(SourceChangedError, match=r"mine\.csv"):
        drop(zone, store.catalog, "flights", "a.csv", Slow(b"2", meanwhile), "--as")


@pytest.mark.usefixtures("store")
def test_file_that_no_sensor_notices_is_an_error(flights: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropping, "LOOK_S", 0.01)
    text = run("drop", flights, "--dataset", "flights", "--wait", "--notice", "0", code=5)
    assert "Check that Dagster runs, that the sensor artifact_landing is on" in text


def test_first_drop_of_a_wrong_name_says_at_once_which_dataset_would_take_it(
    store: Store, flights: pathlib.Path, landing: pathlib.Path
) -> None:
    store.catalog.landing.note_sources(
        {"flights": LandingSource("flights*.csv"), "weather": LandingSource("w/**/*.csv")}
    )
    text = run("drop", flights, "--dataset", "weather", code=2)
    assert "a path that 'w/**/*.csv' matches, the source of weather at the last look of its sensor (`--as`)" in text
    assert "'flights' would take it" in text
    text = run("drop", flights, "--dataset", "flight", code=3)
    assert "'flights.csv': there is no dataset 'flight', or its sensor has not looked yet." in text
    assert "'flights', 'weather'; 'flights' would take it. Correct the name" in text
    text = run("drop", flights, "--dataset", "weather", "--as", "trains.csv", code=2)
    assert "no dataset would take it" in text
    assert list(landing.iterdir()) == []
    assert "dropped" in run("drop", flights, "--dataset", "weather", "--as", "w/a/flights.csv")


def test_ignored_name_is_refused_with_the_glob_that_ignores_it(
    store: Store, flights: pathlib.Path, landing: pathlib.Path
) -> None:
    store.catalog.landing.note_sources({"flights": LandingSource("**/*", (".archive", ".*", "old*"))})
    for path, pattern, name in (("old/flights.csv", "old*", "old"), ("a/.flights.csv", ".*", ".flights.csv")):
        text = run("drop", flights, "--dataset", "flights", "--as", path, code=2)
        assert f"does not ignore (`--as`): '{pattern}' of its `landing.ignore` matches '{name}'" in text
    text = run("drop", flights, "--dataset", "flights", "--as", ".archive/flights.csv", code=2)
    assert "does not ignore (`--as`): '.archive' belongs to the landing zone" in text
    assert list(landing.iterdir()) == []
    assert "dropped" in run("drop", flights, "--dataset", "flights", "--as", "a/flights.csv")


@pytest.mark.usefixtures("store")
def test_dropped_files_are_followed_to_their_versions_or_the_reason(flights: pathlib.Path, settings: Settings) -> None:
    with ticking(settings):
        text = run("drop", flights, "--dataset", "flights", "--wait")  # Dagster logs into it too
        assert "flights.csv: ingested: flights/raw version 1, flights/table version 1" in text
        text = run("drop", flights, "--dataset", "flights", "--wait")
        assert "flights.csv: duplicate: same content as version 1" in text
        text = run("drop", flights, "--dataset", "flights", "--as", "trains.csv", code=2)
        assert "a path that 'flights*.csv' matches, the source of flights" in text
        flights.write_text(CSV.replace("5", "late"))
        text = run("drop", flights, "--dataset", "flights", "--wait", code=5)
    assert "flights.csv waits in the quarantine of flights: RefusedValueError: line 2, column" in text


def test_content_that_is_dropped_again_has_its_versions_however_many_came_later(store: Store) -> None:
    facts: Any = {"dataset": "flights", "metadata": {"source": {"file": "flights.csv"}}}
    raw = record(store.catalog, "a", "flights/raw", **facts)
    record(store.catalog, "a", "flights/table", inputs=(LoadedInput.of(raw),))
    later = [(Content(f"{number:064x}", 100), PARQUET) for number in range(1000)]
    leases = store.catalog.files.acquire_all(later, "blake3")
    store.catalog.materializations.record_all(
        [(MaterializationFacts("flights/raw", lease.file.content_hash), [lease]) for lease in leases]
    )
    file = LandingFile("flights", "flights.csv", 100, 1, LandingState.DUPLICATE, content_hash="a" * 64)
    assert outcome_of(store.catalog, "flights", file).versions == {"flights/raw": 1, "flights/table": 1}


@pytest.mark.usefixtures("store")
def test_dropped_file_with_bad_rows_says_how_many(flights: pathlib.Path, settings: Settings) -> None:
    flights.write_text(CSV.replace("5", "late"))
    with ticking(settings, on_bad_rows="quarantine"):
        text = run("drop", flights, "--dataset", "flights", "--wait")
    assert "flights/raw version 1, flights/table version 1; bad rows left out: 1" in text
