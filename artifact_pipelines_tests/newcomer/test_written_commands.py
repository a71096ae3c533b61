"""The commands of the documents that need a running Dagster, or an HTTP server, do not fail."""

import shutil

import pytest

from artifact_pipelines_tests.newcomer.documented import IN_ORDER, OVER_HTTP
from artifact_pipelines_tests.newcomer.project import Newcomer
from artifact_pipelines_tests.web_server import free_port

pytestmark = [pytest.mark.long, pytest.mark.timeout(600), pytest.mark.usefixtures("dev")]


@pytest.mark.parametrize("command", IN_ORDER)
def test_command_of_a_document_runs(newcomer: Newcomer, command: str) -> None:
    newcomer.shell(IN_ORDER[command] or command)


def test_commands_over_http_upload_a_file_and_fetch_one(newcomer: Newcomer) -> None:
    table = newcomer.versions("cities/table")[0]["file_id"]
    changes = {
        "pip install": "true pip install",
        "serve --port 8000": "serve --port 8000 & trap 'kill %1; wait' EXIT",
        "curl ": "curl --fail --silent --show-error --retry 60 --retry-connrefused --retry-delay 1 ",
        "dataset=flights": "dataset=cities",
        "a.csv": "cities_http.csv",
        "/files/7": f"/files/{table}",
        ":8000": f":{(port := free_port())}",
        "--port 8000": f"--port {port}",
    }
    script = OVER_HTTP
    for shown, run in changes.items():
        assert shown in script, shown
        script = script.replace(shown, run)
    shutil.copy(newcomer.folder / "cities.csv", newcomer.folder / "cities_http.csv")
    newcomer.shell(script)
    assert (newcomer.folder / "7.parquet").read_bytes()[:4] == b"PAR1"
    assert (newcomer.folder / "state" / "landing" / "cities_http.csv").is_file()
