"""A small project for tests: one dataset, its landing zone, and the runs that its sensor and conditions request."""

import io
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from artifact_pipelines.core.settings import Settings
from artifact_pipelines.dataset_pipeline import DatasetPipeline
from artifact_pipelines.datasets.resources import LandingZone
from artifact_pipelines.datasets.sensors import LANDING_SENSOR
from artifact_pipelines.definitions import build_definitions, resources
from artifact_pipelines.demo import Daemon, drop

FLIGHTS: Mapping[str, Any] = {
    "name": "flights",
    "description": "Flights of a test.",
    "source": "flights*.csv",
    "files": "latest",
    "owners": ["team:tests"],
    "columns": {"delay": "BIGINT"},
    "key": ["carrier", "number"],
    "samples": {"few": {"n": 2, "seed": 1}},
    "report": False,
    "analyses": {
        "profile": {"kind": "profile"},
        "delays": {"kind": "sql", "query": "SELECT carrier, sum(delay)::BIGINT AS delay FROM flights GROUP BY carrier"},
    },
}
CSV = "carrier,number,delay\nUA,1,5\nAA,2,7\nUA,3,1\n"
ALL = ["analyses/delays", "analyses/profile", "raw", "samples/few", "table"]
NO_LOGS: Mapping[str, Any] = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}
"""For an instance on disk, which would start four processes for each step to capture its output."""


def without_waiting(settings: Settings) -> dict[str, Any]:
    """Return the project's resources with a landing zone where a file counts as complete at once."""
    of_store = resources(settings)
    store = of_store["artifact_store"]
    zone = LandingZone(landing_url=settings.landing_url, store=store, settle_s=0, watch_s=0)
    return {**of_store, "landing_zone": zone}


class Project:
    """A user's definitions, instance and landing zone, and a daemon that ticks on demand."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, **changes: Any) -> None:
        self.instance = instance
        self._settings = settings
        self._landing = pathlib.Path(settings.landing_url)
        self._daemon: Daemon | None = None
        self.declare(**changes)

    def declare(self, **changes: Any) -> None:
        """Change the dataset's declaration, as an edit of its YAML file does."""
        dataset = DatasetPipeline.model_validate({**FLIGHTS, **changes})
        self.definitions = build_definitions(dataset.definitions(), self._settings)
        cursor = self._daemon.cursor if self._daemon else None
        self._daemon = Daemon(self.definitions, without_waiting(self._settings), self.instance, cursor)

    def drop(self, text: str, name: str = "flights.csv") -> None:
        drop(self._landing, name, io.BytesIO(text.encode()))

    def drop_into(self, text: str, path: str) -> None:
        """Drop a file into a folder of the landing zone."""
        folder, _, name = path.rpartition("/")
        drop(self._landing / folder, name, io.BytesIO(text.encode()))

    def tick(self) -> Sequence[dg.DagsterRun]:
        """Let the sensors tick once, and return the runs that they request, which have ended."""
        assert self._daemon
        return self._daemon.tick_sensors()[0]

    def materialize(self, *names: str, partition: str | None = None) -> dg.ExecuteInProcessResult:
        """Materialize assets of the dataset as a person does in the UI."""
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey(["flights", *name.split("/")]) for name in names],
            instance=self.instance,
            partition_key=partition,
            raise_on_error=False,
        )

    def ingest(self, path: str) -> None:
        """Ingest one file in a run of its own, as a person does in the UI."""
        run_config = {"ops": {"flights__raw": {"config": {"path": path}}}}
        result = self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey(["flights", name]) for name in ("raw", "table")],
            instance=self.instance,
            run_config=run_config,
            raise_on_error=False,
        )
        assert result.success

    def settle(self) -> tuple[list[str], Mapping[str, str]]:
        """Run everything that follows; return the materialized assets, and the last reasons to ingest nothing."""
        assert self._daemon
        runs, reasons = self._daemon.settle()
        landing = {sensor: reason for sensor, reason in reasons.items() if sensor == LANDING_SENSOR}
        return [name for run in runs for name in self.materialized_by(run)], landing

    def materialized_by(self, run: dg.DagsterRun) -> Sequence[str]:
        records = self.instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        events = [record.event_log_entry.get_dagster_event() for record in records.records]
        return [event.asset_key.to_user_string().removeprefix("flights/") for event in events if event.asset_key]
