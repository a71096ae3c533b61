"""The command diff."""

import pytest

from artifact_pipelines_tests.cli.commands import run


@pytest.mark.usefixtures("towns")
def test_diff_compares_any_two_tables() -> None:
    lines = run("diff", "towns/table@v1", "towns/table", "--key", "x").splitlines()
    assert "rows: 2 added, 1 removed, 0 changed" in lines
    assert "a stored table" in run("diff", "towns/table", "towns/report", code=2)
