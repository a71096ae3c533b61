"""The output of `make demo`, from end to end, on the real data."""

import io
import itertools
import json
import pathlib
import re

import dagster as dg
import pytest
from rich.console import Console

from artifact_pipelines import demo
from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.core.exceptions import ConfigurationError
from artifact_pipelines.core.settings import CATALOG_URL, Settings
from artifact_pipelines.definitions import defs
from artifact_pipelines_tests.project import NO_LOGS, without_waiting


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=100)


@pytest.fixture
def _dagster_home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text(json.dumps(NO_LOGS))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))


def _shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _rows(scene: str) -> dict[str, list[str]]:
    lines = [line.split() for line in scene.splitlines() if re.match(r"(flights|weather)/", line)]
    return {line[0]: line[1:] for line in lines}


@pytest.fixture
def flights(monkeypatch: pytest.MonkeyPatch, is_stress: bool) -> int:
    """Number of flights in the demo. The short form has those of January: with all, it takes ten times as long."""
    if is_stress:
        return 336_776
    with demo.open_flights() as content:
        january = b"".join(itertools.islice(content, 20_001))
    monkeypatch.setattr(demo, "open_flights", lambda: io.BytesIO(january))
    return 20_000


@pytest.mark.usefixtures("_dagster_home")
def test_demo_shows_a_first_drop_the_same_again_and_a_change(
    console: Console, settings: Settings, flights: int
) -> None:
    demo.run_demo(console, settings, without_waiting(settings))
    _, first, second, third = re.split(r"\n(?=\d\. )", _shown(console))
    made = _rows(first)
    assert set(made) == {
        *(f"flights/{name}" for name in ("raw", "table", "samples/thousand", "analyses/profile", "analyses/delays")),
        "flights/report",
        "weather/report",
        *(f"weather/{name}" for name in ("raw", "table", "samples/thousand", "analyses/profile", "analyses/by_month")),
    }
    assert f"{flights:,}" in made["flights/table"]
    assert "26,115" in made["weather/table"]
    assert all("new" in row for row in made.values())

    assert _rows(second) == {}
    assert "duplicate (same content as version 1, the current one)" in second

    again = _rows(third)
    assert set(again) == {key for key in made if key.startswith("flights/")}
    assert "new" in again["flights/table"]
    assert "duplicate" in again["flights/samples/thousand"], "none of the corrected rows is in the sample"
    assert "make dev" in third


@pytest.mark.usefixtures("_dagster_home")
def test_failed_run_is_reported_and_ends_the_demo(console: Console, settings: Settings) -> None:
    with dg.DagsterInstance.get() as instance:
        daemon = demo.Daemon(defs(), without_waiting(settings), instance)
        torn = io.BytesIO(b"origin,temp,time_hour\nJFK,1\n")
        with pytest.raises(SystemExit, match="These runs failed"):
            demo.play(console, daemon, pathlib.Path(settings.landing_url), "torn", {"weather.csv": torn})


def test_only_missing_data_are_dropped(
    console: Console, landing: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (landing / "flights.csv").write_text("mine")
    monkeypatch.setattr(demo, "Console", lambda: console)
    demo.main(["--drop-only"])
    assert (landing / "flights.csv").read_text() == "mine"
    assert (landing / "weather.csv").stat().st_size > 2_000_000
    assert _shown(console).count("Dropping") == 1


def test_broken_catalog_is_reported_once(
    console: Console, monkeypatch: pytest.MonkeyPatch, postgresql_url: str
) -> None:
    engine = make_engine(postgresql_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    engine.dispose()
    monkeypatch.setattr(demo, "Console", lambda: console)
    monkeypatch.setenv(CATALOG_URL, postgresql_url)
    with pytest.raises(SystemExit):
        demo.main([])
    assert "artifact-pipelines db upgrade" in _shown(console)


def test_correction_sets_long_delays_to_missing() -> None:
    csv = b"year,dep_delay,x\n2013,1000,a\n2013,1001,b\n2013,NA,c\n2013,-5,d\n"
    assert demo.correct_delays(io.BytesIO(csv)) == csv.replace(b"1001", b"NA")


def test_missing_data_package_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.files", lambda name: [])
    with pytest.raises(ConfigurationError, match=r"weather\.csv is not installed"), demo.open_weather():
        pass
