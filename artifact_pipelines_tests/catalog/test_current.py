"""Only one module changes what is current."""

import ast
import pathlib
from collections.abc import Iterator

import artifact_pipelines

_COLUMNS = {"is_current", "current_since", "current_until", "publication"}
_PACKAGE = pathlib.Path(artifact_pipelines.__file__).parent


def _columns_written_by(path: pathlib.Path) -> Iterator[str]:
    """Yield the columns that a module names in `.values(...)`, or as keys of a row."""
    text = path.read_text()
    if not any(column in text for column in _COLUMNS):
        return  # to parse it would take longer
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "values":
            yield from (keyword.arg for keyword in node.keywords if keyword.arg)
        elif isinstance(node, ast.Dict):
            yield from (str(key.value) for key in node.keys if isinstance(key, ast.Constant))


def test_only_one_module_writes_the_columns_of_what_is_current() -> None:
    writers = {path.name for path in _PACKAGE.rglob("*.py") if _COLUMNS.intersection(_columns_written_by(path))}
    assert writers == {"current.py"}
