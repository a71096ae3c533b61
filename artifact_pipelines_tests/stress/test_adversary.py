"""Hostile droppers: slow, interrupted, truncating, renaming over, a thousand at once. Each whole file counts once."""

import dataclasses
import pathlib
import random
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.core.types import LandingFile, LandingState
from artifact_pipelines.datasets.landing.watch import RunOutcome
from artifact_pipelines.datasets.landing.zone import is_as_requested
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines_tests.datasets.landing.test_watch import Zone

SETTLE_S = 0.5
AT_ONCE = 1_000
END = "\nend"
"""Every whole content ends like this, and none that is still being written does."""


def write_slowly(path: pathlib.Path, content: str, dice: random.Random) -> None:
    """Write in pieces, each sooner than the file counts as complete."""
    with path.open("w") as sink:
        for at in range(0, len(content), len(content) // 5 + 1):
            sink.write(content[at : at + len(content) // 5 + 1])
            sink.flush()
            time.sleep(dice.uniform(0, SETTLE_S * 0.4))


def truncate_and_write(path: pathlib.Path, content: str, dice: random.Random) -> None:
    """Write all, empty the file, and write once more."""
    path.write_text(content.removesuffix(END))
    time.sleep(dice.uniform(0, SETTLE_S * 0.4))
    write_slowly(path, content, dice)


def rename_over(path: pathlib.Path, content: str, dice: random.Random) -> None:
    """Write beside it under a name that does not match, then rename."""
    hidden = path.with_suffix(".part")
    write_slowly(hidden, content, dice)
    hidden.replace(path)


WAYS: Sequence[Callable[[pathlib.Path, str, random.Random], None]] = (write_slowly, truncate_and_write, rename_over)


@pytest.fixture
def zone(catalog: Catalog, producer: ArtifactProducer, landing: pathlib.Path) -> Zone:
    zone = Zone(catalog, producer, landing)
    zone.watch = dataclasses.replace(zone.watch, settle_s=SETTLE_S)
    return zone


def ingest_until_quiet(zone: Zone, is_dropping: Callable[[], bool]) -> list[str]:
    """Tick and run what is requested until all is done; return the ingested contents in their order."""
    ingested: list[str] = []
    while True:
        was_dropping, files = is_dropping(), zone.tick()
        requested = [file for file in files.values() if file.state == LandingState.REQUESTED]
        if requested:
            ingested += run(zone, requested[0])
        elif not was_dropping and not any(file.state == LandingState.SEEN for file in files.values()):
            return ingested


def run(zone: Zone, file: LandingFile) -> Sequence[str]:
    """Do the work of a requested run; return the content that it ingested, if any."""
    run_key = str(file.run_key)
    try:
        with zone.watch.zone.open(file.path) as stream:
            known = zone.catalog.landing.files_of("flights")[file.path]
            if not is_as_requested(zone.watch.zone.look(file.path), known, run_key):
                zone.outcomes[run_key] = RunOutcome(LandingState.INGESTED)
                return []
            zone.store(stream)
    except SourceError as error:
        zone.outcomes[run_key] = RunOutcome(LandingState.QUARANTINED, str(error))
        return []
    zone.outcomes[run_key] = RunOutcome(LandingState.INGESTED)
    return [zone.catalog.materializations.current("flights/raw").file.content_hash]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
def test_only_whole_files_are_ingested_and_each_once(zone: Zone, landing: pathlib.Path, seed: int) -> None:
    final: dict[str, str] = {}

    def drop(name: str) -> None:
        dice = random.Random(f"{seed} {name}")
        for round_ in range(3):
            content = f"{name} {round_}\n" + "x\n" * dice.randrange(1, 2000) + END
            dice.choice(WAYS)(landing / name, content, dice)
            final[name] = content
            time.sleep(dice.uniform(0, 3 * SETTLE_S))

    threads = [threading.Thread(target=drop, args=[f"{number}.csv"]) for number in range(8)]
    for thread in threads:
        thread.start()
    ingested = ingest_until_quiet(zone, lambda: any(thread.is_alive() for thread in threads))
    assert len(ingested) == len(set(ingested)), "nothing is ingested twice"
    texts = [zone.stored(content_hash) for content_hash in ingested]
    assert all(text.endswith(END) for text in texts), "nothing half-written is ingested"
    assert set(final.values()) <= set(texts), "nothing is lost"


@pytest.mark.long
def test_a_thousand_files_at_once_are_ingested_once_each(zone: Zone, landing: pathlib.Path) -> None:
    for number in range(AT_ONCE):
        (landing / f"{number}.csv").write_text(f"{number}{END}")
    ingested = ingest_until_quiet(zone, lambda: False)
    assert len(ingested) == len(set(ingested)) == AT_ONCE
