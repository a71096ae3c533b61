"""What is used of Dagster's inside is where it was. Nothing here imports it by way of the package."""

import ast
import importlib
import pathlib
from collections.abc import Iterator

import dagster as dg

import artifact_pipelines

PACKAGE = pathlib.Path(artifact_pipelines.__file__).parent
INTERNALS = PACKAGE / "io_manager" / "dagster_internals.py"


def private_imports(path: pathlib.Path) -> Iterator[tuple[str, str]]:
    """Yield module and name of what a file imports from the inside of Dagster."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        for name in names:
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else name
            if module.split(".")[0].startswith("dagster") and ("._" in module or module.startswith("dagster_shared")):
                yield module, name


def test_what_is_used_of_dagsters_inside_is_where_it_was() -> None:
    used = list(private_imports(INTERNALS))
    assert used
    moved = [f"{name} of {module}" for module, name in used if not _is_there(module, name)]
    assert not moved, (
        f"Dagster {dg.__version__} has moved {', '.join(moved)}. Look in its source for where that is now, or for a "
        f"public name, and mend {INTERNALS.name}; until then users need an older Dagster."
    )


def test_nothing_else_imports_dagsters_inside() -> None:
    found = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if [*private_imports(path)]}
    assert found == {"io_manager/dagster_internals.py"}


def _is_there(module: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        return False
