"""A code server starts runs from a process that has imported everything and loaded the definitions already."""

import pathlib
import subprocess
import sys

import pytest

_SERVER = """
import logging, multiprocessing, os, pathlib, sys
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin, enter_loadable_target_origin_load_context
from artifact_pipelines.warm_runs import start_runs_warm

def run(answer):
    from dagster._core.code_pointer import CodePointer
    from dagster._core.definitions.reconstruct import ReconstructableRepository
    has_imported = "artifact_pipelines.dataset_pipeline" in sys.modules
    pointer = CodePointer.from_module("project", "defs", os.getcwd())
    has_job = ReconstructableRepository(pointer).get_definition().has_job("cities_pipeline")
    loaded = pathlib.Path("loaded").read_text().split()
    has_log = logging.getLogger().handlers[0].stream is sys.stderr
    answer.put((has_imported, os.getppid(), str(os.getpid()) in loaded, has_job and has_log))

if __name__ == "__main__":
    origin = LoadableTargetOrigin(module_name="project", attribute="defs", working_directory=os.getcwd())
    with enter_loadable_target_origin_load_context(origin):
        start_runs_warm()
    spawn = multiprocessing.get_context("spawn")
    for _ in range(2):
        answer = spawn.Queue()
        process = spawn.Process(target=run, args=[answer])
        process.start()
        has_imported, parent, has_loaded, has_job = answer.get(timeout=60)
        process.join()
        print(has_imported, parent == os.getpid(), has_loaded, has_job, process.exitcode)
"""
_PROJECT = """
import logging, os, pathlib, socket, sys, threading, time
import dagster as dg
import artifact_pipelines as ap

logging.basicConfig()

@dg.definitions
def defs():
    with open("loaded", "a") as file:
        print(os.getpid(), file=file)
    LEAVES
    dataset = ap.DatasetPipeline(
        name="cities", description="Of a test.", source="cities.csv", owners=["team:test"], columns={"id": "BIGINT"},
        analyses={"count": {"kind": "sql", "query": "SELECT count(*) AS n FROM cities"}},
    )
    return ap.build_definitions(dataset.definitions())
"""


_COMPUTING = """
import io, multiprocessing, os, sys
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin, enter_loadable_target_origin_load_context
from artifact_pipelines.warm_runs import start_runs_warm

def run(answer):
    import duckdb, numpy, polars, pyarrow, pyarrow.parquet
    frame = polars.DataFrame({"id": range(100_000), "group": [f"g{number % 97}" for number in range(100_000)]})
    grouped = frame.lazy().group_by("group").agg(polars.col("id").sum()).collect(engine="streaming")["id"].sum()
    file = io.BytesIO()
    frame.lazy().sort("group", "id").sink_parquet(file)
    table = pyarrow.parquet.read_table(io.BytesIO(file.getvalue()))
    [(of_sql,)] = duckdb.connect().execute("SELECT sum(id) FROM frame WHERE id >= 0").fetchall()
    square = numpy.ones((300, 300)) @ numpy.ones((300, 300))
    of_arrow = pyarrow.compute.sum(table["id"]).as_py()
    answer.put(grouped == of_sql == of_arrow == 4_999_950_000 and square[0, 0] == 300)

if __name__ == "__main__":
    origin = LoadableTargetOrigin(module_name="project", attribute="defs", working_directory=os.getcwd())
    with enter_loadable_target_origin_load_context(origin):
        start_runs_warm()
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    right = 0
    for _ in range(RUNS // 4):
        processes = [spawn.Process(target=run, args=[answers]) for _ in range(4)]
        for process in processes:
            process.start()
        right += sum(answers.get(timeout=120) for _ in processes)
        for process in processes:
            process.join(60)
            right -= process.exitcode != 0
    print(right)
"""
_RUNS = 40


def _run(folder: pathlib.Path, arguments: list[str], leaves: str = "") -> list[str]:
    """Start two runs; of each: imports done, child of the server, definitions loaded, job there, exit code."""
    (folder / "server.py").write_text(_SERVER)
    (folder / "project.py").write_text(_PROJECT.replace("LEAVES", leaves))
    command = [sys.executable, str(folder / "server.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout.splitlines()


@pytest.mark.long
def test_run_of_a_code_server_begins_with_imports_done_and_definitions_loaded(tmp_path: pathlib.Path) -> None:
    assert _run(tmp_path, ["api", "grpc", "--port", "1"]) == ["True False False True 0"] * 2


@pytest.mark.long
@pytest.mark.parametrize(
    "leaves",
    [
        pytest.param("threading.Thread(target=time.sleep, args=[60], daemon=True).start()", id="a thread"),
        pytest.param("global kept; kept = socket.socketpair()", id="a connection"),
        pytest.param("global kept; kept = ap.open_store(); kept.catalog.datasets.names()", id="an open catalog"),
    ],
)
def test_run_loads_definitions_itself_if_they_leave_what_a_copy_lacks_or_shares(
    leaves: str, tmp_path: pathlib.Path
) -> None:
    assert _run(tmp_path, ["api", "grpc"], leaves) == ["True False True True 0"] * 2


@pytest.mark.long
def test_open_log_file_of_a_project_does_no_harm(tmp_path: pathlib.Path) -> None:
    leaves = "logging.getLogger().addHandler(logging.FileHandler('log'))"
    assert _run(tmp_path, ["api", "grpc"], leaves) == ["True False False True 0"] * 2


@pytest.mark.long
def test_other_processes_start_theirs_as_before(tmp_path: pathlib.Path) -> None:
    assert _run(tmp_path, ["dev"]) == ["False True True True 0"] * 2


@pytest.mark.long
def test_engines_compute_in_copies_of_a_process_that_has_imported_them(tmp_path: pathlib.Path) -> None:
    (tmp_path / "server.py").write_text(_COMPUTING.replace("RUNS", str(_RUNS)))
    (tmp_path / "project.py").write_text(_PROJECT.replace("LEAVES", ""))
    command = [sys.executable, str(tmp_path / "server.py"), "api", "grpc"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split() == [str(_RUNS)]
