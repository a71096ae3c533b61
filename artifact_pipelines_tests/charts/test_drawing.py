"""Every kind of chart is drawn well-formed, equal in every process, and from any values."""

import datetime
import json
import math
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import pytest

from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.drawing import draw
from artifact_pipelines.charts.kinds import (
    MOST_BARS,
    Interval,
    bars,
    before_after,
    heat_map,
    histogram,
    intervals,
    lines,
    planned_drawn,
)
from artifact_pipelines.charts.svg import COLOURS

HOSTILE = "</title><script>alert('1')</script>&\"\x00\ud800\u202e日本語"
SVG = "{http://www.w3.org/2000/svg}"
DAYS = [datetime.date(2013, month, 1) for month in range(1, 13)]
CHARTS = [
    bars("bars", {"UA": 58_665, "B6": 54_635}, " rows"),
    bars("below zero", {"a": -3.5, "b": 2.0}),
    histogram("histogram", [(0, 1, 0.25), (1, 2, 0.5), (2, 3, 0.25)], " min"),
    lines("days", DAYS, {"departed": list(range(12)), "cancelled": [None] * 12}),
    lines("versions", ["v1", "v2"], {"": [336_776, 336_800]}),
    heat_map("correlations", ["x", "y"], [[1.0, -0.4], [-0.4, 1.0]]),
    intervals("estimates", [Interval("EWR", 15.1, 14.8, 15.4)], " min"),
    before_after("drift", ["1", "2"], [0.5, 0.5], [0.25, 0.75]),
    planned_drawn("strata", ["EWR", "JFK"], [10, 10], [10, 7]),
]
EMPTY = [
    bars("e", {}),
    histogram("e", []),
    lines("e", [], {}),
    lines("e", [1.0], {"": [None]}),
    heat_map("e", [], []),
    intervals("e", []),
]
STRANGE = [
    bars(HOSTILE, {HOSTILE: 1.0, "nan": math.nan, "inf": math.inf, "none": None}, HOSTILE),
    bars("zeros", {"a": 0.0}),
    bars("huge", {"a": 1e308, "b": -1e308}),
    histogram(HOSTILE, [(5, 5, 1.0)], HOSTILE),
    histogram("infinite", [(-math.inf, 1, 0.5), (1, 2, 0.5)]),
    histogram("tiny", [(1e-320, 2e-320, 1.0)]),
    lines(HOSTILE, [HOSTILE], {HOSTILE: [1.0]}),
    lines("huge", [0, 1], {"": [-1e308, 1e308]}),
    lines("close", [0, 1], {"": [1e15, 1e15 + 1]}),
    lines("times", [datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC)], {"": [1, 2]}),
    heat_map(HOSTILE, [HOSTILE], [[math.nan]]),
    intervals(
        HOSTILE, [Interval(HOSTILE, None, None, 3.0), Interval("x", 1.0, 1.0, 1.0), Interval("y", 2.0, 1.0, None)]
    ),
]


@pytest.mark.parametrize("chart", [*CHARTS, *EMPTY, *STRANGE], ids=lambda chart: f"{chart.specification['kind']}")
def test_every_chart_is_well_formed_and_says_what_it_shows(chart: Chart) -> None:
    root = ET.fromstring(draw(chart))
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"].startswith(chart.title[:5])
    assert "nan" not in {value for each in root.iter() for name, value in each.attrib.items() if name != "aria-label"}
    assert not list(root.iter(f"{SVG}script"))


@pytest.mark.parametrize("chart", [*CHARTS, *EMPTY, *STRANGE], ids=lambda chart: f"{chart.specification['kind']}")
def test_a_chart_that_was_stored_is_drawn_the_same(chart: Chart) -> None:
    stored = json.loads(json.dumps(chart.to_json(), allow_nan=False))
    assert draw(Chart.from_json(stored)) == draw(chart)


def test_equal_charts_are_equal_text_in_another_process() -> None:
    drawn = "".join(map(draw, CHARTS))
    code = (
        "import json, sys; from artifact_pipelines.charts.chart import Chart;"
        "from artifact_pipelines.charts.drawing import draw;"
        "sys.stdout.write(''.join(draw(Chart.from_json(each)) for each in json.load(sys.stdin)))"
    )
    given = json.dumps([each.to_json() for each in CHARTS])
    again = subprocess.run([sys.executable, "-c", code], input=given, capture_output=True, text=True, check=True)
    assert again.stdout == drawn


@pytest.mark.parametrize(
    ("chart", "said"),
    [
        (CHARTS[0], "Bars: UA 58.7k rows; B6 54.6k rows."),
        (CHARTS[2], "Histogram from 0 to 3 min; most values, 50 %, lie between 1 and 2."),
        (CHARTS[4], "Lines over 2 points. values: 337k at v1, 337k at v2, lowest 337k, highest 337k."),
        (CHARTS[5], "Heat map of 2 by 2 values; the strongest: y and x -0.40."),
        (CHARTS[6], "Estimates with confidence intervals: EWR 15.1 min (14.8 min to 15.4 min)."),
        (CHARTS[8], "Bars: EWR planned 10, drawn 10; JFK planned 10, drawn 7."),
    ],
)
def test_the_description_says_what_the_picture_shows(chart: Chart, said: str) -> None:
    assert chart.description == said


def test_each_mark_shows_its_value_under_the_pointer() -> None:
    tips = [each.text for each in ET.fromstring(draw(CHARTS[0])).iter(f"{SVG}title")]
    assert tips == ["UA: 58,665 rows", "B6: 54,635 rows"]


def test_a_chart_says_how_many_bars_it_leaves_out() -> None:
    chart = bars("many", {f"{at}": at for at in range(MOST_BARS + 12)})
    assert "and 12 more" in draw(chart)


def test_negative_bars_lie_left_of_positive_ones() -> None:
    below, above = ET.fromstring(draw(CHARTS[1])).iter(f"{SVG}rect")
    assert float(below.attrib["x"]) + float(below.attrib["width"]) == pytest.approx(float(above.attrib["x"]), abs=0.2)


@pytest.mark.parametrize("ground", ["#ffffff", "#0f1218"], ids=["light", "dark"])
def test_colours_can_be_told_from_a_light_and_a_dark_ground(ground: str) -> None:
    assert all(_contrast(colour, ground) >= 3 for colour in COLOURS.values())
    assert _contrast(COLOURS["ink"], ground) >= 4


def _contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2.1 defines it."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts: Sequence[float] = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_short_labels_are_drawn_whole() -> None:
    assert "…" not in draw(bars("carriers", {"UA": 50.0, "AA": 25.0, "DL": 25.0}))


def test_of_a_text_of_megabytes_a_chart_keeps_what_it_can_show() -> None:
    long = "y" * 1_000_000
    for chart in (
        bars("x", {long: 1.0}),
        heat_map("x", [long], [[1.0]], [long]),
        intervals("x", [Interval(long, 1.0, 0.0, 2.0)]),
    ):
        assert len(json.dumps(chart.to_json())) < 1000
