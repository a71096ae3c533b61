"""A YAML file of a dataset that is wrong: one error by file, line and field; a server goes on without it."""

import pathlib

import dagster as dg
import pytest

from artifact_pipelines.broken_dataset import BrokenDatasetError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.definitions import build_definitions
from artifact_pipelines.defs_folder import load_defs_folder

YAML = """type: artifact_pipelines.DatasetPipeline
attributes:
  name: rivers
  description: Rivers.
  source: rivers*.csv
  files: latest
  owners: [team:tests]
  """
PROJECT = '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "own"\n'


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Return the folder of a project with the dataset `cities`."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    monkeypatch.syspath_prepend(tmp_path)
    _declare(tmp_path, "cities", YAML.replace("rivers", "cities"))
    return tmp_path


def _declare(folder: pathlib.Path, name: str, text: str) -> None:
    (folder / "own" / "defs" / name).mkdir(parents=True)
    (folder / "own" / "defs" / name / "defs.yaml").write_text(text)


def _load(folder: pathlib.Path) -> dg.Definitions:
    return load_defs_folder(folder / "own" / "defs")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (YAML + "colums: {a: BIGINT}", r"8: colums: there is no field `colums`. .*Did you mean `columns`\?"),
        (YAML + "columns: {a: BIGNIT}", r"8: columns.a: column type must be VARCHAR, .*Did you mean `BIGINT`\?"),
        (YAML + "columns: {a: {nulable: true}}", r"8: columns.a.nulable: .* required, .*Did you mean `nullable`\?"),
        (YAML + "format: {type: csv, delimeter: x}", r"8: format.delimeter: .*Did you mean `delimiter`\?"),
        (YAML + "format: {sheet: 1}", r"8: format.sheet: there is no field `sheet`. Fields: .*null_values"),
        (YAML + "format: {type: xlsx}", "8: format.type: 'xlsx' is none of csv, tsv, .*, excel"),
        (YAML + "samples: {few: {n: none}}", "8: samples.few.n: 'none' is not accepted: .*valid integer"),
        (YAML + "samples: {few: {design: random}}", "8: samples.few.design: 'random' is none of simple_random, "),
        (YAML + "samples: {few: {n: 5, sed: 5}}", r"8: samples.few.sed: .*Did you mean `seed`\?"),
        (
            YAML + "analyses: {few: {kind: profil}}",
            r"8: analyses.few.kind: 'profil' is .*Did you mean `profile`\?",
        ),
        (YAML + "analyses: {q: {kind: sql, query: SELEC 1}}", "8: analyses.q: The query cannot be answered: Parser E"),
        (YAML.replace("latest", "lates"), r"6: files: 'lates' is none of latest, .*Did you mean `latest`\?"),
        (YAML.replace("  files: latest\n", ""), "5: source: 'rivers.*' may match several files"),
        (YAML.replace("team:tests", "me"), "7: owners.0: 'me' is not an e-mail address or `team:name`"),
        (YAML.replace("name: rivers", "name: Rivers"), "3: name: 'Rivers' is not a name of small letters"),
        (YAML.replace("name: rivers", "name: cities"), "3: name: .*cities/defs.yaml declares a dataset of this name"),
        (
            YAML.replace("rivers*.csv", "citi*"),
            "5: source: 'citi.*both match files such as 'cities.csv'",
        ),
        (YAML + "columns: {no: BIGINT}", "8: columns: YAML reads this name as False: put it in quotes"),
        (YAML.replace("Rivers.", ""), "4: description: `description` has no value"),
        (YAML + "partitions: dayly", r"8: partitions: partitions must be daily, .*Did you mean `daily`\?"),
        (YAML + "file_column: file", "8: file_column: only a table with .* rows of several files.$"),
        (YAML + "columns: {a: DECIMAL(9}", "8: columns.a: .*A text with a comma needs quotes within braces"),
        (YAML + "samples:", "8: samples: `samples` has no value: indent the lines that belong to it"),
        (YAML.replace("Rivers.", "'{{ nobody }}'"), "4: description: the template .* filled in: 'nobody' is undefined"),
        (YAML.replace("  description: Rivers.\n", ""), "description: `description` is missing. Describes the dataset"),
    ],
)
def test_wrong_file_is_one_error_with_line_field_and_what_was_meant(
    folder: pathlib.Path, text: str, problem: str
) -> None:
    _declare(folder, "rivers", text)
    with pytest.raises(BrokenDatasetError, match=rf"^{folder}/own/defs/rivers/defs.yaml:.*{problem}") as caught:
        _load(folder)
    assert str(caught.value).count("defs.yaml:") == 1, "the first thing that is wrong, and nothing else"


def test_all_faults_of_a_file_are_named_in_the_order_of_its_lines(folder: pathlib.Path) -> None:
    _declare(folder, "rivers", YAML.replace("team:tests", "me") + "schedule: never\n  colums: {}")
    with pytest.raises(BrokenDatasetError) as caught:
        _load(folder)
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == ["owners.0", "schedule", "colums"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (YAML + "\n\tcolumns: {}", "9:1: this line is indented with a tab: use spaces"),
        (YAML + "key: 'city", "8:8: a quote begins here and does not end"),
        (YAML + "key: 'city's'", "8:14: text after a closing quote"),
        (YAML + 'key: "a\\d"', "8:11: a backslash in double quotes"),
        (YAML + "key: [city\n  pool: heavy", "8:8: a bracket begins here and does not end"),
        (YAML + " key: [city]", "8:4: this line is not indented as the lines above it"),
        (YAML.replace("Rivers.", "Rivers: all"), "4:22: a value with `: ` needs quotes"),
        (YAML.replace("rivers*.csv", "*.csv"), r"5:12: a value that begins with \* needs quotes"),
        (YAML.replace("rivers*.csv", "{{ env.RIVERS }}"), "5:12: a value that begins with { needs quotes"),
        (YAML.replace("Rivers.", "@rivers"), "4:16: a value that begins with this character needs quotes"),
        (YAML.replace("Rivers.", "Fl\xfcsse"), "4:18: this is no UTF-8"),
        (YAML + "columns: {a: BIGINT, a: VARCHAR}", "8:24: this field stands here a second time"),
        ("# nothing", "1: the file is empty. A dataset begins with `type: artifact_pipelines.Data"),
        ("- type", "1: fields such as `name: value` are expected here, not "),
        ("---\n" + YAML + "\n---\n", "11: fields such as `name: value` are expected here, not None"),
        ("attributes: {}", "1: type: `type` is missing"),
        (YAML.replace("artifact_pipelines.", ""), "1: type: Invalid component type name: `DatasetPipeline`"),
        (YAML.replace("DatasetPipeline", "Dataset"), "1: type: .*has no attribute `Dataset`. A dataset begins with"),
        (YAML.replace("attributes", "atributes"), "2: atributes: .*Did you mean `attributes`"),
        ("type: artifact_pipelines.DatasetPipeline\nattributes: [name]", "2: attributes: fields such as"),
        (YAML + "\ntemplate_vars_module: .words", "9: template_vars_module: No module named 'own.defs.rivers.words'"),
        (YAML + "\ntemplate_vars_module: json", "9: template_vars_module: No template vars found in module json"),
        (YAML + "\npost_processing: {asets: []}", "9: asets: there is no field .*Did you mean `assets`"),
        (
            YAML + "\npost_processing:\n  assets:\n    - attributes: {tagz: {a: b}}",
            "11: assets.0.attributes.tagz: there is no field .*Did you mean `tags`",
        ),
    ],
)
def test_file_that_dagster_cannot_read_is_one_error_and_a_server_goes_on(
    folder: pathlib.Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, text: str, problem: str
) -> None:
    _declare(folder, "rivers", "")
    file = folder / "own" / "defs" / "rivers" / "defs.yaml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(BrokenDatasetError, match=rf"^{file}:{problem}[^\n]*[.?]$"):
        _load(folder)
    monkeypatch.setattr("sys.argv", ["dagster", "api", "grpc"])
    definitions = build_definitions(_load(folder), settings)
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    assert {"cities/raw", "cities/table", "rivers/broken"} <= specs.keys()
    assert f"{file}:" in str(specs["rivers/broken"].description)


@pytest.mark.parametrize(("name", "left_out"), [("name: rivers", "rivers"), ("name: ../x", "___x")])
def test_server_goes_on_without_a_dataset_that_is_wrong_and_shows_why(
    folder: pathlib.Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
    left_out: str,
) -> None:
    _declare(folder, "rivers", YAML.replace("name: rivers", name) + "colums: {a: BIGINT}")
    monkeypatch.setattr("sys.argv", ["dagster", "api", "grpc"])
    definitions = build_definitions(_load(folder), settings)
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    assert {"cities/raw", "cities/table", f"{left_out}/broken"} <= specs.keys()
    assert "there is no field `colums`" in str(specs[f"{left_out}/broken"].description)
    assert "rivers/defs.yaml:8: colums: there is no field" in capfd.readouterr().err
    monkeypatch.setenv("DAGSTER_IS_DEFS_VALIDATION_CLI", "1")
    with pytest.raises(BrokenDatasetError):
        _load(folder)
