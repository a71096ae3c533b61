"""Verification of a sound store finds nothing, while others write, release and collect."""

import concurrent.futures
import io
import random
import time
from collections.abc import Callable

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.findings import Finding, FindingKind
from artifact_pipelines.maintenance.verification import verify
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.interfaces import IStorageBackend

_SHORT_S, _LONG_S = 1, 60


def test_sound_store_has_no_finding_while_others_write_and_collect(
    catalog: Catalog, backend: IStorageBackend, producer: ArtifactProducer, is_stress: bool
) -> None:
    until = time.monotonic() + (_LONG_S if is_stress else _SHORT_S)
    findings: list[Finding] = []
    done = {"created": 0, "verified": 0, "collected": 0}
    contents = [bytes([number]) * (1000 + 50_000 * (number % 3)) for number in range(12)]

    def write(chance: random.Random) -> None:
        file_id = producer.create_artifact(io.BytesIO(chance.choice(contents)), "bin")
        done["created"] += 1
        try:
            with producer.open(file_id) as stream:
                stream.read()
        finally:
            producer.release(file_id)

    def collect(chance: random.Random) -> None:
        for gone in catalog.collection.collect(grace_s=0, limit=3):
            backend.delete_file(gone.storage_path)
            done["collected"] += 1

    def look(chance: random.Random) -> None:
        report = verify(catalog, backend, share=chance.choice([0.3, 1.0]), repair=chance.random() < 0.2)
        # A collector that has deleted a row but not yet its bytes makes an orphan for a moment. It is no damage.
        findings.extend(finding for finding in report.findings if finding.kind != FindingKind.ORPHAN)
        done["verified"] += report.files

    def repeat(work: Callable[[random.Random], None], seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < until or not all(done.values()):  # a busy machine may take longer
            work(chance)

    works = [write, write, write, collect, look, look]
    with concurrent.futures.ThreadPoolExecutor(len(works)) as pool:
        list(pool.map(repeat, works, range(len(works))))
    assert findings == []
