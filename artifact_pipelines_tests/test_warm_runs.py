"""A code server starts runs from a process that has imported everything already."""

import pathlib
import subprocess
import sys
import textwrap

import pytest

_SERVER = """
import multiprocessing, os, sys
from artifact_pipelines.warm_runs import start_runs_warm

def run(answer):
    answer.put(("artifact_pipelines.dataset_pipeline" in sys.modules, os.getppid()))

if __name__ == "__main__":
    sys.argv[1:] = ARGUMENTS
    start_runs_warm()
    spawn = multiprocessing.get_context("spawn")
    answer = spawn.Queue()
    process = spawn.Process(target=run, args=[answer])
    process.start()
    has_imported, parent = answer.get()
    process.join()
    print(has_imported, parent == os.getpid(), process.exitcode)
"""


def _run(tmp_path: pathlib.Path, arguments: list[str]) -> str:
    script = tmp_path / "server.py"
    script.write_text(textwrap.dedent(_SERVER).replace("ARGUMENTS", repr(arguments)))
    return subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.long
def test_run_of_a_code_server_begins_with_its_imports_done(tmp_path: pathlib.Path) -> None:
    assert _run(tmp_path, ["api", "grpc", "--port", "1"]) == "True False 0"


def test_other_processes_start_theirs_as_before(tmp_path: pathlib.Path) -> None:
    assert _run(tmp_path, ["dev"]) == "False True 0"
