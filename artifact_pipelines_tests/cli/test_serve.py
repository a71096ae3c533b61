"""The command serve."""

from typing import Any

import pytest
from fastapi import FastAPI

from artifact_pipelines_tests.cli.commands import run

TOKEN = "a token for the tests"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[FastAPI, dict[str, Any]]]:
    """The applications that would be served, and how."""
    served: list[tuple[FastAPI, dict[str, Any]]] = []
    monkeypatch.setattr("uvicorn.run", lambda app, **options: served.append((app, options)))
    return served


def test_interface_is_served_to_this_machine_alone_unless_an_address_is_given(
    served: list[tuple[FastAPI, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTIFACT_API_TOKEN", TOKEN)
    run("serve")
    run("serve", "--host", "0.0.0.0", "--port", 80)
    (app, first), (_, second) = served
    assert "/upload" in app.openapi()["paths"]
    assert (first["host"], first["port"], second["host"], second["port"]) == ("127.0.0.1", 8000, "0.0.0.0", 80)


def test_nothing_is_served_without_a_token(
    served: list[tuple[FastAPI, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARTIFACT_API_TOKEN", raising=False)
    assert "ARTIFACT_API_TOKEN" in run("serve", code=2)
    assert served == []
