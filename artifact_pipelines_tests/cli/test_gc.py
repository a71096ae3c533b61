"""The command gc."""

import pathlib

import pytest

from artifact_pipelines import Store
from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.core.settings import STORAGE_URL, Settings
from artifact_pipelines_tests.cli.commands import run, run_json
from artifact_pipelines_tests.faulty_proxy import Fault, Proxy


def test_gc_of_an_empty_store_deletes_nothing(store: Store) -> None:
    assert run("gc") == "0 files, 0 bytes deleted; 0 versions released.\n"


@pytest.mark.usefixtures("numbers")
def test_dry_run_lists_what_would_be_deleted_with_reasons() -> None:
    text = run("gc", "--dry-run", "--explain")
    for expected in ("Would be released", "not among the last 2", "Kept by retention", "current, one of the last 2"):
        assert expected in text
    assert "Dry run, nothing was changed" in text
    assert len(run_json("history", "numbers")) == 4


@pytest.mark.usefixtures("numbers")
def test_dry_run_without_grace_warns_that_more_files_would_be_deleted() -> None:
    warning = "the files of the released versions would be deleted too"
    assert warning in run("gc", "--dry-run", "--grace", "0s", "--force")
    assert warning not in run("gc", "--dry-run")


@pytest.mark.usefixtures("numbers")
def test_released_versions_are_deleted_after_the_grace_period() -> None:
    assert "artifact-pipelines restore ASSET --version N" in run("gc")
    assert [row["version"] for row in run_json("history", "numbers")] == [4, 3]
    done = run_json("gc", "--grace", "0s", "--force", "--max-share", "100%")
    assert [(row["asset"], row["version"], row["reason"]) for row in done["collected"]] == [
        ("numbers", 1, "retention: not among the last 2"),
        ("numbers", 2, "retention: not among the last 2"),
    ]
    assert (done["files"], done["size_bytes"], done["dry_run"]) == (2, 2, False)
    assert [row["version"] for row in done["kept"]] == [4, 3]
    assert all(row["age_s"] >= 0 and row["run_id"] for row in done["collected"])


def test_table_of_deleted_files_shows_asset_run_size_age_and_reason(numbers: None) -> None:
    run("gc")
    text = run("gc", "--grace", "0s", "--force")
    assert "nothing holds them" in text
    assert text.splitlines()[1].split() == ["asset", "version", "run", "file", "size", "age", "reason"]


def test_accepting_the_clock_notes_it_only_where_it_counts(store: Store, settings: Settings) -> None:
    expected = "Noted that the clock" if settings.catalog_url.startswith("sqlite") else "Nothing to note"
    assert run("gc", "--accept-clock").startswith(expected)
    assert isinstance(run_json("gc", "--accept-clock")["noted"], bool)


@pytest.mark.usefixtures("store")
def test_step_that_the_server_does_not_support_is_named(
    s3_url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORAGE_URL, s3_url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint_url)
    proxy.reset(lambda request: Fault("NotImplemented") if "?uploads" in request.line else None)
    assert "Skipped: the search for unfinished uploads" in run("gc")
    assert len(run_json("gc")["skipped"]) == 1


def test_left_overs_of_dead_writers_are_listed(store: Store, tmp_path: pathlib.Path) -> None:
    (tmp_path / "store" / ".staging").mkdir(parents=True)
    (tmp_path / "store" / ".staging" / ("a" * 32)).write_bytes(b"123")
    assert "its writer is gone" in run("gc", "--dry-run")
    assert run_json("gc")["leftovers"] == [{"name": ".staging/" + "a" * 32, "size_bytes": 3}]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--grace", "59m"), "--force"),
        (("--grace", "soon"), "a duration such as"),
        (("--max-share", "lots"), "not a share"),
        (("--max-share", "110%"), "not a share"),
        (("--ops-within", "23h"), "1d or more"),
    ],
)
def test_invalid_options_are_refused(store: Store, arguments: tuple[str, ...], text: str) -> None:
    assert text in run("gc", *arguments, code=2)


def test_old_outputs_of_ops_are_released_on_demand(op_output: str, settings: Settings) -> None:
    assert run_json("gc", "--ops-within", "1d")["released"] == []
    with make_engine(settings.catalog_url).begin() as connection:
        connection.exec_driver_sql("UPDATE materializations SET created_at = datetime('now', '-2 days')")
    assert run_json("gc")["released"] == []
    for arguments in (("--dry-run",), ()):
        [row] = run_json("gc", "--ops-within", "1d", *arguments)["released"]
        assert (row["asset"], row["reason"]) == (op_output, "retention: not within 1d")
    assert run_json("ls", "--ops") == []
    assert run("restore", op_output, "--version", 1).startswith(f"{op_output} version 1 is restored.")
