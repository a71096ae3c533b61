"""The files in `deploy/` agree with each other, with the project's own configuration, and with their document."""

import pathlib
import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from artifact_pipelines_tests.deploy.documented import INSTALL
from artifact_pipelines_tests.deploy.site import CHECKOUT, DEPLOY, commands_of, read_environment

OWN = {"storage", "compute_logs", "retention"}
"""Sections of `dagster.yaml` that only a site has."""
TEMPLATE = read_environment(DEPLOY / "env.template")
UNITS = sorted(file.stem for file in (DEPLOY / "systemd").iterdir())
SERVICES = ("code", "daemon", "webserver")


def parsed(name: str) -> Mapping[str, Any]:
    return dict(yaml.safe_load((DEPLOY / name).read_text()))


def variables_in(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from variables_in(each)
    elif isinstance(value, dict):
        if set(value) == {"env"}:
            yield value["env"]
        yield from variables_in([*value.values()])


def test_a_site_behaves_as_the_project_does_on_one_machine() -> None:
    site, embedded = parsed("dagster.yaml"), yaml.safe_load((CHECKOUT / "dagster.yaml").read_text())
    assert {name: value for name, value in site.items() if name not in OWN} == embedded


def test_each_variable_that_a_file_reads_stands_in_the_template() -> None:
    read = {*variables_in(parsed("dagster.yaml")), *variables_in(parsed("workspace.yaml"))}
    for unit in UNITS:
        read |= set(re.findall(r"\$\{(\w+)\}", (DEPLOY / "systemd" / f"{unit}.service").read_text()))
    assert read <= TEMPLATE.keys()


@pytest.mark.parametrize("unit", UNITS)
def test_no_unit_runs_with_more_rights_than_it_needs(unit: str) -> None:
    lines = (DEPLOY / "systemd" / f"{unit}.service").read_text().splitlines()
    assert {"User=dagster", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict"} <= set(lines)
    assert "EnvironmentFile=/etc/dagster/env" in lines


@pytest.mark.parametrize("service", SERVICES)
def test_container_runs_the_command_of_the_unit(service: str) -> None:
    container = " ".join(parsed("compose.yaml")["services"][service]["command"]).removeprefix("sh -c exec ")
    [unit] = commands_of(f"dagster-{service}", TEMPLATE)

    def form(words: list[str]) -> list[str]:
        return [words[0].rsplit("/")[-1], *(word for word in words if word.startswith("--"))]

    assert form(container.split()) == form([*unit])


def test_containers_wait_for_the_tables_and_have_no_capabilities() -> None:
    services = parsed("compose.yaml")["services"]
    for name in SERVICES:
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["read_only"]
    assert services["webserver"]["ports"] == ["127.0.0.1:3000:3000"]


def test_each_variable_of_the_containers_is_required_or_stands_in_the_template() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    of_compose = re.findall(r"(?<!\$)\$\{(\w+)(:\?)?", text)
    assert {name for name, _ in of_compose} == set(re.findall(r"(\w+_PASSWORD)=\.\.\.", text)), (
        "the head names them all"
    )
    assert all(is_required for _, is_required in of_compose)
    of_shells = re.findall(r"\$\$(\w+)", text)
    assert of_shells
    assert {*of_shells} <= TEMPLATE.keys()
    passwords = set(re.findall(r"\w+_PASSWORD", (DEPLOY / "databases.sql").read_text()))
    assert passwords < {name for name, _ in of_compose}


def test_document_explains_each_file() -> None:
    text = (CHECKOUT / "docs" / "deploy.md").read_text()
    for file in DEPLOY.iterdir():
        assert f"`{file.name}" in text, file.name


def test_commands_of_the_document_install_the_files(tmp_path: pathlib.Path) -> None:
    for folder in ("etc/dagster", "var/lib/dagster", "etc/systemd/system"):
        (tmp_path / folder).mkdir(parents=True)
    for command in INSTALL:
        own = re.sub(r" -[og] \w+", "", command)  # only root gives files to others
        subprocess.run(["bash", "-ec", re.sub(r" (/(?:etc|var)/)", rf" {tmp_path}\1", own)], cwd=CHECKOUT, check=True)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        "env",
        "dagster.yaml",
        "workspace.yaml",
        *(f"{unit}.service" for unit in UNITS),
    }
    assert (tmp_path / "etc" / "dagster" / "env").stat().st_mode & 0o777 == 0o640
