"""`artifact-pipelines datasets infer` writes a YAML file that reads the file again to the same table."""

import pathlib

import pyarrow as pa
import pyarrow.parquet
import pytest
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


def test_column_of_a_type_without_a_name_stays_open(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "nested.parquet"
    pyarrow.parquet.write_table(pa.table({"a": [1], "b": [{"x": 1}]}), path)
    dataset = DatasetPipeline.model_validate(yaml.safe_load(infer(path))["attributes"])
    assert list(dataset.columns) == ["a"]


@pytest.mark.parametrize(("name", "text"), [("a.csv", "a,b\n1\n"), ("a.odd", "a")])
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
