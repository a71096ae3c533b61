"""What people and programs see: progress, and values that cannot steer the terminal."""

import contextlib
import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence

import pytest

from artifact_pipelines_tests.cli.commands import run, run_json

_RUN = """
import sys
from artifact_pipelines.cli.main import main
for command in {commands}:
    main(command, standalone_mode=False)
    print(end="\\f", file=sys.stderr, flush=True)
"""


def run_watched(*commands: Sequence[object]) -> tuple[list[str], bytes]:
    """Run commands with a terminal as standard error.

    Returns what the terminal shows while each of them runs, and standard output.
    """
    code = _RUN.format(commands=[[str(argument) for argument in command] for command in commands])
    terminal, standard_error = os.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        printed = subprocess.run(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=standard_error,
            check=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        ).stdout
        os.close(standard_error)
        seen = b""
        with contextlib.suppress(OSError):  # raised at the end of a terminal without a writer
            while piece := screen.read(1 << 16):
                seen += piece
    return seen.decode().split("\f")[:-1], printed


def test_terminal_shows_bars_that_count_bytes_and_that_a_store_is_verified(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "[b]large.bin"
    path.write_bytes(bytes(3_000_000))
    shown, _ = run_watched(("put", path), ("put", path), ("get", 1, "-o", tmp_path / "out"), ("verify",))
    for seen, name in zip(shown, ("[b]large.bin", "[b]large.bin", "out", "Verifying"), strict=True):
        assert name in seen
        assert "3.0/3.0 MB" in seen
    assert (tmp_path / "out").stat().st_size == 3_000_000


def test_programs_see_no_progress_bar(csv: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert run_json("put", csv)["file_id"] == 1, "the runner mixes both streams"
    seen, printed = run_watched(("get", 1))
    assert (seen, printed) == ([""], csv.read_bytes()), "the other end of a pipe may be the same terminal"


@pytest.mark.usefixtures("store")
def test_values_cannot_steer_the_terminal() -> None:
    printed = run("sql", "SELECT chr(27) || '[2Ja' AS \"x\x1b[31m\", chr(8238) || 'b' AS y")
    assert "\\x1b[2Ja" in printed
    assert "x\\x1b[31m" in printed
    assert "\\u202eb" in printed
    assert "no \\x1b]2J" in run("history", "no \x1b]2J", code=2)
    assert "no \\x1b2J" in run("history", "no \x1b2J", code=3)
