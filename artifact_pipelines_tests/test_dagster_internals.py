"""The internals of Dagster that the package uses exist. These tests import them directly, not through the package."""

import ast
import importlib
import inspect
import pathlib
from collections.abc import Iterator

import dagster as dg
import pytest

import artifact_pipelines
from artifact_pipelines.instance import code_server

PACKAGE = pathlib.Path(artifact_pipelines.__file__).parent
# Only the process that is copied for runs imports the second: it brings Dagster's server.
INTERNALS = ("instance/dagster_internals.py", "warm_definitions.py")


def private_imports(path: pathlib.Path) -> Iterator[tuple[str, str]]:
    """Yield module and name of every internal of Dagster that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        for name in names:
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else name
            if module.split(".")[0].startswith("dagster") and ("._" in module or module.startswith("dagster_shared")):
                yield module, name


@pytest.mark.parametrize("path", INTERNALS)
def test_used_internals_of_dagster_exist(path: str) -> None:
    used = list(private_imports(PACKAGE / path))
    assert used
    moved = [f"{name} of {module}" for module, name in used if not _exists(module, name)]
    assert not moved, (
        f"Dagster {dg.__version__} has moved {', '.join(moved)}. Find the new place, or a public name, in its source, "
        f"and fix {path}. Until then, users need an older Dagster."
    )


def test_no_other_module_imports_internals_of_dagster() -> None:
    found = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if [*private_imports(path)]}
    assert found == {*INTERNALS}


def test_code_server_names_the_threads_that_it_ends_first() -> None:
    source = inspect.getsource(importlib.import_module("dagster._grpc.server"))
    assert [name for name in code_server.THREADS if f'name="{name}"' not in source] == []


def _exists(module: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        return False
