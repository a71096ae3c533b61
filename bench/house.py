"""The structure of the package in figures: its size, its functions, and the way of one value down and up.

Measures this checkout or another one, such as an older commit in a worktree. Two figures come from a run of its code:
an asset that returns a polars DataFrame is materialized and loaded by a second one.
"""

import argparse
import ast
import contextlib
import io
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import tokenize
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any
from unittest import mock

PACKAGE = "artifact_pipelines"
_ROOT = "(modules at the root)"
_IO_MANAGER = f"{PACKAGE}.io_manager"
_EDGE = (f"io_manager{os.sep}", f"handlers{os.sep}")
_ROWS = 1_000_000  # 8 MB that no codec makes smaller: more than a writer buffers
_NO_CODE = (tokenize.COMMENT, tokenize.ENCODING, tokenize.ENDMARKER)
_WRITES = ("write", "writev", "pwrite", "pwritev", "sendfile", "copy_file_range")


def main() -> None:
    """Print the figures of a checkout as a table, or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", nargs="?", default=pathlib.Path.cwd(), type=pathlib.Path, help="default: here")
    parser.add_argument("--json", action="store_true", help="with the names behind the figures of the run")
    parser.add_argument("--trace", action="store_true", help=argparse.SUPPRESS)  # in the child process
    arguments = parser.parse_args()
    checkout = arguments.checkout.resolve()
    if arguments.trace:
        print(json.dumps(trace(checkout / PACKAGE)))
        return
    figures = measure(checkout)
    print(json.dumps(figures, indent=2) if arguments.json else "\n".join(table(figures)))


def measure(checkout: pathlib.Path) -> Mapping[str, Any]:
    """Return all figures of a checkout.

    Raises:
        SystemExit: The folder holds no checkout.
    """
    package = checkout / PACKAGE
    paths = [path for path in sorted(package.rglob("*.py")) if "migrations" not in path.relative_to(package).parts]
    if not paths:
        raise SystemExit(f"{checkout} has no folder {PACKAGE} with Python files: name the folder of a checkout")
    texts = {path.relative_to(checkout): path.read_text() for path in paths}
    trees = {path: ast.parse(text) for path, text in texts.items()}
    lines = [count for tree in trees.values() for count in function_lines(tree)]
    return {
        "packages": package_sizes(texts),
        "functions": {
            "count": len(lines),
            "median_lines": statistics.median(lines),
            "p95_lines": statistics.quantiles(lines, n=20)[-1],
            "longest_lines": max(lines),
        },
        "arrows_inside_io_manager": len(set(arrows_inside(_IO_MANAGER, trees))),
        **_traced(checkout),
    }


def package_sizes(texts: Mapping[pathlib.Path, str]) -> Mapping[str, Mapping[str, int]]:
    """Return the number of files, lines and lines of code of each package."""
    sizes: dict[str, dict[str, int]] = {}
    for path, text in texts.items():
        name = path.parts[1] if len(path.parts) > 2 else _ROOT
        size = sizes.setdefault(name, {"files": 0, "lines": 0, "code": 0})
        size["files"] += 1
        size["lines"] += text.count("\n")
        size["code"] += count_code(text)
    return sizes


def count_code(text: str) -> int:
    """Return the lines of a module without blank lines, comments and docstrings, those of attributes included."""
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE and token.string.strip():
            code.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            code.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(code)


def function_lines(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of each function and method, from `def` to its end, without its docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield _lines(node) - (_lines(node.body[0]) if ast.get_docstring(node, clean=False) is not None else 0)


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def arrows_inside(package: str, trees: Mapping[pathlib.Path, ast.Module]) -> Iterator[tuple[str, str]]:
    """Yield importer and imported for each import of a module of a package by another one of it."""
    modules = {".".join(path.with_suffix("").parts): tree for path, tree in trees.items()}
    inside = {name for name in modules if name.startswith(f"{package}.")}
    for name in inside:
        for imported in _imported_names(modules[name]):
            if imported in inside:
                yield name, imported


def _imported_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _traced(checkout: pathlib.Path) -> Mapping[str, Any]:
    """Run the code of a checkout in a process of its own, in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        answer = subprocess.run(
            [sys.executable, "-W", "ignore", __file__, str(checkout), "--trace"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(checkout), "DAGSTER_HOME": ""},
            capture_output=True,
            text=True,
        )
    if answer.returncode:
        raise SystemExit(f"the code of {checkout} does not run:\n{answer.stderr}")
    figures: Mapping[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return figures


def trace(package: pathlib.Path) -> Mapping[str, Any]:
    """Store and load a frame with the importable code, and return the figures of its way down and up.

    Args:
        package: Folder that the code must come from.
    """
    from artifact_pipelines import ArtifactIOManager

    origin = sys.modules[PACKAGE].__file__
    if origin != str(package / "__init__.py"):
        raise SystemExit(f"{PACKAGE} comes from {origin}, not from {package}")
    own = OwnFrames(package)
    for name in ("warm-up", "counted"):  # the first run imports modules
        writes, loads = Writes(own), Loads(own)
        with writes.watched(), loads.watched(ArtifactIOManager):
            store_and_load(pathlib.Path(name).resolve())
    if not writes.deepest or not loads.files:
        raise SystemExit("no write or no load was seen: this measurement does not fit the code")
    edge = [file for file, _ in itertools.groupby(file for file in loads.files if file.startswith(_EDGE))]
    return {
        "frames_to_write": len(writes.deepest),
        "load_files": len(set(loads.files)),
        "load_returns": len(loads.files) - len(set(loads.files)),
        "load_edge_files": len(set(edge)),
        "load_edge_returns": len(edge) - len(set(edge)),
        "frames": writes.deepest,
        "visits": loads.files,
    }


def store_and_load(folder: pathlib.Path) -> None:
    """Materialize a polars DataFrame and an asset that loads it, on a store in a folder."""
    import dagster as dg
    import polars as pl

    from artifact_pipelines import ArtifactIOManagerFactory

    @dg.asset
    def table() -> pl.DataFrame:
        return pl.DataFrame({"number": range(_ROWS)}).select(pl.col("number").cast(pl.Float64).sin())

    @dg.asset
    def total(table: pl.DataFrame) -> None:
        assert table.height == _ROWS

    io_manager = ArtifactIOManagerFactory(catalog_url=f"sqlite:///{folder}/catalog.db", storage_url=f"{folder}/store")
    quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    assert dg.materialize([table, total], resources={"io_manager": io_manager}, run_config=quiet).success


class OwnFrames:
    """Finds the stack frames that belong to a package."""

    def __init__(self, package: pathlib.Path) -> None:
        self._prefix = f"{package}{os.sep}"

    def file(self, frame: FrameType | None) -> str | None:
        """Return the file of a frame below the package, or None for a frame of other code."""
        name = frame.f_code.co_filename if frame else ""
        return name.removeprefix(self._prefix) if name.startswith(self._prefix) else None

    def below(self, function: str, frame: FrameType) -> Sequence[str]:
        """Return the own frames from the call of a function in the main thread down to a frame.

        Another thread writes while the main thread waits for it: its frames come below those of the main thread.
        """
        stack = self._stack(frame)
        if threading.current_thread() is not threading.main_thread():
            waiting = sys._current_frames()[threading.main_thread().ident or 0]
            stack = [*self._stack(waiting), *stack]
        names = [name.rpartition(".")[2] for name in stack]
        return stack[names.index(function) :] if function in names else []

    def _stack(self, frame: FrameType | None) -> list[str]:
        stack = []
        while frame is not None:
            if file := self.file(frame):
                stack.append(f"{file} {frame.f_code.co_qualname}")
            frame = frame.f_back
        return stack[::-1]


class Writes:
    """Watches the system calls that write, under the names that `os` gives them.

    Attributes:
        deepest: The longest stack of own frames from `handle_output` to a call.
    """

    def __init__(self, own: OwnFrames) -> None:
        self._own = own
        self.deepest: Sequence[str] = []

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Watch until the context ends."""
        with contextlib.ExitStack() as stack:
            for name in _WRITES:
                stack.enter_context(mock.patch.object(os, name, self._noticing(getattr(os, name))))
            yield

    def _noticing(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def noticed(*arguments: Any, **options: Any) -> Any:
            caller = sys._getframe(1)
            if self._own.file(caller):
                self.deepest = max(self.deepest, self._own.below("handle_output", caller), key=len)
            return write(*arguments, **options)

        return noticed


class Loads:
    """Watches the calls of `load_input`.

    Attributes:
        files: The own files that were entered, one after the other. A file that was left is entered again by a call of
            one of its functions, not by a return.
    """

    def __init__(self, own: OwnFrames) -> None:
        self._own = own
        self.files: list[str] = []

    @contextlib.contextmanager
    def watched(self, io_manager: Any) -> Iterator[None]:
        """Watch the loads of an IO manager's class until the context ends."""
        load = io_manager.load_input

        def profiled(*arguments: Any) -> Any:
            sys.setprofile(self._notice)
            try:
                return load(*arguments)
            finally:
                sys.setprofile(None)

        with mock.patch.object(io_manager, "load_input", profiled):
            yield

    def _notice(self, frame: FrameType, event: str, _: object) -> None:
        file = self._own.file(frame)
        if event == "call" and file and self.files[-1:] != [file]:
            self.files.append(file)


def table(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield the figures as lines of text."""
    sizes: Mapping[str, Mapping[str, int]] = figures["packages"]
    total = {unit: sum(size[unit] for size in sizes.values()) for unit in ("files", "lines", "code")}
    yield f"{'package':28} {'files':>6} {'lines':>7}    without docstrings, comments and blank lines"
    for name, size in [*sizes.items(), ("all, without migrations", total)]:
        yield f"{name:28} {size['files']:6} {size['lines']:7,} {size['code']:7,}"
    yield ""
    functions = figures["functions"]
    yield f"{functions['count']:6,} functions"
    yield f"{functions['median_lines']:6.0f} lines of a function, median, without docstring"
    yield f"{functions['p95_lines']:6.0f} lines, 95th percentile"
    yield f"{functions['longest_lines']:6.0f} lines, the longest"
    yield f"{figures['arrows_inside_io_manager']:6} imports of one module of io_manager/ by another"
    yield f"{figures['frames_to_write']:6} own stack frames from handle_output to the write"
    yield f"{figures['load_files']:6} own files entered by one load"
    yield f"{figures['load_returns']:6} times it comes back to a file that it had left"
    yield f"{figures['load_edge_files']:6} of these files are in io_manager/ and handlers/"
    yield f"{figures['load_edge_returns']:6} times it comes back to one of them, others left out"


if __name__ == "__main__":
    main()
