"""gc, pin, tag and restore as people and programs use them."""

import pathlib

import dagster as dg
import pytest

from artifact_pipelines import ArtifactIOManager, Store
from artifact_pipelines_tests.test_cli import execute_ops, run, run_json


@pytest.fixture
def numbers(store: Store) -> None:
    values = iter(range(4))

    @dg.asset(metadata={"artifact/retention": {"keep_last": 2}})
    def numbers() -> int:
        return next(values)

    for _ in range(4):
        dg.materialize([numbers], resources={"io_manager": ArtifactIOManager(store.catalog, store._producer)})


def test_an_empty_store_has_nothing_to_clean_up(store: Store) -> None:
    assert run("gc") == "0 files, 0 bytes deleted; 0 versions released.\n"


@pytest.mark.usefixtures("numbers")
def test_a_dry_run_says_what_would_go_and_why() -> None:
    text = run("gc", "--dry-run", "--explain")
    for part in ("Would be released", "not among the last 2", "Kept by retention", "current, one of the last 2"):
        assert part in text
    assert "Dry run, nothing was changed" in text
    assert len(run_json("history", "numbers")) == 4


@pytest.mark.usefixtures("numbers")
def test_a_dry_run_without_grace_says_that_more_would_go() -> None:
    warning = "the files of the released versions would be deleted too"
    assert warning in run("gc", "--dry-run", "--grace", "0s", "--force")
    assert warning not in run("gc", "--dry-run")


@pytest.mark.usefixtures("numbers")
def test_what_is_released_goes_after_its_grace() -> None:
    assert "restore ASSET --version N` brings a version back" in run("gc")
    assert [row["version"] for row in run_json("history", "numbers")] == [4, 3]
    done = run_json("gc", "--grace", "0s", "--force", "--max-share", "100%")
    assert [(row["asset"], row["version"], row["reason"]) for row in done["collected"]] == [
        ("numbers", 1, "retention: not among the last 2"),
        ("numbers", 2, "retention: not among the last 2"),
    ]
    assert (done["files"], done["size_bytes"], done["dry_run"]) == (2, 2, False)
    assert [row["version"] for row in done["kept"]] == [4, 3]
    assert all(row["age_s"] >= 0 and row["run_id"] for row in done["collected"])


def test_a_table_tells_asset_run_size_age_and_reason(numbers: None) -> None:
    run("gc")
    text = run("gc", "--grace", "0s", "--force")
    assert "nothing holds them" in text
    assert text.splitlines()[1].split() == ["asset", "version", "run", "file", "size", "age", "reason"]


def test_left_overs_are_named(store: Store, tmp_path: pathlib.Path) -> None:
    (tmp_path / "store" / ".staging").mkdir(parents=True)
    (tmp_path / "store" / ".staging" / ("a" * 32)).write_bytes(b"123")
    assert "its writer is gone" in run("gc", "--dry-run")
    assert run_json("gc")["leftovers"] == [{"name": ".staging/" + "a" * 32, "size_bytes": 3}]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--grace", "59m"), "--force"),
        (("--grace", "soon"), "a duration such as"),
        (("--max-share", "lots"), "no share"),
        (("--max-share", "110%"), "no share"),
        (("--ops-within", "23h"), "1d or more"),
    ],
)
def test_a_clean_up_that_makes_no_sense_is_refused(store: Store, arguments: tuple[str, ...], text: str) -> None:
    assert text in run("gc", *arguments, code=2)


def test_outputs_of_ops_go_when_they_are_as_old_as_is_said(store: Store) -> None:
    output = f"{execute_ops(store)}/one/result"
    assert run_json("gc", "--ops-within", "1d")["released"] == []
    with store.catalog._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE materializations SET created_at = datetime('now', '-2 days')")
    assert run_json("gc")["released"] == []
    for arguments in (("--dry-run",), ()):
        [row] = run_json("gc", "--ops-within", "1d", *arguments)["released"]
        assert (row["asset"], row["reason"]) == (output, "retention: not within 1d")
    assert run_json("ls", "--ops") == []
    assert run("restore", output, "--version", 1).startswith(f"{output} version 1 is back.")


@pytest.mark.usefixtures("numbers")
def test_pins_and_tags_keep_versions_and_are_in_the_history() -> None:
    assert run("pin", "numbers", "--version", 1) == "numbers version 1 is pinned.\n"
    assert run("tag", "numbers", "gold", "--version", 2) == "numbers version 2 is tagged gold.\n"
    assert run_json("gc")["released"] == []
    assert [row["marks"] for row in run_json("history", "numbers")] == ["current", None, "gold", "pinned"]
    assert "not pinned" in run("unpin", "numbers", "--version", 1)
    assert "no version is tagged gold" in run("untag", "numbers", "gold")
    assert [row["version"] for row in run_json("gc")["released"]] == [2, 1]


@pytest.mark.usefixtures("numbers")
def test_a_released_version_is_restored() -> None:
    run("gc")
    assert run("restore", "numbers", "--version", 1).startswith("numbers version 1 is back.\n")
    assert [row["version"] for row in run_json("history", "numbers")] == [4, 3, 1]
    assert run_json("restore", "numbers", "--version", 2) == [{"asset": "numbers", "partition": None, "version": 2}]
    assert run_json("pin", "numbers", "--version", 2)["version"] == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("restore", "numbers"), "nothing to restore"),
        (("pin", "numbers", "--version", 9), "the newest is 4"),
        (("pin", "letters"), "Materialize it first"),
        (("untag", "numbers", "gold"), "there are: none"),
    ],
)
@pytest.mark.usefixtures("numbers")
def test_what_is_not_there_is_not_found(arguments: tuple[object, ...], text: str) -> None:
    assert text in run(*arguments, code=3)


@pytest.mark.usefixtures("numbers")
def test_a_tag_must_be_a_word() -> None:
    assert "tag must be a word" in run("tag", "numbers", "not a word", code=2)
