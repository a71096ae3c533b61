"""A file whose columns are not those of the version before is refused by their names, with some of their values."""

import io
import pathlib
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import xlsxwriter

from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.datasets.exceptions import (
    MalformedRowError,
    NoHeaderError,
    PaddedValuesError,
    SchemaMismatchError,
)
from artifact_pipelines.datasets.interfaces import RawFile
from artifact_pipelines.datasets.reading.contract import Contract, OnSchemaChange, VersionBefore
from artifact_pipelines.datasets.table_reader import open_table
from artifact_pipelines_tests.datasets.reading import FORMAT, read

BEFORE = VersionBefore(4, {"id": "int64", "delay": "int64", "carrier": "string"})


def after(policy: OnSchemaChange = "widen", **fields: Any) -> Contract:
    return Contract(before=BEFORE, on_schema_change=policy, **fields)


def written(frame: pl.DataFrame, file_type: str) -> bytes:
    """Return a file of any format with a table."""
    sink = io.BytesIO()
    if file_type == "csv":
        frame.write_csv(sink)
    elif file_type == "ndjson":
        frame.write_ndjson(sink)
    elif file_type == "parquet":
        frame.write_parquet(sink)
    elif file_type == "arrow":
        frame.write_ipc(sink, compat_level=pl.CompatLevel.oldest())
    else:
        with xlsxwriter.Workbook(sink) as book:
            sheet = book.add_worksheet()
            for place, row in enumerate([frame.columns, *frame.rows()]):
                sheet.write_row(place, 0, row)
    return sink.getvalue()


@pytest.mark.parametrize("file_type", ["csv", "ndjson", "parquet", "arrow", "xlsx"])
def test_new_and_missing_columns_are_named_with_values_in_any_format(tmp_path: pathlib.Path, file_type: str) -> None:
    frame = pl.DataFrame({"ID": [7, 8], "delay": [1, 2], "carrier": ["UA", "AA"], "gate": ["A1", "B2"]})
    with pytest.raises(SchemaMismatchError, match=r"missing 'id' \('id' may be 'ID'\).*'ID' \(such as .*7.*8"):
        read(tmp_path, written(frame, file_type), file_type, contract=after())
    frame = frame.rename({"ID": "id"})
    with pytest.raises(SchemaMismatchError, match=r"new columns 'gate' \(such as .*A1.*B2"):
        read(tmp_path, written(frame, file_type), file_type, contract=after("fail"))
    assert read(tmp_path, written(frame, file_type), file_type, contract=after()).num_rows == 2


def test_a_closed_declaration_refuses_other_columns_in_the_first_file_too(tmp_path: pathlib.Path) -> None:
    data = written(pl.DataFrame({"id": [7], "gate": ["A1"]}), "csv")
    contract = Contract({"id": "BIGINT"}, on_schema_change="declared")
    with pytest.raises(
        SchemaMismatchError, match=r"columns 'gate' \(such as 'A1'\), which the dataset does not declare"
    ):
        read(tmp_path, data, contract=contract)
    assert read(tmp_path, data, contract=Contract({"id": "BIGINT", "gate": "VARCHAR"})).num_rows == 1


@pytest.mark.parametrize("file_type", ["csv", "ndjson", "parquet", "arrow", "xlsx"])
def test_no_rows_take_the_place_of_no_table_unless_allowed(tmp_path: pathlib.Path, file_type: str) -> None:
    empty = pl.DataFrame({"id": [1], "delay": [1], "carrier": ["UA"]}).clear()
    data = written(empty, file_type)
    if file_type == "ndjson":
        return  # it has no columns either: an empty file
    with pytest.raises(SchemaMismatchError, match="columns and no rows, and version 4 is a whole table"):
        read(tmp_path, data, file_type, contract=after())
    for contract in (after(allows_empty=True), after("accept"), Contract()):
        assert read(tmp_path, data, file_type, contract=contract).num_rows == 0


@pytest.mark.parametrize("policy", ["widen", "accept"])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("7,5,UA\n8,5,AA\n", "header"),
        ("2024-01-31,5,UA\n", "header"),
        ("id;delay;carrier\n7;5;UA\n", "one column"),
    ],
)
def test_lost_header_or_delimiter_is_refused_under_any_policy(
    tmp_path: pathlib.Path, text: str, problem: str, policy: OnSchemaChange
) -> None:
    with pytest.raises(SchemaMismatchError, match=problem):
        read(tmp_path, text, contract=after(policy), delimiter=",")


def test_other_columns_are_accepted_where_anything_is(tmp_path: pathlib.Path) -> None:
    assert read(tmp_path, "x,y\n1,2\n", contract=after("accept")).column_names == ["x", "y"]


def test_order_of_columns_is_that_of_the_version_before_and_told(tmp_path: pathlib.Path) -> None:
    (tmp_path / "x").write_text("carrier,gate,id,delay\nUA,A1,7,5\n")
    file = RawFile(tmp_path / "x", "csv", "flights.csv")
    with open_table(file, FORMAT.validate_python({}), after()) as table:
        assert table.reordered == ["carrier", "id", "delay"]
        assert table.batches.read_all().to_pylist() == [{"id": 7, "delay": 5, "carrier": "UA", "gate": "A1"}]
        assert table.batches.schema.names == ["id", "delay", "carrier", "gate"]


def test_other_order_is_a_change_where_none_is_allowed(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SchemaMismatchError, match=r"another order than in version 4: 'delay' \(such as '5'\), 'id'"):
        read(tmp_path, "delay,id,carrier\n5,7,UA\n", contract=after("fail"))
    assert read(tmp_path, "id,delay,carrier\n7,5,UA\n", contract=after("fail")).num_rows == 1


def test_columns_that_differ_in_case_only_are_named_with_values(tmp_path: pathlib.Path) -> None:
    data = written(pl.DataFrame({"id": [1], "ID": [2]}), "parquet")
    with pytest.raises(SchemaMismatchError, match=r"'id' \(such as '1'\), 'ID' \(such as '2'\)"):
        read(tmp_path, data, "parquet")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "Report of 2024\na,b\n1,2\n",
            r"',' cuts every line from line 2 on into several.* set format.skip_lines to 1 in the dataset",
        ),
        ("# 2024\na;b;c\n1;2;3\n4;5;6\n", "set format.skip_lines to 1, or format.comment to '#', in the dataset"),
        ("Report\nof May\n\na;b;c\n1;2;3\n4;5;6\n", "';' cuts every line from line 4 on.* set format.skip_lines to 3"),
        (
            "Report\r\na\tb\r\n1\t2\r\n",
            "'Report', is one value.* set format.delimiter to a character that the file does not have",
        ),
        ("Report of 2024,\na,b\n1,2\n", "'Report of 2024', names one column, and there is a second one with values"),
        ("Report of 2024,,\na,b,c\n1,2,3\n", "columns 2, 3 have no name.*leave out a title"),
    ],
)
def test_title_above_the_header_is_refused_with_what_to_set(tmp_path: pathlib.Path, text: str, problem: str) -> None:
    with pytest.raises(SourceError, match=problem):
        read(tmp_path, text)
    lines = 3 if "May" in text else 1
    assert read(tmp_path, text, skip_lines=lines).column_names[:2] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "file_type", "names"),
    [
        ('"Amount\n(EUR)",Name\n1,a\n2,b\n', "csv", ["Amount\n(EUR)", "Name"]),
        ("\na,b\n1,2\n3,4\n", "csv", ["a", "b"]),
        ("\r\na;b\r\n1;2\r\n3;4\r\n", "csv", ["a", "b"]),
        ("name\nSmith, John\nDoe, Jane\n", "tsv", ["name"]),
    ],
)
def test_name_on_two_lines_a_blank_line_and_a_column_of_texts_are_no_title(
    tmp_path: pathlib.Path, text: str, file_type: str, names: list[str]
) -> None:
    table = read(tmp_path, text, file_type)
    assert (table.column_names, table.num_rows) == (names, 2)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "5,6"])
def test_header_between_the_rows_is_refused_by_line(tmp_path: pathlib.Path, end: str, last: str) -> None:
    text = end.join(["a,b", "xa,b", '"', 'a,b",2', "a,b", last])
    with pytest.raises(MalformedRowError, match=r"line 5: the header once more \('a,b'\)") as caught:
        read(tmp_path, text)
    assert "drop each of them by itself" in str(caught.value)
    assert read(tmp_path, text, contract=Contract(on_bad_rows="quarantine")).num_rows == 2 + bool(last)
    assert read(tmp_path, text, header=False).num_rows == 4 + bool(last)
    assert read(tmp_path, "a\na\n").to_pylist() == [{"a": "a"}]


def test_message_in_place_of_the_data_is_no_column(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SchemaMismatchError, match="it has one line, '404: Not Found', and no rows"):
        read(tmp_path, "404: Not Found")
    assert read(tmp_path, "a\n", columns={"a": "VARCHAR"}).num_rows == 0
    assert read(tmp_path, "a\n", contract=Contract(allows_empty=True)).num_rows == 0
    assert read(tmp_path, "a,b\n").num_rows == 0


def test_mark_of_a_joined_file_is_refused_by_line(tmp_path: pathlib.Path) -> None:
    with pytest.raises(MalformedRowError, match="line 3: a byte order mark between the rows"):
        read(tmp_path, "\ufeffa,b\n1,2\n\ufeffb,a\n3,4\n")


def test_drawn_table_is_no_table_of_one_column(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SchemaMismatchError, match="one column, '.*', where there should be several"):
        read(tmp_path, "+----+------+\n| id | name |\n+----+------+\n|  1 | x    |\n+----+------+\n")


@pytest.mark.parametrize(
    "text", ["1,2\n3,4\n", "2024-01-31,12.5,UA\n2024-02-01,13.5,AA\n", "5\n6\n", "-1.5;a\n2.5;b\n"]
)
@pytest.mark.parametrize("file_type", ["csv", "xlsx"])
def test_first_row_is_no_header(tmp_path: pathlib.Path, text: str, file_type: str) -> None:
    data: Any = text
    if file_type == "xlsx":
        rows = [line.replace(";", ",").split(",") for line in text.splitlines()]
        data = written(pl.DataFrame(rows[1:], rows[0], orient="row"), "xlsx")
    with pytest.raises(NoHeaderError, match="its first line begins with a value, as rows do: '.*header: false"):
        read(tmp_path, data, file_type)
    assert read(tmp_path, data, file_type, header=False).num_rows == 2
    first = text.replace(";", ",").split("\n")[0].split(",")[0]
    if ";" not in text:
        assert read(tmp_path, data, file_type, columns={first: "VARCHAR"}).num_rows == 1


@pytest.mark.parametrize("text", ["0,1,2\n5,6,7\n", "city,2023\nRome,5\n", ",1\n0,5\n", "1st,2nd\n5,6\n"])
def test_names_with_numbers_are_a_header(tmp_path: pathlib.Path, text: str) -> None:
    assert read(tmp_path, text).num_rows == 1


@pytest.mark.parametrize(
    "text", ["a^b\n1^2\n", "a~b\nx~y\n", "a\x01b\n1\x012\n", "lat lon\n5.5 1.5\n6 2\n", "a  b\n 1 2\n"]
)
def test_rare_delimiters_are_no_column(tmp_path: pathlib.Path, text: str) -> None:
    with pytest.raises(SchemaMismatchError, match="it has one column, '.*', where there should be several"):
        read(tmp_path, text)


@pytest.mark.parametrize("text", ["full name\nJohn Smith\n", "x^2\n4\n9\n", "a~b\nx\n", "two words\n5\n"])
def test_words_of_one_column_are_one_column(tmp_path: pathlib.Path, text: str) -> None:
    assert len(read(tmp_path, text).column_names) == 1


def test_one_column_whose_values_hold_a_delimiter_is_read_where_it_is_known(tmp_path: pathlib.Path) -> None:
    text = "name\nRome; Oslo\nBonn; Kyiv\n"
    with pytest.raises(SourceError, match="';' cuts every line from line 2 on"):
        read(tmp_path, text)
    assert read(tmp_path, text, columns={"name": "VARCHAR"}) == read(tmp_path, text, delimiter=",")
    assert read(tmp_path, text + "Paris\n").num_rows == 3
    assert read(tmp_path, "name,\nRome,\n").to_pylist() == [{"name": "Rome", "": None}]


def test_file_of_one_column_by_another_delimiter_is_refused_at_once(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SchemaMismatchError, match=r"format\.delimiter"):
        read(tmp_path, "a;b\n1;2\n3;4\n", delimiter=",")
    assert read(tmp_path, "a;b\n1;2\n3;4\n", delimiter=",", columns={"a;b": "VARCHAR"}).num_rows == 2


@pytest.mark.parametrize("text", ["a, b\n1, 2\n", "a ;b ;c\n1 ;2 ;3\n", "a | b | c\n1 | 2 | 3\n"])
def test_spaces_around_delimiters_are_refused_until_they_are_declared(tmp_path: pathlib.Path, text: str) -> None:
    with pytest.raises(PaddedValuesError, match="has spaces around its delimiters: its columns are 'a.*`trim: true`"):
        read(tmp_path, text)
    table = read(tmp_path, text, trim=True)
    assert set(table.schema.types) == {pa.int64()}
    assert table.schema.names == list("abc")[: len(table.schema.names)]
    name = text.split("\n")[0].replace("|", ";").replace(",", ";").split(";")[1]
    assert read(tmp_path, text, columns={name: "VARCHAR"}).num_rows == 1


def test_delimiter_of_several_characters_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SchemaMismatchError, match="seems to have several characters, with '~' on both sides"):
        read(tmp_path, "a~|~b~|~c\n1~|~2~|~3\n")


def test_another_quote_is_refused_until_it_is_declared(tmp_path: pathlib.Path) -> None:
    text = "'a','b','c'\n'1','2','3'\n"
    with pytest.raises(SchemaMismatchError, match='"\'" seems to enclose values.*Set format.quote to "\'"'):
        read(tmp_path, text)
    assert read(tmp_path, text, type="csv", quote="'").to_pylist() == [{"a": 1, "b": 2, "c": 3}]
