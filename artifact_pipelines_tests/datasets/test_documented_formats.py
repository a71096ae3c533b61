"""The tables of types, formats and their fields in docs/datasets.md are true."""

import pathlib
import re
from collections.abc import Sequence

import pytest

from artifact_pipelines.datasets.formats.csv import CsvOptions
from artifact_pipelines.datasets.formats.excel import Excel
from artifact_pipelines.datasets.interfaces import IFileFormat
from artifact_pipelines.datasets.registry import FORMATS
from artifact_pipelines_tests.datasets.reading import read
from artifact_pipelines_tests.datasets.test_any_table import is_same

TEXT = (pathlib.Path(__file__).parents[2] / "docs" / "datasets.md").read_text()


def cells(after: str, header: str) -> list[Sequence[str]]:
    """Return the rows of the first table with a header behind a text."""
    lines = TEXT.partition(after)[2].partition(f"| {header} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


TYPE_TABLE = cells("## Types", "texts such as | type | if all texts of the column are")
TYPES = [(code(examples), *code(kind)) for examples, kind, _ in TYPE_TABLE]
FIELDS = "field of `format` | meaning | default"


@pytest.mark.parametrize(("texts", "kind"), TYPES)
def test_texts_are_of_the_documented_type(tmp_path: pathlib.Path, texts: list[str], kind: str) -> None:
    together = read(tmp_path, "\n".join(["x", *(f'"{text}"' for text in texts)]))["x"]
    assert str(together.type) == kind
    assert all(map(is_same, together.to_pylist(), texts))


@pytest.mark.parametrize("text", next(texts for texts, kind in TYPES if kind == "string")[:-1])
def test_text_alone_is_text(tmp_path: pathlib.Path, text: str) -> None:
    assert read(tmp_path, f'x\n"{text}"\n')["x"].to_pylist() == [text]


def test_each_format_is_documented_with_its_extensions() -> None:
    documented = {}
    for types, extensions, _ in cells("## Formats", "type | extensions | read as"):
        shown = extensions.split("; ")
        for place, tag in enumerate(code(types)):
            documented[tag] = shown[place] if len(shown) > 1 else extensions
    assert documented == {each.tag(): ", ".join(each.EXTENSIONS) or "none: declare it" for each in FORMATS}


@pytest.mark.parametrize(("after", "model"), [("**CSV.**", CsvOptions), ("**Excel.**", Excel)])
def test_each_field_of_a_format_is_documented(after: str, model: type[IFileFormat]) -> None:
    names = [name for fields, *_ in cells(after, FIELDS) for name in code(fields)]
    assert sorted(names) == sorted(model.model_fields.keys() - {"type"})
