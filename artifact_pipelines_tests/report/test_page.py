"""The page of a report, for tables as users have them and for hostile ones."""

import dataclasses
import itertools
import pathlib
import re
import shlex
import time

import polars as pl
import pytest

from artifact_pipelines.analysis.profile.statistics import STATISTICS
from artifact_pipelines.charts.kinds import bars
from artifact_pipelines.core.check_results import CheckResult
from artifact_pipelines.report.attention import attention_page
from artifact_pipelines.report.facts import Analysis, MadeCheck, TableVersion
from artifact_pipelines.report.page import render
from artifact_pipelines_tests.report.made_facts import NOON, Page, facts_of, made

HOSTILE = "<script>alert(1)</script>\"' onload=x &amp; \u202eabc"
FRAME = pl.DataFrame(
    {
        "number": [1.5, 2.5, None, 4.0] * 30,
        "carrier": ["UA", "AA", "UA", "DL"] * 30,
        "constant": [7] * 120,
        "nothing": pl.Series([None] * 120, dtype=pl.Int64),
        "is_late": [True, False, True, None] * 30,
        "day": pl.date_range(pl.date(2026, 1, 1), pl.date(2026, 4, 30), eager=True),
    }
)
TABLES = {
    "usual": FRAME,
    "empty": FRAME.head(0),
    "one row": FRAME.head(1),
    "nested": pl.DataFrame({"list": [[1, 2], []], "struct": [{"a": 1}, {"a": 2}], "bytes": [b"\x00\xff", b""]}),
    "hostile": pl.DataFrame({HOSTILE: [HOSTILE, "b", HOSTILE], "a|b\n# c": ["\x00", "![x](http://x)", "<b>"]}),
}


@pytest.mark.parametrize("name", TABLES)
def test_page_is_sound_html_that_reaches_nothing_outside(name: str, tmp_path: pathlib.Path) -> None:
    page = Page(html := render(facts_of(TABLES[name], tmp_path)))
    assert page.of("script", "link", "img", "iframe", "object", "form") == []
    assert all(str(each["href"]).startswith("#") for each in page.of("a"))
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert b"http" not in html.replace(b'xmlns="http://www.w3.org/2000/svg"', b"").replace(b"http-equiv", b"").replace(
        b"http://x", b""
    )
    ids = [str(attributes["id"]) for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [each[name] for each in page.of("a", "section") for name in ("href", "aria-labelledby") if name in each]
    assert {str(each).removeprefix("#") for each in named} <= set(ids)


def test_command_of_the_asset_page_can_be_pasted_whatever_the_partition(tmp_path: pathlib.Path) -> None:
    table = dataclasses.replace(made("flights/table"), partition="it's; echo ran")
    page = attention_page(facts_of(FRAME, tmp_path, versions=[TableVersion(1, table, NOON)]))
    assert shlex.split(page.rpartition("`")[0].rpartition("`")[2])[1:3] == ["report", "flights@v1[it's; echo ran]"]


def test_page_can_be_read_without_eyes_and_by_keyboard(tmp_path: pathlib.Path) -> None:
    page = Page(render(facts_of(FRAME, tmp_path)))
    levels = [int(tag[1]) for tag, _ in page.elements if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert all(each.get("aria-label") or each.get("aria-hidden") for each in page.of("svg"))
    assert all(each.get("scope") for each in page.of("th"))
    assert all(each.get("tabindex") == "0" for each in page.of("div") if each.get("class") == "scroll")
    assert page.of("a")[0] == {"class": "skip", "href": "#main"}
    assert page.of("html") == [{"lang": "en"}]


def test_overview_says_what_it_is_and_what_needs_attention(tmp_path: pathlib.Path) -> None:
    before = TableVersion(1, made("flights/table", 100), NOON)
    now = made("flights/table", 120, 2, source={"file": "new.csv", "key": ["day"]}, changes={"rows": "20 added"})
    failed = CheckResult("positive", False, True, "3 rows break it.")
    facts = facts_of(
        FRAME,
        tmp_path,
        versions=[TableVersion(2, now, NOON), before],
        checks=[MadeCheck("flights/table", failed), MadeCheck("flights/table", CheckResult("fresh", True, True, ""))],
        missing=["flights/analyses/late"],
    )
    said = Page(render(facts)).said
    overview = said[: said.index("Columns Column")]
    for expected in (
        "flights v2", "From flights.csv", "120", "20 more than v1", "key: day", "1 failed 0 warnings, 1 passed",
        "Error flights/table: positive: 3 rows break it.", "Warning flights/analyses/late: It has no result",
        "Columns without a value: nothing", "What changed since v1 Rows 20 added", "Constant: constant",
        "carrier VARCHAR", "always 7", "no value",
    ):  # fmt: skip
        assert expected in overview, expected
    assert overview.index("positive") < overview.index("flights/analyses/late")


def test_overview_says_if_the_samples_represent_the_table(tmp_path: pathlib.Path) -> None:
    design = {"design": "simple_random", "drawn": 2, "planned": 2, "seed": 0, "parameters": {}, "key": [], "strata": []}
    source = {"design": {**design, "frame": {"population_size": 5}, "notes": []}}
    samples = [made(f"flights/samples/{name}", 2, source=source) for name in ("good", "bad")]
    for passed, said in ((True, "all represent the table"), (False, "1 of 2 does not represent the table")):
        results = (
            CheckResult("representativeness", True, False, ""),
            CheckResult("representativeness", passed, False, ""),
        )
        checks = [MadeCheck(each.asset, result) for each, result in zip(samples, results, strict=True)]
        facts = facts_of(FRAME, tmp_path, samples=samples, checks=checks)
        assert said in Page(render(facts)).said
        assert said in attention_page(facts).splitlines()[0]


def test_page_says_if_it_lacks_the_checks_that_only_dagster_has(tmp_path: pathlib.Path) -> None:
    whole = Page(render(facts_of(FRAME, tmp_path))).said
    lacking = Page(render(facts_of(FRAME, tmp_path, has_all_checks=False, stored_reports="flights/report"))).said
    own = made("Sales/best", 2)
    of_own_table = facts_of(
        FRAME, tmp_path, dataset="Sales", versions=[TableVersion(None, own, NOON)], has_all_checks=False
    )
    without_stored = Page(render(of_own_table)).said
    assert "only Dagster has" not in whole
    assert "it lacks the results of checks that only Dagster has" in lacking
    assert "This page was made on request" in lacking
    assert "The report that Dagster makes, flights/report , has them." in lacking
    assert "without those of Dagster" in lacking
    assert "Sales/report" not in without_stored
    assert "Sales/best v1" in without_stored


def test_each_column_has_the_statistics_of_its_type(tmp_path: pathlib.Path) -> None:
    said = Page(render(facts_of(FRAME, tmp_path))).said
    assert "Mean 2.667 ± 1.033 Median 2.5 Middle half 1.5 to 4" in said
    assert "Length 2 Patterns A 100 %" in said
    assert "First 2026-01-01 Median 2026-03-01 Last 2026-04-30 Days 120" in said
    assert "True 66.7 %" in said


def test_equal_facts_give_equal_bytes(tmp_path: pathlib.Path) -> None:
    facts = facts_of(FRAME, tmp_path)
    assert render(facts) == render(dataclasses.replace(facts))


def test_version_without_profile_shows_its_schema(tmp_path: pathlib.Path) -> None:
    said = Page(render(facts_of(FRAME, tmp_path, with_profile=False))).said
    assert "There is no profile" in said
    assert "number DOUBLE 25.0 % at most 90 1.5 4.0" in said


def test_pages_and_rows_of_analyses_are_shown_and_lead_nowhere(tmp_path: pathlib.Path) -> None:
    page = "# Title\n\n| a |\n|---|\n| <i>x</i> |\n\n[link](http://x) ![image](http://x)"
    shown = Analysis("weekly", "drift", made("flights/analyses/weekly", source={"page": page}))
    rows = Analysis("late", "sql", made("flights/analyses/late", 2), [{"carrier": HOSTILE, "n": 1234.5}])
    numbers = {"year": 2013, "mean": 1999.5, "count": 12345}
    yearly = Analysis("yearly", "sql", made("flights/analyses/yearly"), [numbers])
    found = Page(render(facts_of(FRAME, tmp_path, with_profile=False, analyses=[shown, rows, yearly])))
    assert found.of("i", "img", "script") == []
    assert "<i>x</i>" in found.said
    assert "# Title" in found.said
    assert "The first 1 of 2 rows" in found.said
    assert "2013 1999.5 12,345" in found.said
    assert all(each.get("scope") for each in found.of("th"))


def test_thousand_columns_stay_small(tmp_path: pathlib.Path) -> None:
    charts = [bars(f"c{at}", {str(value): 1.0 for value in range(30)}, column=f"c{at}").to_json() for at in range(1000)]
    frame = pl.DataFrame({f"c{at}": [at, at + 1] for at in range(1000)})
    of_it = made("flights/analyses/profile", source={"page": "page", "charts": charts})
    facts = facts_of(frame, tmp_path, with_profile=False)
    row = dict.fromkeys(STATISTICS) | {"type": "BIGINT", "row_count": 2, "null_count": 0}
    facts = dataclasses.replace(
        facts,
        analyses=[Analysis("profile", "profile", of_it)],
        profile=[{**row, "column": f"c{at}"} for at in range(1000)],
    )
    begin = time.process_time()
    html = render(facts)
    assert time.process_time() - begin < 5
    assert len(html) < 2_000_000
    said = Page(html).said
    assert "The first 100 of 1,000 columns." in said
    assert "of the first 200 of 1,000 columns" in said
    assert "c999 BIGINT" in said


def test_words_have_contrast_in_each_theme(tmp_path: pathlib.Path) -> None:
    html = render(facts_of(FRAME.head(1), tmp_path, with_profile=False)).decode()
    themes = [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{([^}]*)\}", html)]
    assert len(themes) == 3
    for theme in themes:
        for words in ("ink", "soft", "accent", "good", "warning", "error"):
            for ground in ("page", "surface"):
                light, dark = sorted((_luminance(theme[words]), _luminance(theme[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (words, ground, theme)


def _luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2 defines it."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
