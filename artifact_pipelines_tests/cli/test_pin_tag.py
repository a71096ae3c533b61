"""The commands pin, unpin, tag and untag."""

import pytest

from artifact_pipelines_tests.cli.commands import run, run_json


@pytest.mark.usefixtures("numbers")
def test_pins_and_tags_keep_versions_and_appear_in_the_history() -> None:
    assert run("pin", "numbers", "--version", 1) == "numbers version 1 is pinned.\n"
    assert run("tag", "numbers", "gold", "--version", 2) == "numbers version 2 is tagged gold.\n"
    assert run_json("gc")["released"] == []
    assert [row["marks"] for row in run_json("history", "numbers")] == ["current", None, "gold", "pinned"]
    assert "no longer pinned" in run("unpin", "numbers", "--version", 1)
    assert "no version is tagged gold any longer" in run("untag", "numbers", "gold")
    assert [row["version"] for row in run_json("gc")["released"]] == [2, 1]


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
def test_unknown_assets_versions_and_tags_are_not_found(arguments: tuple[object, ...], text: str) -> None:
    assert text in run(*arguments, code=3)


@pytest.mark.usefixtures("numbers")
def test_tag_must_be_a_word() -> None:
    assert "tag must be a word" in run("tag", "numbers", "not a word", code=2)


@pytest.mark.usefixtures("towns")
def test_unpin_without_a_version_is_about_the_pinned_one() -> None:
    assert run("unpin", "towns/table") == "towns/table version 1 is no longer pinned.\n"
    assert "NotPinnedError" in run("unpin", "towns/table", code=3)
    run("pin", "towns/table@v1")
    run("pin", "towns/table@v2")
    assert "one of the pinned versions of towns/table: 1, 2" in run("unpin", "towns/table", code=2)
    assert run("unpin", "towns/table@v2") == "towns/table version 2 is no longer pinned.\n"
