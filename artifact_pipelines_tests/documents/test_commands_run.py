"""Each command of the documents is run, in a store that a project has filled, or stands in a list with the reason.

Other tests run those that need a running Dagster (`make first-week`), a site (`make deploy-check`), and the tutorial.
"""

import os
import pathlib
import re
import shlex
import subprocess
from collections.abc import Mapping

import click.testing
import dagster as dg
import pytest

from artifact_pipelines.cli.main import main
from artifact_pipelines.dataset_pipeline import DatasetPipeline
from artifact_pipelines.definitions import build_definitions
from artifact_pipelines.demo import Daemon
from artifact_pipelines_tests.deploy.documented import RUN_ON_A_SITE
from artifact_pipelines_tests.documents.reading import DOCUMENTS, ROOT, commands_of
from artifact_pipelines_tests.newcomer.documented import RUN_IN_THE_FIRST_WEEK
from artifact_pipelines_tests.project import CSV, FLIGHTS, without_waiting
from artifact_pipelines_tests.saved_store import copy_saved, settings_in

OURS = "artifact-pipelines "
FORMS: Mapping[str, tuple[str, ...]] = {
    "status | stats | doctor": ("status", "stats", "doctor"),
    "ls | show NAME | history ASSET | lineage NAME": ("ls", "show flights", "history flights/table", "lineage flights"),
    "sql \"SELECT … FROM 'flights/table@v3'\" | head": ("sql \"SELECT carrier FROM 'flights/table@v3'\"",),
    "put FILE | get NAME -o FILE": ("put any.csv", "get flights/table -o table.parquet"),
    "rollback ASSET --to N | pin | tag | gc | verify": (
        "rollback flights/table --to 2",
        "pin flights/table",
        "tag flights/table good",
        "gc",
        "verify",
    ),
    "release ID": ("put any.csv", "release $ID"),
    "rollback ASSET --to N": ("rollback flights/table --to 2",),
    "rollback NAME@v3": ("rollback flights@v2", "rollback flights@v3"),
    "history ASSET": ("history flights/table",),
    "quarantine show DATASET FILE": ("quarantine show flights flights_bad_1.csv",),
    "restore ASSET": ("rm sales/raw --yes", "restore sales/raw --version 1 --partition 2024-01"),
    "lineage ASSET": ("lineage flights/table",),
    "show NAME": ("show flights@v2",),
    "lineage NAME --down": ("lineage flights/raw --down",),
    "publish <dataset>/table@v3": ("publish towns/table@v3",),
    "publish <dataset>@v3": ("publish towns@v3",),
    "datasets export --spreadsheet": ("datasets export flights@v3 --spreadsheet -o flights.csv",),
    "datasets infer FILE": ("datasets infer any.csv",),
    "rollback flights --to N": ("rollback flights --to 2",),
    "rollback flights/table --to N": ("rollback flights/table --to 2",),
    "history flights/table [--all]": ("history flights/table", "history flights/table --all"),
    "lineage flights/table [--up | --down]": ("lineage flights/table --up", "lineage flights/table --down"),
    "publish ASSET@v3 [--partition KEY]": (
        "publish towns/table@v3",
        "publish sales/table@v3 --partition 2024-01",
    ),
    "gc [--dry-run --explain] [--grace 24h] [--max-share 10%] [--ops-within 30d] [--force]": (
        "gc --dry-run --explain",
        "gc --grace 24h --max-share 10% --ops-within 30d --force",
    ),
    "pin | unpin ASSET [--version N] [--partition P]": (
        "pin flights/table",
        "unpin flights/table",
        "pin sales/table --version 1 --partition 2024-01",
        "unpin sales/table --version 1 --partition 2024-01",
    ),
    "tag ASSET NAME [--version N] [--partition P] | untag ASSET NAME": (
        "tag flights/table good",
        "untag flights/table good",
        "tag sales/table good --version 1 --partition 2024-01",
    ),
    "restore ASSET [--version N] [--partition P]": (
        "rm sales/raw --yes",
        "restore sales/raw --version 1 --partition 2024-01",
    ),
    "rm ASSET... [--yes]": ("rm flights/analyses/profile flights/analyses/delays --yes",),
    "quarantine ls [DATASET] | show DATASET FILE": (
        "quarantine ls",
        "quarantine ls flights",
        "quarantine show flights flights_bad_1.csv",
    ),
    "quarantine replay | discard DATASET [FILE... | --all]": (
        "quarantine replay flights flights_bad_1.csv",
        "quarantine replay towns --all",
        "quarantine discard flights flights_bad_2.csv",
        "quarantine discard sales --all",
    ),
    "verify [NAME...] [--sample 5%] [--repair]": (
        "verify flights/table flights@v2",
        "verify --sample 5%",
        "verify --repair",
    ),
    "catalog restore [--file-id N]": ("catalog backup", "! rm catalog.db*", "catalog restore --file-id $ID"),
    "catalog restore": ("catalog backup", "! rm catalog.db*", "catalog restore"),
    "catalog rebuild": ("! rm catalog.db*", "catalog rebuild"),
    "catalog migrate SOURCE_URL TARGET_URL": ("catalog migrate $ARTIFACT_CATALOG_URL $POSTGRESQL_URL",),
    "put FILE": ("put any.csv",),
    "release FILE_ID": ("put any.csv", "release $ID"),
    "release --rebuilt": ("! rm catalog.db*", "catalog rebuild", "release --rebuilt --yes"),
}
"""Forms of `artifact-pipelines`, with commands that use everything in them; `!` stands before one of a shell."""

NAMES = {"catalog migrate", "init", "datasets log", "serve", "quarantine replay"}
"""Names of commands in a sentence, without the arguments that they need. A form of each is run."""

NOT_RUN: Mapping[str, str] = {
    "make demo": "CI runs the same module in test_demo.py",
    "make dev": "`make first-week` runs `dagster dev`",
    "make test": "CI runs it",
    "make first-week": "CI runs it",
    "make deploy-check": "CI runs it",
    "make test docs first-week deploy-check": "CI runs it",
    "make stress": "takes an hour",
    "make matrix": "takes half an hour, and downloads packages",
    "make bench": "takes minutes and 25 GB of disk",
    "make house": "measures, changes nothing",
    "make house CHECKOUT=FOLDER": "measures, changes nothing",
    "pip install path/to/this/checkout dagster-dg-cli": "downloads; `make first-week` installs the wheel",
    "pip install path/to/artifact_pipelines dagster-dg-cli": "downloads; `make first-week` installs the wheel",
    "pip install 'artifact-pipelines[api]'": "downloads packages",
    "pip install artifact-pipelines[dask]": "downloads packages",
    "/opt/dagster/.venv/bin/pip install wheels/artifact_pipelines-*.whl .": "downloads packages",
    "python3 -m venv /opt/dagster/.venv": "writes into the system; `make first-week` makes one elsewhere",
    "useradd --system --home-dir /var/lib/dagster --create-home dagster": "changes the system's users",
    "systemctl daemon-reload": "needs systemd as the first process",
    "systemctl enable --now dagster-migrate dagster-code dagster-daemon dagster-webserver": "the same",
    "systemctl enable --now dask-scheduler": "the same; `make stress` starts the units' commands",
    "systemctl stop dagster-daemon dagster-webserver dagster-code": "the same",
    "systemctl restart dagster-migrate": "the same",
    "systemctl start dagster-code dagster-daemon dagster-webserver": "the same",
    "journalctl -u dagster-code": "the same",
    "ssh -L 3001:localhost:3001": "needs a second host",
    "dagster-celery worker start -A dagster_celery.app": "Celery is said to be untested",
    "artifact-pipelines report flights --open": "opens a browser; `report` is run",
    "dagster dev": "stands in a sentence; `make first-week` runs it",
    "dg launch": "stands in a sentence; `make first-week` runs it",
    "artifact-pipelines cat a b": "`cat` of Unix",
    "cp -r": "the program that `make bench` compares with",
}


@pytest.fixture(scope="session")
def saved_project(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """`flights` has three versions and bad files. Of `towns` and of a month of `sales`, the third is rejected."""
    folder = tmp_path_factory.mktemp("documented")
    settings = settings_in(folder)
    plain = {"description": "Of a test.", "owners": ["team:tests"], "report": False}
    plain["checks"] = {"few": {"kind": "row_count", "max": 3, "blocking": True}}
    monthly = {"name": "sales", "source": "sales_{partition}.csv", "partitions": "monthly"}
    towns = {"name": "towns", "source": "towns.csv"}
    all_fields = [{**FLIGHTS, "report": True}, {**plain, **monthly}, {**plain, **towns}]
    declared = [DatasetPipeline.model_validate(fields).definitions() for fields in all_fields]
    definitions = build_definitions(dg.Definitions.merge(*declared), settings)
    landing = folder / "landing"
    with dg.DagsterInstance.ephemeral() as instance:
        daemon = Daemon(definitions, without_waiting(settings), instance)
        for number in (1, 2, 3):
            (landing / "flights.csv").write_text(CSV + f"DL,{number + 7},1\n")
            for name in ("sales_2024-01.csv", "towns.csv"):
                (landing / name).write_text("town,sales\n" + "Oslo,5\n" * (2 * number))
            daemon.settle()
        for number in (1, 2):
            (landing / f"flights_bad_{number}.csv").write_text(f"carrier,number,delay\nUA,{number},late\n")
        daemon.settle()
    return folder


@pytest.fixture
def project(saved_project: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A copy of the project; it is the working folder."""
    copy_saved(saved_project, tmp_path)
    (tmp_path / "dagster.yaml").touch()
    (tmp_path / "any.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


def all_commands() -> list[str]:
    """Return the commands of all documents but the tutorial's, and those that only the history names."""
    of_tutorial = {*commands_of(ROOT / "docs" / "tutorial.md")}
    shown = [document for document in DOCUMENTS if document.name not in ("tutorial.md", "decisions.md")]
    found = dict.fromkeys(command for document in shown for command in commands_of(document))
    return [command for command in found if command not in of_tutorial]


def run_by_this_test() -> list[str]:
    elsewhere = {*NOT_RUN, *RUN_IN_THE_FIRST_WEEK, *RUN_ON_A_SITE, *(OURS + name for name in NAMES)}
    return [command for command in all_commands() if command not in elsewhere]


def run(command: str, folder: pathlib.Path, values: dict[str, str]) -> None:
    """Run a command, and remember the first number that it prints."""
    if command.startswith("! "):
        subprocess.run(command[2:], shell=True, check=True, cwd=folder)
        return
    words = [re.sub(r"\$(\w+)", lambda name: {**os.environ, **values}[name[1]], word) for word in shlex.split(command)]
    result = click.testing.CliRunner().invoke(main, words)
    assert result.exit_code == 0, f"{command}: {result.output}"
    values["ID"] = next(iter(re.findall(r"\d+", result.output)), "")


@pytest.mark.parametrize("form", run_by_this_test())
def test_command_of_a_document_runs(form: str, project: pathlib.Path, request: pytest.FixtureRequest) -> None:
    assert form.startswith(OURS), f"Add {form!r} to one of the lists of this file"
    short = form.removeprefix(OURS)
    values: dict[str, str] = {}
    if "TARGET_URL" in form:
        values["POSTGRESQL_URL"] = request.getfixturevalue("postgresql_url")
    commands = FORMS.get(short, (short,))
    for command in commands:
        run(command, project, values)
    assert {*re.findall(r"--\w[\w-]*", form)} <= {*re.findall(r"--\w[\w-]*", " ".join(commands))}


def test_lists_name_no_command_that_is_gone() -> None:
    found = {*all_commands(), *commands_of(ROOT / "docs" / "tutorial.md")}
    assert {*NOT_RUN, *RUN_IN_THE_FIRST_WEEK, *RUN_ON_A_SITE, *(OURS + form for form in (*FORMS, *NAMES))} <= found


@pytest.mark.parametrize("command", [command for command in NOT_RUN if command.startswith("make ")])
def test_command_of_make_that_is_not_run_can_be_planned(command: str) -> None:
    done = subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
