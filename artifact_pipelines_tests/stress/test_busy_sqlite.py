"""Many processes at once on one SQLite catalog: locks are waited for, and no caller hears of them."""

import pathlib
import subprocess
import sys
from collections.abc import Sequence

import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.catalog.tables import file_references, files

_OPEN = """
import sys
from artifact_pipelines.catalog.catalog import Catalog
sys.stdin.readline()
with Catalog(sys.argv[1]) as catalog:
    catalog.files.list_files(1)
"""
_USE = """
import random, sys, time
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.types import Content, FileDescription
url, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
chance = random.Random(seed)
sys.stdin.readline()
held = uses = 0
end = time.monotonic() + seconds
while time.monotonic() < end:
    with Catalog(url) as catalog:
        for _ in range(chance.randint(1, 20)):
            uses += 1
            number = chance.randrange(50)
            content = Content(f"{number:064x}", number)
            lease = catalog.files.acquire_all([(content, FileDescription("bin"))], "blake3")[0]
            if chance.random() < 0.2:
                catalog.files.abandon_all([lease])
                continue
            catalog.files.settle_all([lease], f"writer {seed}")
            held += 1
            assert catalog.files.get_file(lease.file.file_id).reference_count > 0
            if chance.random() < 0.5:
                catalog.files.release(lease.file.file_id, f"writer {seed}")
                held -= 1
print(held, uses)
"""


def run_together(script: str, arguments: Sequence[Sequence[str]]) -> Sequence[str]:
    """Start a process for each list of arguments, let them all go at once, and return what they print."""
    commands = [[sys.executable, "-c", script, *each] for each in arguments]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=pipe) for command in commands]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [process.communicate() for process in processes]
    assert [error for _, error in ended if error] == []
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [output for output, _ in ended]


def test_many_can_make_the_catalog_at_once(tmp_path: pathlib.Path, is_stress: bool) -> None:
    for number in range(10 if is_stress else 1):
        run_together(_OPEN, [[f"sqlite:///{tmp_path}/{number}.db"]] * (16 if is_stress else 8))


def test_no_lock_reaches_a_caller_and_no_count_drifts(tmp_path: pathlib.Path, is_stress: bool) -> None:
    url = f"sqlite:///{tmp_path}/catalog.db"
    Catalog(url).close()
    processes, seconds = (16, 60) if is_stress else (6, 2)
    outputs = run_together(_USE, [[url, str(seconds), str(number)] for number in range(processes)])
    held, uses = (sum(int(output.split()[i]) for output in outputs) for i in (0, 1))
    assert uses > 100
    engine = make_engine(url)
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(file_references)).scalar_one() == held
        assert connection.execute(sa.select(sa.func.sum(files.c.reference_count))).scalar_one() == held
    engine.dispose()
