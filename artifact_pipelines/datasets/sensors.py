"""The landing sensor: it requests a run for each new content that lands, of one dataset or of many.

One idea: each tick of a sensor costs Dagster more than a look at the landing zone costs us. So one sensor looks for all
datasets of a project, and several times within its tick, because Dagster starts a tick only every five seconds.
"""

import collections
import dataclasses
import functools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.landing import LandingSource
from artifact_pipelines.core.log_lines import log_done
from artifact_pipelines.core.types import LandingFile, LandingState
from artifact_pipelines.datasets.failed_runs import retry_of
from artifact_pipelines.datasets.interfaces import ILandingZone, Sighting
from artifact_pipelines.datasets.landing.outcomes import LastTries, last_runs
from artifact_pipelines.datasets.landing.rules import DEFAULT_RULES, LandingRules
from artifact_pipelines.datasets.landing.watch import WORK_S, LandingWatch
from artifact_pipelines.datasets.partition_keys import PartitionKeys
from artifact_pipelines.datasets.quarantine_assets import EMPTY_CURSOR, report_quarantine
from artifact_pipelines.datasets.requests import REQUEST_TAG
from artifact_pipelines.datasets.resources import LandingZone
from artifact_pipelines.datasets.retry_sensor import PARTITION_TAG, RetrySensor
from artifact_pipelines.instance.code_server import CodeServer
from artifact_pipelines.instance.terminal_log import CONSOLE
from artifact_pipelines.instance.tick_log import sayer_of_tick

LANDING_SENSOR = "artifact_landing"
_MOST_SHOWN = 50
SHARED_WATCH_S = 4.5
"""A tick watches for this long at most where other sensors wait for its end."""
_PAUSE_S = 0.2
_BUSY_PAUSE_S = 1.0
_SHARE = 20
"""A look, or a stamp, is followed by a pause of so many times its length, so that each costs a twentieth of a core at
most."""


def _as_it_is(zone: ILandingZone) -> ILandingZone:
    return zone


@dataclasses.dataclass(frozen=True)
class WatchedDataset:
    """What the landing sensor knows of a dataset.

    Attributes:
        source: Glob of its files.
        job: The job whose runs ingest a file, and make what depends on it.
        assets: All assets of that job: the raw file first.
        ingesting: Keys of the steps that ingest a file. It is ingested when these have succeeded.
        seen_as: See `build_raw_asset`.
    """

    dataset: str
    source: str
    job: Any
    assets: Sequence[dg.AssetsDefinition]
    ingesting: Sequence[str]
    rules: LandingRules = DEFAULT_RULES
    is_union: bool = False
    keys: PartitionKeys | None = None
    seen_as: Callable[[ILandingZone], ILandingZone] = _as_it_is

    def watch(self, catalog: Catalog, landing_zone: LandingZone, zone: ILandingZone) -> LandingWatch:
        """Return the watch of its files."""
        return LandingWatch(
            catalog,
            self.seen_as(zone),
            self.dataset,
            self.source,
            self.assets[0].key.to_user_string(),
            landing_zone.settle_s,
            self.rules,
            landing_zone.read_stored,
            self.is_union,
            self.keys,
        )


class LandingSensor(dg.SensorDefinition):
    """Ingests files of datasets: of each dataset one at a time, or one of each partition."""

    def __init__(
        self,
        watched: Sequence[WatchedDataset],
        name: str = LANDING_SENSOR,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.watched = watched
        super().__init__(
            name,
            evaluation_fn=self._look,
            description="Ingests complete files of the landing zone if their content is new, for "
            + ", ".join(f"{each.dataset} ({each.source})" for each in watched[:_MOST_SHOWN]),
            jobs=[each.job for each in watched],
            minimum_interval_seconds=1,
            default_status=dg.DefaultSensorStatus.RUNNING,
            required_resource_keys={"landing_zone"},
            metadata=metadata,
        )

    def with_attributes(self, *, jobs: Any = None, metadata: Any = None) -> dg.SensorDefinition:
        """Return a copy that is a landing sensor still: Dagster calls this when it loads a YAML file."""
        jobs = jobs or [each.job for each in self.watched]
        watched = [dataclasses.replace(each, job=job) for each, job in zip(self.watched, jobs, strict=True)]
        return LandingSensor(watched, self.name, metadata)

    def _look(self, context: dg.SensorEvaluationContext) -> dg.SensorResult:
        landing_zone: LandingZone = context.resources.landing_zone
        begun = time.monotonic()
        is_alone = context.instance.get_sensor_settings().get("use_threads")  # else others wait for its end
        until = begun + (landing_zone.watch_s if is_alone else min(landing_zone.watch_s, SHARED_WATCH_S))
        with Catalog(landing_zone.store.catalog_url) as catalog:
            sources = {each.dataset: LandingSource(each.source, tuple(each.rules.ignored)) for each in self.watched}
            # What an earlier tick of this sensor watched is gone. Another code location that has it now notes it again.
            catalog.landing.note_sources(sources, _cursors(context.cursor).keys() - sources.keys())
            looks = _Looks(self.watched, context.instance, catalog, landing_zone)
            while True:
                stamp, start = looks.zone.stamp(), time.monotonic()
                looks.once(deadline=begun + WORK_S)
                result = looks.result(context.cursor)
                pause_s = (time.monotonic() - start) * _SHARE
                if result.run_requests or result.asset_events or not looks.wait(stamp, pause_s, until):
                    looks.log(sayer_of_tick(context), begun)
                    return result


class _Looks:
    """The looks of one tick."""

    def __init__(
        self,
        watched: Sequence[WatchedDataset],
        instance: dg.DagsterInstance,
        catalog: Catalog,
        landing_zone: LandingZone,
    ) -> None:
        self._watched = {each.dataset: each for each in watched}
        self._instance, self._catalog = instance, catalog
        self._settle_s = landing_zone.settle_s
        self.zone = landing_zone.open()
        self._watches = {each.dataset: each.watch(catalog, landing_zone, self.zone) for each in watched}
        self._files: dict[str, Sequence[LandingFile]] = {}
        self._tries = LastTries(instance, ())
        self._requested: Sequence[dg.RunRequest] = ()
        self._news: Set[str] = set()
        self._server = CodeServer()

    def once(self, deadline: float) -> None:
        """Look at the landing zone once: a new file has to rest, for all datasets at the same time.

        Args:
            deadline: When to begin no further work.
        """
        known = self._catalog.landing.files_of_all(list(self._watches))
        seen = {dataset: watch.look() for dataset, watch in self._watches.items()}
        if any(watch.has_fresh(seen[dataset], known[dataset]) for dataset, watch in self._watches.items()):
            time.sleep(self._settle_s)
        files = [file for of_dataset in known.values() for file in of_dataset.values()]
        self._tries = LastTries(self._instance, [str(f.run_key) for f in files if f.state == LandingState.REQUESTED])
        for dataset, watch in self._watches.items():
            if watch.is_quiet(seen[dataset], known[dataset]) or time.monotonic() > deadline:
                self._files[dataset] = _there(seen[dataset], known[dataset])
            else:
                outcome_of = functools.partial(self._tries.outcome_of, steps=self._watched[dataset].ingesting)
                self._files[dataset] = watch.tick(outcome_of, seen[dataset], deadline)

    def wait(self, stamp: object | None, pause_s: float, until: float) -> bool:
        """Wait until it is time for another look, and return True; False: this tick is to end."""
        is_busy = any(file.state == LandingState.REQUESTED for files in self._files.values() for file in files)
        again = time.monotonic() + max(_BUSY_PAUSE_S, pause_s) if is_busy else until
        stamp_pause_s = _PAUSE_S
        while stamp is not None and time.monotonic() < until and not self._server.is_ending():
            time.sleep(min(stamp_pause_s, max(_PAUSE_S, until - time.monotonic())))
            start = time.monotonic()
            if start >= again or self.zone.stamp() != stamp:
                return time.monotonic() < until
            stamp_pause_s = max(_PAUSE_S, (time.monotonic() - start) * _SHARE)
        return False

    def result(self, cursor: str | None) -> dg.SensorResult:
        """Return the requests, changes of quarantines, and the reason to request nothing that the last look found."""
        requests: list[dg.RunRequest] = []
        new: list[dg.AddDynamicPartitionsRequest] = []
        for dataset, files in self._files.items():
            of_dataset = [*self._requests(self._watched[dataset], files)]
            requests += of_dataset
            definition = self._watched[dataset].assets[0].partitions_def
            new += _new_partitions(self._instance, definition, [r.partition_key for r in of_dataset])
        events: list[dg.AssetMaterialization | dg.AssetCheckEvaluation] = []
        news: set[str] = set()
        cursors = {dataset: each for dataset, each in _cursors(cursor).items() if dataset in self._files}
        for dataset, files in self._files.items():
            has_bad = _count_bad(files) > 0
            if has_bad or cursors.get(dataset) != EMPTY_CURSOR:
                found, cursors[dataset] = report_quarantine(
                    self._catalog, self._instance, dataset, cursors.get(dataset)
                )
                events += found
                news |= {dataset} if found else set()
        self._requested, self._news = requests, news
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else self._explain(news),
            asset_events=events,
            cursor=json.dumps(cursors),
            dynamic_partitions_requests=new,
        )

    def log(self, say: Callable[[str], object], started_s: float) -> None:
        """Log the runs that the last look requested, and the quarantines that it found changed."""
        for request in self._requested:
            [config] = request.run_config["ops"].values()
            file, more = config["config"]["path"], config["config"].get("more", ())
            which = {"dataset": request.tags["artifact/dataset"], "partition": request.partition_key}
            log_done(say, "requested", started_s, **which, file=file, files=1 + len(more))
        for dataset in sorted(self._news):
            if count := _count_bad(self._files[dataset]):
                log_done(say, "quarantined", started_s, dataset=dataset, files=count)

    def _requests(self, watched: WatchedDataset, files: Sequence[LandingFile]) -> Iterator[dg.RunRequest]:
        """Yield the request for each run that some files need: they have none, or the next try of it is due."""
        requested = [file for file in files if file.state == LandingState.REQUESTED]
        batches: dict[str, list[LandingFile]] = {}
        for file in sorted(requested, key=lambda file: (file.changed_ns, file.path)):
            batches.setdefault(str(file.run_key), []).append(file)
        for run_key, (file, *more) in batches.items():
            last = self._tries.of(run_key)
            retry = retry_of(self._instance, last) if last else None
            if last is not None and not (retry and retry.is_due):
                continue
            partition = self._watches[watched.dataset].ingested.partition_of(file.path)
            # Dagster would set this tag after it has read all keys, once for each request.
            of = {} if partition is None else {PARTITION_TAG: partition}
            config = {"path": file.path, **({"more": [each.path for each in more]} if more else {})}
            yield dg.RunRequest(
                # The same run key again starts no second run.
                run_key=f"{run_key} retry {retry.number}" if retry else run_key,
                job_name=watched.job.name,
                # All of the job, but said: an automation condition asks a run which assets it is to make.
                asset_selection=[key for asset in watched.assets for key in asset.keys],
                partition_key=partition,
                run_config={"ops": {watched.assets[0].node_def.name: {"config": config}}, "loggers": {CONSOLE: {}}},
                tags={"artifact/dataset": file.dataset, REQUEST_TAG: run_key, **(retry.tags if retry else {}), **of},
            )

    def _explain(self, news: Set[str]) -> str:
        """Return the states of the files, those first that wait or failed: a landing zone may hold thousands.

        Args:
            news: Datasets whose quarantine has changed. Of others it shows no reasons: the log has had them.
        """
        told = {dataset: files for dataset, files in self._files.items() if files}
        if not told:
            sources = ", ".join(repr(each.source) for each in [*self._watched.values()][:_MOST_SHOWN])
            zone = next(iter(self._watches.values())).zone if len(self._watches) == 1 else self.zone
            return f"No file in {zone} matches {sources}."
        failed = [f for files in told.values() for f in files if f.state == LandingState.QUARANTINED and f.run_key]
        runs = last_runs(self._instance, [str(file.run_key) for file in failed[:_MOST_SHOWN]])
        links = {run_key: f"/runs/{run_id}" for run_key, run_id in runs.items()}
        most = _MOST_SHOWN // len(told) or 1
        texts = {dataset: _states(files, links, most, dataset in news) for dataset, files in told.items()}
        if len(self._watches) == 1:
            return "".join(texts.values())
        return "\n".join(f"{dataset}: {text}" for dataset, text in texts.items())


def _cursors(cursor: str | None) -> dict[str, str]:
    """Return what the last tick showed of the quarantine of each dataset that it watched."""
    return dict(json.loads(cursor)) if cursor else {}


def _count_bad(files: Sequence[LandingFile]) -> int:
    return sum(file.state == LandingState.QUARANTINED for file in files)


def _there(seen: Sequence[Sighting], known: Mapping[str, LandingFile]) -> Sequence[LandingFile]:
    return [known[sighting.path] for sighting in seen if sighting.path in known]


def _states(files: Sequence[LandingFile], links: Mapping[str, str], most: int, is_news: bool) -> str:
    shown = sorted(files, key=lambda file: file.state in (LandingState.INGESTED, LandingState.DUPLICATE))[:most]
    shown.sort(key=lambda file: file.path)
    more = collections.Counter(file.state for file in files) - collections.Counter(file.state for file in shown)
    texts = []
    for file in shown:
        reason = " ".join((file.reason or "").split())
        if file.state == LandingState.QUARANTINED and not is_news:
            reason = f"asset {file.dataset}/quarantine says why"
        why = f" ({reason})" if reason else ""
        link = links.get(file.run_key or "") if file.state == LandingState.QUARANTINED else None
        texts.append(f"{file.path}: {file.state}{why}" + (f", see {link}" if link else ""))
    return "; ".join(texts + [f"{count:,} more {state}" for state, count in sorted(more.items())])


def _new_partitions(
    instance: dg.DagsterInstance, definition: dg.PartitionsDefinition[Any] | None, keys: Sequence[str | None]
) -> Sequence[dg.AddDynamicPartitionsRequest]:
    """Return the request to add keys that a dynamic definition does not have yet, if there are any."""
    if not isinstance(definition, dg.DynamicPartitionsDefinition):
        return []
    new = [key for key in keys if key and not instance.has_dynamic_partition(str(definition.name), key)]
    return [definition.build_add_request(new)] if new else []


def with_shared_sensors(sensors: Sequence[Any]) -> list[Any]:
    """Return sensors with one landing sensor and one retry sensor in the place of those of each dataset."""
    landing = [each for sensor in sensors if isinstance(sensor, LandingSensor) for each in sensor.watched]
    retries = [each for sensor in sensors if isinstance(sensor, RetrySensor) for each in sensor.repeated]
    others = [sensor for sensor in sensors if not isinstance(sensor, LandingSensor | RetrySensor)]
    return [*([LandingSensor(landing)] if landing else []), *([RetrySensor(retries)] if retries else []), *others]
