"""Processor time of an answer that is remembered: from the question to the recorded materialization, without Dagster.

python -m bench.answers
"""

import io
import pathlib
import resource
import statistics
import tempfile

import polars as pl

from artifact_pipelines.analysis.kinds.profile import Profile
from artifact_pipelines.analysis.memory import question_of, recall
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.types import FileDescription, Materialization, MaterializationFacts
from artifact_pipelines.handlers.table_handlers import ParquetHandler
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.factory import open_producer

OTHERS = 10_000
REPETITIONS = 20


def main() -> None:
    """Print the processor time of one remembered answer, in a catalog with many others."""
    with tempfile.TemporaryDirectory() as folder:
        catalog_url, storage_url = f"sqlite:///{folder}/catalog.db", str(pathlib.Path(folder, "store"))
        with Catalog(catalog_url, make_tables=True) as catalog:
            producer = open_producer(catalog.files, storage_url)
            table = _recorded(catalog, producer, "flights/table", None)
            kind = Profile()
            question = question_of(kind, "flights", {"flights": producer.artifact(table.file, table)})
            _recorded(catalog, producer, "flights/analyses/profile", question)
            for number in range(OTHERS):
                _recorded(catalog, producer, f"other/{number % 100}", f"{number:064x}")
        spent = [_asked(catalog_url, storage_url) for _ in range(REPETITIONS)]
    print(f"a remembered answer: {statistics.median(spent):.1f} ms of processor time, {OTHERS:,} other answers")


def _recorded(catalog: Catalog, producer: ArtifactProducer, asset: str, question: str | None) -> Materialization:
    stream = io.BytesIO()
    pl.DataFrame({"a": range(1000)}).write_parquet(stream)
    stream.seek(0)
    with producer.holding(is_brief=True) as holding:
        holding.put(stream, FileDescription("parquet"))
        facts = MaterializationFacts(asset, "a data version", question=question)
        return holding.settle_with(lambda leases: catalog.materializations.record(facts, leases))


def _asked(catalog_url: str, storage_url: str) -> float:
    before = _processor_ms()
    with Catalog(catalog_url) as catalog:
        producer = open_producer(catalog.files, storage_url)
        table = catalog.materializations.current("flights/table")
        question = question_of(Profile(), "flights", {"flights": producer.artifact(table.file, table)})
        with producer.holding(is_brief=True) as holding:
            known = recall(catalog, holding, str(question))
            assert known is not None
            ParquetHandler().facts(producer.artifact(known.file))
            with producer.holding(is_brief=True) as own:
                own.hold(known.file)
                facts = MaterializationFacts(known.asset, known.data_version, question=question)
                own.settle_with(lambda leases: catalog.materializations.record(facts, leases))
    return _processor_ms() - before


def _processor_ms() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return 1000 * (used.ru_utime + used.ru_stime)


if __name__ == "__main__":
    main()
