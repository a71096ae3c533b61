"""The command rm."""

import click
import click.testing
import pytest

from artifact_pipelines.cli.main import main
from artifact_pipelines_tests.cli.commands import run, run_json


@pytest.mark.usefixtures("towns")
def test_rm_releases_all_versions_once_nothing_is_pinned_and_restore_takes_it_back() -> None:
    refused = run("rm", "towns/table", "--yes", code=2)
    assert "nothing was released: towns/table version 1" in refused
    assert "artifact-pipelines unpin towns/table --version 1" in refused
    run("unpin", "towns/table")

    asked = click.testing.CliRunner().invoke(main, ["rm", "towns"], input="n\n")
    assert (asked.exit_code, "Release 4 versions of 2 assets?" in asked.output) == (1, True)
    assert len(run_json("ls")) == 2

    done = run_json("rm", "towns", "--yes")
    assert {row["asset"]: row["versions"] for row in done["released"]} == {"towns/report": 2, "towns/table": 2}
    assert (done["gc_frees"]["files"], done["kept"]) == (4, [])
    assert run_json("ls") == []
    run("restore", "towns/table")
    assert [row["asset"] for row in run_json("ls")] == ["towns/table"]


@pytest.mark.usefixtures("towns")
def test_rm_keeps_what_other_assets_were_made_from_and_says_so() -> None:
    run("unpin", "towns/table")
    printed = run("rm", "towns/table", "--yes")
    assert "Not released: towns/table version 2, input of towns/report version 2" in printed
    assert [row["asset"] for row in run_json("ls")] == ["towns/report"]
    assert "Did you mean towns/report" in run("rm", "towns/reprot", "--yes", code=3)
