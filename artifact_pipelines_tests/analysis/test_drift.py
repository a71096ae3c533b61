"""Drift between two versions of a table."""

import datetime
import pathlib
from collections.abc import Mapping
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest

from artifact_pipelines import ArtifactIOManagerFactory, ArtifactStore, open_store
from artifact_pipelines.analysis.assets import build_analysis_asset
from artifact_pipelines.analysis.interfaces import BEFORE, Answer, Table
from artifact_pipelines.analysis.kinds.drift import Drift, Tagged, Thresholds
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.settings import Settings

RANDOM = np.random.default_rng(7)


def drift(folder: pathlib.Path, before: pl.DataFrame | None, after: pl.DataFrame, **fields: Any) -> Answer:
    tables = {"flights": Table(folder / "after.parquet", "flights/table", 2, fields.pop("source", {}))}
    after.write_parquet(tables["flights"].path)
    if before is not None:
        tables[BEFORE] = Table(folder / "before.parquet", "flights/table", 1)
        before.write_parquet(tables[BEFORE].path)
    with Drift(**fields).answer(tables) as found:
        return found


def rows_of(found: Answer) -> Mapping[str, dict[str, Any]]:
    return {row["column"]: row for row in found.rows.to_pylist()}


def passed(found: Answer) -> Mapping[str, bool]:
    return {check.name: check.passed for check in found.checks}


def test_same_rows_do_not_drift(tmp_path: pathlib.Path) -> None:
    table = pl.DataFrame({"n": [1.5, None, float("nan"), float("inf")] * 50, "w": ["a", "b", None, "é"] * 50})
    found = drift(tmp_path, table, table)
    assert passed(found) == {"schema": True, "row_count": True, "distributions": True}
    for row in rows_of(found).values():
        assert (row["verdict"], row["psi"], row["jensen_shannon"], row["chance"]) == ("stable", 0, 0, 1)


def test_statistics_are_those_of_the_formulas(tmp_path: pathlib.Path) -> None:
    before = pl.DataFrame({"w": ["a"] * 30 + ["b"] * 50 + ["c"] * 20, "n": [0] * 50 + [1] * 50})
    after = pl.DataFrame({"w": ["a"] * 60 + ["b"] * 90 + ["c"] * 150, "n": [0] * 100 + [2] * 200})
    found = rows_of(drift(tmp_path, before, after))
    assert found["w"]["chi_square"] == pytest.approx(27.787114845938376)
    assert found["w"]["chance"] == pytest.approx(9.249210790968911e-07)
    psi = sum((q - p) * np.log(q / p) for p, q in [(0.3, 0.2), (0.5, 0.3), (0.2, 0.5)])
    assert found["w"]["psi"] == pytest.approx(psi)
    assert found["w"]["kolmogorov_smirnov"] is None
    assert found["n"]["kolmogorov_smirnov"] == pytest.approx(2 / 3)
    assert found["n"]["wasserstein"] == pytest.approx((1 / 6 + 2 / 3) / 0.5)
    assert (found["n"]["changed_most"], found["n"]["changed_to"]) == ("2", pytest.approx(2 / 3))
    assert (found["w"]["verdict"], found["n"]["verdict"]) == ("drifted", "drifted")


def test_moved_numbers_drift_and_the_row_says_by_how_much(tmp_path: pathlib.Path) -> None:
    before = pl.DataFrame({"still": RANDOM.normal(size=100_000), "moved": RANDOM.normal(size=100_000)})
    after = pl.DataFrame({"still": RANDOM.normal(size=90_000), "moved": RANDOM.normal(1, 1, size=90_000)})
    answer = drift(tmp_path, before, after)
    found = rows_of(answer)
    assert found["still"]["verdict"] == "stable"
    assert found["moved"]["verdict"] == "drifted"
    assert found["moved"]["wasserstein"] == pytest.approx(1, abs=0.03)
    assert found["moved"]["kolmogorov_smirnov"] == pytest.approx(0.3829, abs=0.01)  # 2 Φ(1/2) - 1
    assert passed(answer) == {"schema": True, "row_count": True, "distributions": False}
    assert answer.figures["drift/drifted_columns"] == 1
    assert "**drifted**" in answer.page
    assert [(chart.column, chart.title) for chart in answer.charts] == [
        ("moved", "moved: drifted"),
        ("still", "still: stable"),
    ]


def test_a_rise_of_nulls_or_nan_is_drift(tmp_path: pathlib.Path) -> None:
    before = pl.DataFrame({"n": [1.0, 2.0] * 500, "w": ["a", "b"] * 500})
    after = pl.DataFrame({"n": [1.0, 2.0, float("nan")] * 300, "w": ["a", "b", None] * 300})
    found = rows_of(drift(tmp_path, before, after))
    assert (found["n"]["verdict"], found["n"]["changed_most"]) == ("drifted", "NaN")
    assert (found["w"]["verdict"], found["w"]["changed_most"]) == ("drifted", "null")


def test_few_rows_are_no_drift(tmp_path: pathlib.Path) -> None:
    before, after = pl.DataFrame({"n": [1.0, 5.0, 9.0]}), pl.DataFrame({"n": [40.0, 50.0]})
    assert rows_of(drift(tmp_path, before, after))["n"]["verdict"] == "stable"


@pytest.mark.parametrize("size", [20, 100, 1000])
def test_samples_of_one_population_seldom_drift(tmp_path: pathlib.Path, size: int) -> None:
    drifted = 0
    for _ in range(20):
        before, after = (
            pl.DataFrame({"n": RANDOM.normal(size=size), "w": RANDOM.choice(list("abcdefgh"), size)}) for _ in range(2)
        )
        drifted += sum(row["verdict"] == "drifted" for row in rows_of(drift(tmp_path, before, after)).values())
    assert drifted <= 1


def test_changes_of_the_schema_are_named(tmp_path: pathlib.Path) -> None:
    before = pl.DataFrame({"a": [1, 2], "gone": [1, 2], "n": [1, 2], "t": ["1", "2"]})
    after = pl.DataFrame({"a": [1, 2], "new": [1, 2], "n": [1.0, 2.0], "t": [1, 2]})
    answer = drift(tmp_path, before, after)
    [check] = [check for check in answer.checks if check.name == "schema"]
    assert not check.passed
    assert check.text == (
        "new is new; gone is missing; n was BIGINT and is DOUBLE; t was VARCHAR and is BIGINT."
    ).replace("large_", "")
    verdicts = {name: row["verdict"] for name, row in rows_of(answer).items()}
    assert verdicts == {"a": "stable", "new": "added", "n": "stable", "t": "type changed", "gone": "removed"}


def test_first_version_has_no_baseline_and_passes(tmp_path: pathlib.Path) -> None:
    answer = drift(tmp_path, None, pl.DataFrame({"a": [1]}))
    assert all(passed(answer).values())
    assert answer.page == "This is the first version: there is none to compare with."
    assert rows_of(answer)["a"]["verdict"] == "no baseline"
    untagged = drift(tmp_path, None, pl.DataFrame({"a": [1]}), against=Tagged(tag="gold"))
    assert untagged.page == "No version has the tag gold: there is none to compare with."


def test_dates_and_the_key_are_judged_only_if_named(tmp_path: pathlib.Path) -> None:
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(days=number) for number in range(400)]
    before = pl.DataFrame({"id": range(200), "day": days[:200], "n": [1, 2] * 100})
    after = pl.DataFrame({"id": range(200, 400), "day": days[200:], "n": [1, 2] * 100})
    source = {"key": ["id"]}
    verdicts = {name: row["verdict"] for name, row in rows_of(drift(tmp_path, before, after, source=source)).items()}
    assert verdicts == {"id": "not judged", "day": "not judged", "n": "stable"}
    named = rows_of(drift(tmp_path, before, after, source=source, columns=["day"]))
    assert {name: row["verdict"] for name, row in named.items()} == {
        "id": "not judged",
        "day": "drifted",
        "n": "not judged",
    }
    assert named["day"]["changed_most"] == "above 2024-06-28"
    with pytest.raises(InvalidArgumentError, match="among the columns: id, day, n"):
        drift(tmp_path, before, after, columns=["dya"])


def test_thresholds_that_are_given_replace_all_others(tmp_path: pathlib.Path) -> None:
    before, after = pl.DataFrame({"n": [0, 1] * 5000}), pl.DataFrame({"n": [0, 1, 1] * 3000})
    assert rows_of(drift(tmp_path, before, after))["n"]["verdict"] == "drifted"
    lenient = drift(tmp_path, before, after, thresholds=Thresholds(jensen_shannon=0.3), severity="error")
    assert rows_of(lenient)["n"]["verdict"] == "stable"
    assert rows_of(lenient)["n"]["statistic"] == "jensen_shannon"
    assert all(check.is_error for check in lenient.checks)


def test_odd_tables_are_compared(tmp_path: pathlib.Path) -> None:
    odd = pl.DataFrame(
        {
            "nothing": pl.Series([None, None], dtype=pl.Null),
            "nulls": pl.Series([None, None], dtype=pl.Int64),
            "list": [[1], [2]],
            "wide": [2**63 - 1, -(2**63)],
            "far": [1e308, -1e308],
            "binary": [b"\xff", b""],
            "flag": [True, False],
            "infinite": [float("inf"), float("-inf")],
        }
    )
    answer = drift(tmp_path, odd, odd)
    assert all(passed(answer).values())
    empty = drift(tmp_path, odd, odd.clear())
    assert passed(empty) == {"schema": True, "row_count": False, "distributions": True}
    assert all(passed(drift(tmp_path, odd.clear(), odd.clear())).values())


def test_many_distinct_texts_are_other_values_and_stay_in_bounds(tmp_path: pathlib.Path) -> None:
    before = pl.DataFrame({"id": [f"k{number}" for number in range(80_000)]}).with_columns(w=pl.lit("a"))
    after = pl.DataFrame({"id": [f"j{number}" for number in range(80_000)]}).with_columns(w=pl.lit("a"))
    found = rows_of(drift(tmp_path, before, after))
    assert (found["id"]["verdict"], found["id"]["changed_most"]) == ("stable", "other values")


def test_same_versions_have_the_same_answer(tmp_path: pathlib.Path) -> None:
    before = pl.DataFrame({"n": RANDOM.normal(size=70_000), "w": RANDOM.choice(list("abc"), 70_000)})
    after = before.sample(fraction=0.5, seed=3)
    assert drift(tmp_path, before, after).rows.equals(drift(tmp_path, before, after).rows)


def test_versions_are_compared_in_dagster_by_number_and_by_tag(settings: Settings) -> None:
    state = ["a"]

    @dg.asset(key=["flights", "table"])
    def table() -> pl.DataFrame:
        return pl.DataFrame({"w": state * 100})

    analyses = [
        build_analysis_asset("flights", "drift", Drift(), {}),
        build_analysis_asset("flights", "since_gold", Drift(against=Tagged(tag="gold"), severity="error"), {}),
    ]
    store = ArtifactStore(catalog_url=settings.catalog_url, storage_url=settings.storage_url)
    resources = {"io_manager": ArtifactIOManagerFactory(store=store), "artifact_store": store}
    found = list[dict[str, tuple[bool, str]]]()
    for state[0] in ("a", "b", "c"):
        made = dg.materialize([table, *analyses], resources=resources)
        assert made.success
        found.append(
            {
                each.asset_key.path[-1]: (each.passed, each.description or "")
                for each in made.get_asset_check_evaluations()
                if each.check_name == "distributions"
            }
        )
        if state[0] == "a":
            with Catalog(settings.catalog_url) as catalog:
                catalog.pins_and_tags.tag("flights/table", "gold")
    assert found[0]["since_gold"] == (True, "No version has the tag gold: there is none to compare with.")
    assert [each["drift"][0] for each in found] == [True, False, False]
    with open_store() as opened:
        compared = opened.load("flights/analyses/since_gold", pl.DataFrame).to_dicts()[0]
        assert (compared["changed_most"], compared["psi"] > 1) == ("a", True)
        assert opened.load("flights/analyses/drift", pl.DataFrame)["changed_most"].to_list() == ["b"]


@pytest.mark.parametrize("kind", [pl.Datetime("us"), pl.Date()])
def test_infinite_times_are_values(kind: Any, tmp_path: pathlib.Path) -> None:
    most = 2 ** (31 if kind == pl.Date else 63) - 1
    stored = pl.Int32 if kind == pl.Date else pl.Int64
    before, after = (
        pl.DataFrame({"at": pl.Series(values, dtype=stored).reinterpret(signed=True).cast(kind)})
        for values in ([most] * 5 + [0] * 45, [-most] * 20 + [0] * 30)
    )
    found = drift(tmp_path, before, after, columns=["at"])
    assert rows_of(found)["at"]["changed_most"] == "-infinity"


def test_check_says_which_values_became_more_frequent(tmp_path: pathlib.Path) -> None:
    before, after = (pl.DataFrame({"w": ["a"] * 100 + ["b"] * many}) for many in (100, 300))
    [text] = [check.text for check in drift(tmp_path, before, after).checks if check.name == "distributions"]
    assert text == "1 of 1 judged columns drifted: w (b: 50.0 % → 75.0 % of the rows, PSI 0.2747 > 0.2)."
