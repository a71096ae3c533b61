"""Each YAML of the documents makes what it declares, from a small table that has its columns."""

import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pydantic
import pytest
import yaml

from artifact_pipelines.core.settings import Settings
from artifact_pipelines.dataset_pipeline import DatasetPipeline
from artifact_pipelines.definitions import build_definitions
from artifact_pipelines.demo import Daemon
from artifact_pipelines_tests.documents.reading import DOCUMENTS, blocks
from artifact_pipelines_tests.project import without_waiting

PLAIN = {"description": "Of a test.", "owners": ["team:tests"], "report": False}
ELSEWHERE = {
    "README.md": "test_readme.py declares it",
    "tutorial.md": "`make first-week` does the tutorial",
    "deploy.md": "values of a Helm chart, said to be untested",
    "operations.md": "test_log_lines.py starts Dagster with it",
}
FLIGHTS_MADE = 12_000


def flights() -> str:
    lines = ["id,carrier,origin,tailnum,day,time_hour,dep_delay,arr_delay,distance,air_time"]
    for n in range(FLIGHTS_MADE):
        day, origin = f"2013-{n % 12 + 1:02}-{n % 28 + 1:02}", ("EWR", "JFK", "LGA")[n % 3]
        known = f"{n * 37 % 200},{n * 31 % 190},{400 + n % 300},{60 + n % 90}"
        lines.append(f"{n},{('AA', 'UA')[n % 2]},{origin},N{n % 40},{day},{day}T10:00:00Z,{known}")
    return "\n".join(lines) + "\n"


FLIGHTS = {"name": "flights", "source": "flights.csv", "key": ["id"]}
THOUSAND = {"samples": {"thousand": {"n": 100}}}
SHOPS = "\n".join(
    ["name,city,country,region,village,sales,revenue,sold_at,refund"]
    + [f"shop{n},Oslo,NO,{('north', 'south')[n % 2]},v{n % 40},{n},{n + 1}.5,2100-01-01,false" for n in range(1200)]
)
FILES = {
    "flights": {"flights.csv": flights()},
    "airports": {"airports.csv": "code,name\nEWR,Newark\nJFK,Kennedy\nLGA,La Guardia\n"},
    "cities": {"cities.csv": "name\nOslo\n"},
    "shops": {"shops.csv": SHOPS},
    "priced": {"priced.csv": 'flight,price,day,carrier\n1,"1,50",31/01/2013,UA\n'},
    "sales": {"sales_2024-01-31.csv": "shop,sales\nOslo,1\n"},
}
"""The files of each dataset."""

AIRPORTS = {"name": "airports", "source": "airports.csv"}
CITIES = {"name": "cities", "source": "cities.csv"}
SHOPS_OF = {"name": "shops", "source": "shops.csv"}
PLACES: Mapping[tuple[str, int], list[dict[str, Any]]] = {
    ("analysis.md", 0): [FLIGHTS],
    ("analysis.md", 1): [AIRPORTS, FLIGHTS | THOUSAND],
    ("analysis.md", 2): [FLIGHTS],
    ("analysis.md", 3): [FLIGHTS],
    ("checks.md", 0): [CITIES, SHOPS_OF],
    ("datasets.md", 0): [{"name": "priced", "source": "priced.csv"}],
    ("datasets.md", 1): [{"name": "sales"}],
    ("estimates.md", 0): [FLIGHTS],
    ("sampling.md", 0): [FLIGHTS],
    ("sampling.md", 1): [SHOPS_OF],
}
"""By document and number of the snippet: the datasets; the last one gets the snippet."""

KNOWN = {"350217607": str(40 * sum(range(400, 700))), "120835": "4000", "111279": "4000", "104662": "4000"}
"""Totals of all flights of 2013, and those of the table here."""


def snippets() -> Iterator[tuple[str, int, str]]:
    for document in DOCUMENTS:
        if document.name not in ELSEWHERE:
            for number, text in enumerate(blocks(document, "yaml")):
                yield document.name, number, text


@pytest.mark.parametrize(("document", "number", "text"), [*snippets()], ids=lambda value: str(value)[:13])
def test_yaml_of_a_document_makes_all_its_assets(
    document: str, number: int, text: str, settings: Settings, landing: pathlib.Path
) -> None:
    fields = PLACES[document, number]
    own = re.sub("|".join(KNOWN), lambda found: KNOWN[found[0]], text)
    fields = [PLAIN | each for each in fields[:-1]] + [PLAIN | fields[-1] | yaml.safe_load(own)]
    declared = [DatasetPipeline.model_validate(each).definitions() for each in fields]
    definitions = build_definitions(dg.Definitions.merge(*declared), settings)
    with dg.DagsterInstance.ephemeral() as instance:
        daemon = Daemon(definitions, without_waiting(settings), instance)
        for each in fields:
            for name, content in FILES[each["name"]].items():
                (landing / name).write_text(content)
            runs, reasons = daemon.settle()
            assert runs
            assert all(run.is_success for run in runs), reasons
        made = {key for run in instance.get_runs() for key in materialized(instance, run.run_id)}
        failed = [check for run in instance.get_runs() for check in failed_checks(instance, run.run_id)]
    keys = {key for key in definitions.resolve_all_asset_keys() if {"table", "samples", "analyses"} & {*key.path}}
    assert keys <= made
    assert failed == []


def materialized(instance: dg.DagsterInstance, run_id: str) -> Iterator[dg.AssetKey]:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    for record in records:
        event = record.event_log_entry.get_dagster_event()
        assert event.asset_key
        yield event.asset_key


def failed_checks(instance: dg.DagsterInstance, run_id: str) -> Iterator[str]:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    for record in records:
        evaluation: Any = record.event_log_entry.get_dagster_event().event_specific_data
        if not evaluation.passed:
            yield f"{evaluation.check_name}: {evaluation.description}"


def inline() -> Iterator[tuple[str, str]]:
    """Yield the fields of a dataset that stand between backticks, with a value."""
    for document in DOCUMENTS:
        for span in dict.fromkeys(re.findall(r"`(\w+: [^`…|]+)`", document.read_text())):
            if span.partition(":")[0] in DatasetPipeline.model_fields and span != "name: TYPE":
                yield document.name, span


@pytest.mark.parametrize(("document", "span"), [*inline()])
def test_field_between_backticks_is_one_of_a_dataset(document: str, span: str) -> None:
    name, value = next(iter(yaml.safe_load(span).items()))
    adapter = pydantic.TypeAdapter(DatasetPipeline.model_fields[name].rebuild_annotation())
    adapter.validate_python(value)
