"""The clock of a host differs from the database's. Only the database's counts."""

import io
import json
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.engine import writing
from artifact_pipelines.catalog.files import LEASE_S
from artifact_pipelines.catalog.tables import file_references, files, utc_now
from artifact_pipelines.core.types import Content, FileDescription, FileId
from artifact_pipelines_tests.stress import host_with_wrong_clock
from artifact_pipelines_tests.stress.host_with_wrong_clock import Done
from artifact_pipelines_tests.stress.place import Place

DAY_S = 86_400


def run_host(shift_s: float, place: Place, held: FileId) -> Done:
    command = [sys.executable, "-m", host_with_wrong_clock.__name__, str(shift_s)]
    command += [place.catalog_url, place.storage_url, str(held)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return Done(**json.loads(done.stdout))


@pytest.mark.parametrize("shift_s", [-10 * DAY_S, 10 * DAY_S], ids=["behind", "ahead"])
def test_a_host_clock_ten_days_off_changes_nothing(place: Place, engine: sa.Engine, shift_s: float) -> None:
    with place.open() as opened:

        def released(data: bytes) -> FileId:
            file_id = opened.producer.create_artifact(io.BytesIO(data), "bin")
            opened.producer.release(file_id)
            return file_id

        def leased(digits: str) -> FileId:
            lease = opened.catalog.files.acquire_all([(Content(digits * 32, 5), FileDescription("bin"))], "blake3")[0]
            return lease.file.file_id

        held = opened.producer.create_artifact(io.BytesIO(b"held"), "bin")
        fresh, old, alive, dead = released(b"released just now"), released(b"long ago"), leased("aa"), leased("bb")
    with writing(engine) as connection:
        long_ago = sa.update(files).where(files.c.file_id == old)
        connection.execute(long_ago.values(unreferenced_at=utc_now(sa.literal(-2.0 * DAY_S))))
        ran_out = sa.update(file_references).where(file_references.c.file_id == dead)
        connection.execute(ran_out.values(expires_at=utc_now(sa.literal(-1.0))))
    done = run_host(shift_s, place, held)
    assert abs(done.time_s - shift_s - time.time()) < 60, "its clock was right"
    assert sorted(done.collected) == [old, dead]
    assert done.reaped == [dead]
    with engine.connect() as connection:
        ages = sa.select(files.c.file_id, files.c.created_at, utc_now().label("now"))
        rows = connection.execute(ages).all()
        expiry = sa.select(file_references.c.expires_at, utc_now().label("now"))
        lease = connection.execute(expiry.where(file_references.c.file_id == done.leased)).one()
    assert {row.file_id for row in rows} == {held, fresh, alive, done.created, done.leased}
    assert all(abs((row.now - row.created_at).total_seconds()) < 60 for row in rows)
    assert abs((lease.expires_at - lease.now).total_seconds() - LEASE_S) < 60
