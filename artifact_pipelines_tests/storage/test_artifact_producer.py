"""The producer on each catalog and backend: its contract, and the leases, transactions and memory behind it."""

import io
import pathlib
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any, cast

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.files import FileCatalog
from artifact_pipelines.catalog.tables import file_references, files
from artifact_pipelines.core.exceptions import LeaseExpiredError
from artifact_pipelines.core.types import FileDescription, FileState, Lease, StoragePath
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import CatalogOlderThanStoreError
from artifact_pipelines.storage.factory import open_backend
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.staging import StagedFile
from artifact_pipelines_tests.contracts.artifact_producer import (
    DATA,
    LARGE,
    ArtifactProducerContract,
    ProducerPlace,
    create,
    create_all,
    read,
)
from artifact_pipelines_tests.storage.back_door import BackDoor
from artifact_pipelines_tests.storage.settling import put_and_settle
from artifact_pipelines_tests.stress import acts
from artifact_pipelines_tests.stress.children import run_at_once
from artifact_pipelines_tests.stress.place import Place


@pytest.mark.everywhere
class TestArtifactProducer(ArtifactProducerContract):
    @pytest.fixture
    def place(self, catalog: Catalog, storage_url: str, back_door: BackDoor) -> ProducerPlace:
        return ProducerPlace(catalog.files, open_backend(storage_url), back_door)


def test_an_empty_catalog_refuses_a_store_that_holds_files(
    producer: ArtifactProducer, backend: IStorageBackend, tmp_path: pathlib.Path
) -> None:
    for data in (b"of", b"the", b"catalog", b"that was lost"):
        create(producer, data)
    with Catalog(f"sqlite:///{tmp_path / 'new.db'}") as new:
        replaced = ArtifactProducer(new.files, backend)
        for create_one in (create, create_all) * 3:  # however often it is tried
            with pytest.raises(CatalogOlderThanStoreError, match="catalog restore"):
                create_one(replaced)
        assert new.files.list_files(1) == []
    assert len(list(backend.list_files())) == 4


def _reap_all(engine: sa.Engine) -> None:
    """Do as the reaper of leases and then the collector do."""
    with engine.begin() as connection:
        leased = sa.select(file_references.c.file_id).where(file_references.c.expires_at.is_not(None))
        ids = connection.execute(leased).scalars().all()
        connection.execute(sa.delete(file_references).where(file_references.c.expires_at.is_not(None)))
        connection.execute(sa.delete(files).where(files.c.file_id.in_(ids)))


def test_an_expired_lease_is_an_error_and_its_key_is_never_written_again(
    producer: ArtifactProducer, backend: IStorageBackend, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = backend.write_stream, []

    def too_slow(content: StagedFile, path: StoragePath) -> None:
        write(content, path)
        written.append(path)
        if len(written) == 1:
            _reap_all(engine)

    monkeypatch.setattr(backend, "write_stream", too_slow)
    with pytest.raises(LeaseExpiredError, match="run again"):
        create(producer)
    file_id = create(producer)
    assert [path.file_id for path in written] == [written[0].file_id, file_id]
    assert written[0] != written[1]
    assert read(producer, file_id) == DATA


def test_a_long_write_keeps_its_lease(
    engine: sa.Engine, catalog: Catalog, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = FileCatalog(engine, lease_s=0.3)
    renewed = threading.Event()
    renew, write = rows.renew_all, backend.write_stream

    def note(leases: Sequence[Lease]) -> None:
        renew(leases)
        renewed.set()

    def slow(content: StagedFile, path: StoragePath) -> None:
        assert renewed.wait(10)
        write(content, path)

    monkeypatch.setattr(rows, "renew_all", note)
    monkeypatch.setattr(backend, "write_stream", slow)
    producer = ArtifactProducer(rows, backend)
    assert read(producer, create(producer, LARGE)) == LARGE


def test_a_long_settlement_keeps_its_lease(
    engine: sa.Engine, catalog: Catalog, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = FileCatalog(engine, lease_s=0.3)
    renewed = threading.Event()
    renew = rows.renew_all

    def note(leases: Sequence[Lease]) -> None:
        renew(leases)
        renewed.set()

    def settle(lease: Lease) -> None:
        assert renewed.wait(10)
        rows.settle_all([lease], "caller")

    monkeypatch.setattr(rows, "renew_all", note)
    producer = ArtifactProducer(rows, backend)
    for _ in range(2):  # the second time nothing is written
        put_and_settle(producer, io.BytesIO(LARGE), FileDescription("bin"), settle)
        renewed.clear()


def test_the_next_writer_puts_the_bytes_of_a_pending_file(
    producer: ArtifactProducer, backend: IStorageBackend, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer was killed after its row and before its bytes: the row is there, its lease too."""

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as killed:
        killed.setattr(backend, "write_stream", die)
        killed.setattr(catalog.files, "abandon_all", lambda leases: [])
        with pytest.raises(Killed):
            create(producer)
    [file] = catalog.files.list_files(10)
    assert file.state == FileState.PENDING
    assert create(producer) == file.file_id
    assert read(producer, file.file_id) == DATA


def test_no_transaction_is_open_while_bytes_move(
    producer: ArtifactProducer, backend: IStorageBackend, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, pool = backend.write_stream, cast("sa.QueuePool", catalog._engine.pool)
    looks: list[int] = []

    def look(content: StagedFile, path: StoragePath) -> None:
        looks.append(pool.checkedout())
        write(content, path)

    class Source(io.BytesIO):
        def readinto(self, buffer: Any, /) -> int:
            looks.append(pool.checkedout())
            return super().readinto(buffer)

    monkeypatch.setattr(backend, "write_stream", look)
    data = bytes(3_000_000)
    for _ in range(2):  # the second one is hashed first
        producer.create_artifact(Source(data), "bin")
    assert len(looks) > 3
    assert set(looks) == {0}


@pytest.mark.everywhere
def test_processes_that_create_the_same_contents_at_once_agree(
    catalog_url: str, catalog: Catalog, backend: IStorageBackend, storage_url: str
) -> None:
    contents = [bytes([number]) * 300_000 for number in range(5)]
    outcomes = run_at_once([(acts.create_each, Place(catalog_url, storage_url), contents)] * 4)
    made = [outcome.acknowledged for outcome in outcomes]
    assert len(made[0]) == 5
    assert made == [made[0]] * 4
    assert [catalog.files.get_file(file_id).reference_count for file_id in made[0]] == [4] * 5
    assert len(list(backend.list_files())) == 5


_LARGE = """
import pathlib, sys
from artifact_pipelines import open_store
from artifact_pipelines_tests.storage.settling import put_and_settle

class Zeros:
    left = 600 << 20
    def readinto(self, buffer):
        count = min(self.left, memoryview(buffer).nbytes)
        self.left -= count
        return count
    def seekable(self):
        return False

def peak_kib():
    # Not ru_maxrss: that one remembers what the parent took before this program was started in its place.
    return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

with open_store(sys.argv[1], sys.argv[2]) as store:
    before = peak_kib()
    store.create_artifact(Zeros(), "bin")
    print(peak_kib() - before)
"""


def test_a_large_file_needs_only_the_memory_of_the_block_ring(tmp_path: pathlib.Path) -> None:
    command = [sys.executable, "-c", _LARGE, f"sqlite:///{tmp_path / 'large.db'}", str(tmp_path / "large")]
    grown_kib = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown_kib < 32 * 1024, "600 MiB took more than 32 MiB"
