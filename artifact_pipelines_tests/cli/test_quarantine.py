"""The commands of the quarantine."""

import dataclasses
import pathlib
import shlex

import pytest

from artifact_pipelines import Store
from artifact_pipelines.catalog.materializations import MaterializationCatalog
from artifact_pipelines.core.types import LandingFile, LandingState
from artifact_pipelines_tests.catalog.test_materialization_catalog import record
from artifact_pipelines_tests.cli.commands import run, run_json

BAD = LandingFile("flights", "bad.csv", 9, 10**18, LandingState.QUARANTINED, 2, "a" * 64, "k", "E: line 7, column 'x'")


@pytest.fixture
def waiting(store: Store) -> Store:
    unread = dataclasses.replace(BAD, path="pipe.csv", run_key=None, content_hash=None, reason="it is a named pipe")
    good = dataclasses.replace(BAD, path="ok", state=LandingState.INGESTED)
    store.catalog.landing.save("flights", [BAD, unread, good])
    return store


@pytest.mark.usefixtures("waiting")
def test_files_are_listed_with_their_reasons() -> None:
    rows = run_json("quarantine", "ls")
    assert [(row["file"], row["attempts"], row["reason"]) for row in rows] == [
        ("bad.csv", 2, "E: line 7, column 'x'"),
        ("pipe.csv", 2, "it is a named pipe"),
    ]
    assert "line 7" in run("quarantine", "ls", "flights")
    assert run("quarantine", "ls", "other") == "No file waits in quarantine.\n"
    assert "quarantine replay flights bad.csv" in run("quarantine", "show", "flights", "bad.csv")


def test_shown_command_can_be_pasted_whatever_the_name_of_the_file(waiting: Store) -> None:
    path = "a';echo ran;'.csv"
    waiting.catalog.landing.save("flights", [dataclasses.replace(BAD, path=path)])
    command = run("quarantine", "show", "flights", path).rpartition("then: ")[2]
    assert shlex.split(command) == ["artifact-pipelines", "quarantine", "replay", "flights", path]


def test_replayed_file_is_seen_again_with_its_attempts_counted(waiting: Store, landing: pathlib.Path) -> None:
    (landing / "bad.csv").write_text("1")
    assert "1 file of flights will be ingested again" in run("quarantine", "replay", "flights", "bad.csv")
    file = waiting.catalog.landing.files_of("flights")["bad.csv"]
    assert (file.state, file.attempt, file.run_key) == (LandingState.SEEN, 2, None)


def test_stored_copy_of_a_file_is_found_by_its_content(waiting: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for letter in "ab":
        record(waiting.catalog, letter, asset="flights/raw", dataset="flights", partition=letter)
    history = waiting.catalog.materializations.history
    monkeypatch.setattr(MaterializationCatalog, "history", lambda *_, **__: history("flights/raw", limit=1))
    assert run_json("quarantine", "show", "flights", "bad.csv")["version"] == 1


@pytest.mark.usefixtures("waiting")
def test_discarded_files_wait_no_longer() -> None:
    assert "2 files of flights discarded" in run("quarantine", "discard", "flights", "--all")
    assert run_json("quarantine", "ls") == []


@pytest.mark.usefixtures("waiting", "landing")
def test_wrong_name_is_not_found_and_a_file_that_is_gone_cannot_be_replayed() -> None:
    assert "it has: 'bad.csv', 'pipe.csv'" in run("quarantine", "show", "flights", "ok", code=3)
    assert "the store has no copy of it" in run("quarantine", "replay", "flights", "bad.csv", code=5)
    assert "either FILES or --all" in run("quarantine", "discard", "flights", code=2)
    assert len(run_json("quarantine", "ls")) == 2
