"""Lines of the log have one form."""

import pathlib
from typing import get_args

from artifact_pipelines.core.log_lines import Fact, Verb, log_done, now_s


def line(**facts: Fact) -> str:
    said: list[str] = []
    log_done(said.append, "stored", now_s() - 2, **facts)
    [text] = said
    assert text.startswith("stored ")
    return text.removeprefix("stored ")


def test_line_has_facts_in_their_order_and_how_long_it_took() -> None:
    text, _, seconds = line(asset="flights/table", rows=1_234_567, deduplicated=False).rpartition(" seconds=")
    assert text == "asset=flights/table rows=1234567 deduplicated=no"
    assert 2 <= float(seconds) < 60


def test_fact_that_nobody_knows_is_left_out() -> None:
    assert line(rows=None, bytes=0).startswith("bytes=0 ")


def test_name_with_blanks_or_line_breaks_stays_one_fact_of_one_line() -> None:
    assert line(file='a b\nstored asset="x"').startswith(r'file="a b\nstored asset=\"x\"" seconds=')


def test_document_names_each_verb() -> None:
    document = pathlib.Path(__file__).parents[2] / "docs" / "operations.md"
    for verb in get_args(Verb):
        assert f"`{verb}`" in document.read_text()
