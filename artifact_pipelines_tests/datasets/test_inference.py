"""`artifact-pipelines datasets infer` writes a YAML file that reads the file again to the same table."""

import gzip
import pathlib

import pyarrow as pa
import pyarrow.parquet
import pytest
import xlsxwriter
import yaml
from click.testing import CliRunner

from artifact_pipelines import DatasetPipeline
from artifact_pipelines.cli.main import main
from artifact_pipelines.datasets.interfaces import RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.table_reader import open_table

CSV = "id;price;day;at;late;a: b\n1;1.50;2024-01-31;2024-01-31T10:00:00Z;true;x #\n2;;2024-02-01;;false;y\n"


def infer(path: pathlib.Path) -> str:
    done = CliRunner().invoke(main, ["datasets", "infer", str(path)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_inferred_dataset_reads_its_file_to_the_same_table(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "2024 Flights.csv"
    path.write_text(CSV)
    text = infer(path)
    dataset = DatasetPipeline.model_validate(yaml.safe_load(text)["attributes"])
    types = {name: declared.type for name, declared in dataset.columns.items()}
    assert types == {
        "id": "BIGINT",
        "price": "DECIMAL(18,2)",
        "day": "DATE",
        "at": "TIMESTAMPTZ",
        "late": "BOOLEAN",
        "a: b": "VARCHAR",
    }
    assert (dataset.name, dataset.source) == ("data_2024_flights", path.name)
    assert '# 1 null, such as "1.50"' in text
    assert "all 2 rows" in text
    declared = Contract.declared(dataset.columns, (), "widen")
    with (
        open_table(RawFile(path, "csv", path.name), dataset.format, declared) as again,
        open_table(RawFile(path, "csv", path.name), dataset.format, Contract()) as found,
    ):
        assert again.batches.read_all() == found.batches.read_all()


def test_file_without_a_header_is_declared_so(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("2024-01-31;5\n2024-02-01;6\n")
    text = infer(path)
    assert "# Found on all 2 rows of sales.csv." in text
    assert "# The first line is taken for a row, because it begins with a value." in text
    dataset = DatasetPipeline.model_validate(yaml.safe_load(text)["attributes"])
    contract = Contract.declared(dataset.columns, (), "widen")
    with open_table(RawFile(path, "csv", path.name), dataset.format, contract) as table:
        assert [str(kind) for kind in table.batches.schema.types] == ["date32[day]", "int64"]
        assert table.batches.read_all().num_rows == 2


def test_title_above_the_header_is_declared_so(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("Sales of May\n\nday;n\n2024-01-31;5\n2024-02-01;6\n")
    text = infer(path)
    assert "# The header is taken to be line 3, below a title. If 'Sales of May' names the only column, set a" in text
    dataset = DatasetPipeline.model_validate(yaml.safe_load(text)["attributes"])
    contract = Contract.declared(dataset.columns, (), "widen")
    with open_table(RawFile(path, "csv", path.name), dataset.format, contract) as table:
        assert table.batches.read_all().column_names == ["day", "n"]


def test_name_of_a_column_over_two_lines_is_one_key(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text('"Amount\n(EUR)",a\u2028b\n1,2\n')
    columns = yaml.safe_load(infer(path))["attributes"]["columns"]
    assert columns == {"Amount\n(EUR)": "BIGINT", "a\u2028b": "BIGINT"}


def test_column_of_a_type_without_a_name_stays_open(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "nested.parquet"
    pyarrow.parquet.write_table(pa.table({"a": [1], "b": [{"x": 1}]}), path)
    dataset = DatasetPipeline.model_validate(yaml.safe_load(infer(path))["attributes"])
    assert list(dataset.columns) == ["a"]


def test_file_of_an_office_is_read_and_its_guesses_are_said(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes("Größe;Tag;Betrag;Note\n1;31.01.2024;8,50;1,5\n2;01.02.2024;;gut\n".encode("windows-1252"))
    text = infer(path)
    dataset = DatasetPipeline.model_validate(yaml.safe_load(text)["attributes"])
    assert list(dataset.columns) == ["Größe", "Tag", "Betrag", "Note"]
    assert list(dataset.analyses) == ["profile"]
    assert "# The encoding windows-1252 is a guess" in text
    [day, amount] = [line.split("if so meant: ") for line in text.splitlines() if "meant" in line]
    assert ("Tag" in day[0], yaml.safe_load(day[1])) == (True, {"type": "DATE", "format": "%d.%m.%Y"})
    assert ("Betrag" in amount[0], yaml.safe_load(amount[1])) == (
        True,
        {"type": "DECIMAL(18,2)", "decimal_mark": ","},
    )


def test_first_sheet_of_several_is_taken_and_the_others_are_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "staff.xlsx"
    with xlsxwriter.Workbook(path) as book:
        for sheet in ("People", "Notes"):
            book.add_worksheet(sheet).write_column(0, 0, [f"{sheet} name", "x"])
    text = infer(path)
    dataset = DatasetPipeline.model_validate(yaml.safe_load(text)["attributes"])
    assert (dataset.format.model_dump()["sheet"], list(dataset.columns)) == ("People", ["People name"])
    assert "# The sheet is the first of People, Notes." in text


def test_one_file_may_need_several_guesses(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "bank.csv.gz"
    path.write_bytes(gzip.compress("Konto\n\nTag;Größe\nd;cm\n1;0\n2;5\n3;7\n".encode("windows-1252")))
    text = infer(path)
    dataset = DatasetPipeline.model_validate(yaml.safe_load(text)["attributes"])
    assert list(dataset.columns) == ["Tag_d", "Größe_cm"]
    found = dataset.format.model_dump(include={"encoding", "skip_lines", "header"})
    assert found == {"encoding": "windows-1252", "skip_lines": 2, "header": 2}
    assert "# The header is taken to be line 3" in text
    assert "# The encoding windows-1252 is a guess" in text
    assert "# Line 4 is taken for a part of the header" in text


@pytest.mark.parametrize("name", ["sales.txt", "sales", "sales.gz"])
def test_file_whose_name_says_no_type_is_taken_for_csv(tmp_path: pathlib.Path, name: str) -> None:
    (tmp_path / name).write_text("day;n\n2024-01-31;5\n")
    text = infer(tmp_path / name)
    assert DatasetPipeline.model_validate(yaml.safe_load(text)["attributes"]).format.tag() == "csv"
    assert "# The type is a guess" in text


def test_line_of_units_is_a_part_of_the_header(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "lab.csv"
    path.write_text("time,speed\ns,m/s\n" + "1,0.5\n" * 3)
    text = infer(path)
    assert list(DatasetPipeline.model_validate(yaml.safe_load(text)["attributes"]).columns) == ["time_s", "speed_m/s"]
    assert "# Line 2 is taken for a part of the header, such as units." in text


def test_words_for_null_above_numbers_are_no_units(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "lags.csv"
    path.write_text("city,lag,change\nRome,NA,NaN\n" + "Oslo,1,0.5\n" * 3)
    text = infer(path)
    dataset = DatasetPipeline.model_validate(yaml.safe_load(text)["attributes"])
    assert (dataset.format.model_dump()["null_values"], list(dataset.columns)) == (
        ["NA", "NaN"],
        ["city", "lag", "change"],
    )
    assert "# Found on all 4 rows" in text
    assert "# Null is taken to be 'NA', 'NaN'." in text


def test_rows_of_an_object_are_taken_from_its_longest_list(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "answer.json"
    path.write_text('{"errors": [{"code": 1}], "data": {"items": [{"id": 1}, {"id": 2}]}}')
    text = infer(path)
    dataset = DatasetPipeline.model_validate(yaml.safe_load(text)["attributes"])
    assert (dataset.format.model_dump()["rows_at"], list(dataset.columns)) == ("data.items", ["id"])
    assert "# The rows are taken from 'data.items', the longest list of objects; others are 'errors'." in text


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "a,b\n1\n"), ("a.odd", "a"), ("a.json", '{"a": [1, 2], "b": [3, 4]}')]
)
def test_a_file_that_is_no_table_infers_nothing(tmp_path: pathlib.Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    done = CliRunner().invoke(main, ["datasets", "infer", str(tmp_path / name)])
    assert (done.exit_code, done.stdout) == (5, "")
    assert name in done.stderr


def test_a_value_or_a_name_with_odd_line_ends_adds_nothing_to_the_yaml(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "odd\u2028    evil: DATE\n    worse: DATE.csv"
    path.write_text("a\nx\u2028    evil: DATE\n")
    loaded = yaml.safe_load(infer(path))["attributes"]
    assert (list(loaded["columns"]), loaded["source"]) == (["a"], path.name)
