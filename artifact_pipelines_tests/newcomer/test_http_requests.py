"""Schemathesis makes requests of any form from `/openapi.json`: each is answered as that says, none with an error."""

import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from artifact_pipelines_tests.newcomer.project import Newcomer
from artifact_pipelines_tests.web_server import PATIENCE_S, free_port, stop

TOKEN = "a token for the tests"
_CONFIGURATION = """
[[operations]]
include-path = "/upload"
checks.positive_data_acceptance.enabled = false  # no schema says which names a dataset takes
"""
_SCHEMATHESIS = "from schemathesis.cli import schemathesis; schemathesis()"


@pytest.fixture
def server(newcomer: Newcomer) -> Iterator[str]:
    """The HTTP server of the newcomer's project. Yields its address."""
    port = free_port()
    with (newcomer.folder / "serve.log").open("wb") as log:
        running = subprocess.Popen(
            [newcomer.folder.parent / "venv" / "bin" / "artifact-pipelines", "serve", "--port", str(port)],
            cwd=newcomer.folder,
            env={**newcomer.environment, "ARTIFACT_API_TOKEN": TOKEN},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        yield f"http://127.0.0.1:{port}"
        stop(running, signal.SIGINT)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_requests_of_any_form_are_answered_as_the_schema_says(server: str, tmp_path: pathlib.Path) -> None:
    options = ["--wait-for-schema", str(PATIENCE_S), "--max-examples", "20", "--seed", "1", "--no-color"]
    (tmp_path / "schemathesis.toml").write_text(_CONFIGURATION)
    header = ["-H", f"Authorization: Bearer {TOKEN}"]
    command = [sys.executable, "-c", _SCHEMATHESIS, "run", f"{server}/openapi.json", *header, *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
