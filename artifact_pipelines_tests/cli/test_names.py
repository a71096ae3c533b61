"""Commands on stored things take any name; rm, open, cat, diff, completion; what every command has."""

import ast
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import click
import click.testing
import dagster as dg
import pandas as pd
import polars as pl
import pytest

from artifact_pipelines import ArtifactIOManager, Store, open_store
from artifact_pipelines.cli.main import main
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.factory import open_backend
from artifact_pipelines_tests.cli.commands import run, run_json
from artifact_pipelines_tests.saved_store import copy_saved, settings_in


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """`towns/table` with two versions, of which the first is pinned, and `towns/report`, made from the second."""
    frames = iter([pl.DataFrame({"x": [1, 2]}), pl.DataFrame({"x": [2, 3, 4]})])

    @dg.asset(key=["towns", "table"])
    def table() -> pl.DataFrame:
        return next(frames)

    @dg.asset(key=["towns", "report"], ins={"table": dg.AssetIn(["towns", "table"])})
    def report(table: pl.DataFrame) -> str:
        return f"{table.height} rows\n"

    folder = tmp_path_factory.mktemp("towns")
    urls = settings_in(folder)
    with open_store(urls.catalog_url, urls.storage_url) as store:
        producer = ArtifactProducer(store.catalog.files, open_backend(urls.storage_url))
        for _ in range(2):
            dg.materialize([table, report], resources={"io_manager": ArtifactIOManager(store.catalog, producer)})
        store.catalog.pins_and_tags.pin("towns/table", version=1)
    return folder


@pytest.fixture
def table(filled: pathlib.Path, tmp_path: pathlib.Path) -> Iterator[Store]:
    copy_saved(filled, tmp_path)
    with open_store() as store:
        yield store


def test_every_help_has_examples_that_name_options_of_the_command() -> None:
    for path, command in commands():
        printed = run(*path, "--help")
        assert "Examples:\n    " in printed, path
        names = [f"artifact-pipelines {' '.join(path)}", f"artifact-pipelines {path[-1]} "]  # `datasets diff` is `diff`
        examples = [line for line in printed.splitlines() if any(name in line for name in names)]
        assert examples, path
        words = " ".join(examples).translate(str.maketrans("'\"()", "    ")).split()
        options = {name for one in command.params for name in one.opts}
        if not isinstance(command, click.Group):
            assert {word for word in words if word.startswith("--")} <= options, path


def test_every_command_that_prints_data_prints_json_too() -> None:
    without = {
        " ".join(path)
        for path, command in commands()
        if not isinstance(command, click.Group) and not any("--json" in one.opts for one in command.params)
    }
    assert without <= {"cat", "completion", "serve"}  # bytes, a script, and a server


def test_help_loads_neither_dagster_nor_an_engine_nor_the_catalog() -> None:
    code = (
        "import sys; from artifact_pipelines.cli.main import main; main(['ls', '--help'], standalone_mode=False); "
        "print(sorted({'dagster', 'duckdb', 'polars', 'pyarrow', 'rich.console', 'sqlalchemy'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert ast.literal_eval(printed.splitlines()[-1]) == []


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("name", ["towns/table", "towns/table@v2", "{file_id}"])
@pytest.mark.parametrize("command", ["get", "show", "pin", "history", "lineage", "verify", "open"])
def test_commands_take_an_asset_a_version_or_a_file_id(
    command: str, name: str, table: Store, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    name = name.format(file_id=table.find("towns/table").file.file_id)
    target = ["-o", tmp_path / "out"] if command == "get" else []
    assert run_json(command, name, *target)
    assert "Did you mean towns/table" in run(command, "towns/tabel", *target, code=3)


@pytest.mark.usefixtures("table")
def test_release_of_an_asset_names_who_holds_its_file() -> None:
    assert "NotHeldError" in run("release", "towns/table", code=2)


@pytest.mark.usefixtures("table")
def test_unpin_without_a_version_is_about_the_pinned_one() -> None:
    assert run("unpin", "towns/table") == "towns/table version 1 is no longer pinned.\n"
    assert "NotPinnedError" in run("unpin", "towns/table", code=3)
    run("pin", "towns/table@v1")
    run("pin", "towns/table@v2")
    assert "one of the pinned versions of towns/table: 1, 2" in run("unpin", "towns/table", code=2)
    assert run("unpin", "towns/table@v2") == "towns/table version 2 is no longer pinned.\n"


@pytest.mark.usefixtures("table")
def test_lineage_shows_both_directions_on_demand() -> None:
    both = run("lineage", "towns/table", "--up", "--down")
    assert "was made from nothing in the store" in both
    assert "went into:" in both
    assert [each["direction"] for each in run_json("lineage", "towns/table", "--up", "--down")] == ["up", "down"]
    assert run_json("lineage", "towns/table")["direction"] == "up"


@pytest.mark.usefixtures("table")
def test_history_of_a_version_and_of_everything_says_what_each_row_is() -> None:
    assert [row["version"] for row in run_json("history", "towns/table@v1")] == [1]
    assert [row["marks"] for row in run_json("history", "towns/table", "--all")] == ["current", "pinned"]
    assert [row["marks"] for row in run_json("history", "towns/report", "--all")] == ["current", "kept"]
    assert "the newest is 2" in run("history", "towns/table@v9", code=3)


@pytest.mark.usefixtures("table")
def test_ls_takes_a_pattern_and_dates_have_year_and_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [row["asset"] for row in run_json("ls", "*/rep*")] == ["towns/report"]
    assert len(run_json("ls", "towns")) == 2
    assert "No asset has a name like nothing*" in run("ls", "nothing*")
    [row] = run_json("ls", "towns/table")
    assert f"{row['created_at'][:10]} " in run("ls", "towns/table")
    assert " UTC" in run("ls", "towns/table") or os.environ.get("TZ")


@pytest.mark.usefixtures("table")
def test_diff_compares_any_two_tables() -> None:
    lines = run("diff", "towns/table@v1", "towns/table", "--key", "x").splitlines()
    assert "rows: 2 added, 1 removed, 0 changed" in lines
    assert "a stored table" in run("diff", "towns/table", "towns/report", code=2)


@pytest.mark.usefixtures("table")
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


@pytest.mark.usefixtures("table")
def test_rm_keeps_what_other_assets_were_made_from_and_says_so() -> None:
    run("unpin", "towns/table")
    printed = run("rm", "towns/table", "--yes")
    assert "Not released: towns/table version 2, input of towns/report version 2" in printed
    assert [row["asset"] for row in run_json("ls")] == ["towns/report"]
    assert "Did you mean towns/report" in run("rm", "towns/reprot", "--yes", code=3)


@pytest.mark.usefixtures("table")
def test_verify_of_a_name_reads_only_its_files() -> None:
    assert run("verify", "towns/table", "towns/table@v1").startswith("2 files, ")
    assert "leave out the names" in run("verify", "towns/table", "--repair", code=2)


def test_cat_prints_bytes_and_open_gives_a_path_with_the_right_suffix(
    table: Store, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert run("cat", "towns/report") == "3 rows\n"
    path = pathlib.Path(run("open", "towns/table", "--print").strip())
    assert path.name == "towns-table.parquet"
    assert pl.read_parquet(path).height == 3
    assert run_json("open", "towns/table")["path"] == str(path)
    launched: list[str] = []

    def launch(url: str) -> int:
        launched.append(url)
        return 0

    monkeypatch.setattr(click, "launch", launch)
    run("open", "towns/report@v1")
    assert pathlib.Path(launched[0]).read_text() == "2 rows\n"
    monkeypatch.setattr(click, "launch", lambda url: 1)
    assert "Open it yourself" in run("open", "towns/report", code=2)


def test_stored_path_keeps_its_suffix(store: Store, tmp_path: pathlib.Path) -> None:
    pd.DataFrame({"x": [1]}).to_csv(tmp_path / "x.csv.gz", index=False)
    run("put", tmp_path / "x.csv.gz")
    assert store.path("1").name == "file-1.csv.gz"
    assert pd.read_csv(store.path("1"))["x"].tolist() == [1]


@pytest.mark.usefixtures("table")
def test_shells_complete_commands_and_names_of_assets(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "_ARTIFACT_PIPELINES_COMPLETE=bash_complete" in run("completion", "bash")
    monkeypatch.setenv("COMP_WORDS", "artifact-pipelines show tow")
    monkeypatch.setenv("COMP_CWORD", "2")
    completed = click.testing.CliRunner().invoke(
        main, env={"_ARTIFACT_PIPELINES_COMPLETE": "bash_complete"}, prog_name="artifact-pipelines"
    )
    assert [line.split(",")[1] for line in completed.output.split()] == ["towns/report", "towns/table"]


def test_publish_and_restore_of_a_wrong_name_say_what_is_wrong(table: Store) -> None:
    assert "Did you mean towns/table" in run("publish", "towns/tabel", "--version", 1, code=3)
    assert "Did you mean towns/table" in run("restore", "towns/tabel", code=3)
    assert "nothing to restore" in run("restore", "towns/table", code=3)


def test_init_and_infer_print_json(tmp_path: pathlib.Path, csv: pathlib.Path) -> None:
    assert run_json("init", tmp_path / "towns")["dataset"] == "cities"
    assert json.loads(run("datasets", "infer", csv, "--json"))["attributes"]["name"] == "x"
