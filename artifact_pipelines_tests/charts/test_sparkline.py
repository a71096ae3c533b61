"""Charts of the size of a word."""

import xml.etree.ElementTree as ET

import pytest

from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.kinds import bars, heat_map, histogram, lines
from artifact_pipelines.charts.sparkline import sparkline
from artifact_pipelines_tests.charts.test_drawing import STRANGE

BINS = [(0.0, 1.0, 0.25), (1.0, 2.0, 0.75)]


@pytest.mark.parametrize(
    "chart",
    [histogram("t", BINS), bars("t", {"a": 1.0, "b": 3.0}), lines("t", ["v1", "v2"], {"": [1.0, 3.0]})],
    ids=lambda chart: chart.specification["kind"],
)
def test_marks_are_as_high_as_their_shares(chart: Chart) -> None:
    [path] = ET.fromstring(sparkline(chart))
    assert [part.split("h")[0] for part in path.attrib["d"].split("v-")[1:]] == ["9.3", "28.0"]


def test_every_day_of_a_month_is_drawn() -> None:
    [path] = ET.fromstring(sparkline(histogram("t", [(day, day, 1 / 31) for day in range(1, 32)])))
    assert path.attrib["d"].count("M") == 31


def test_nothing_to_draw_is_empty() -> None:
    assert sparkline(histogram("t", [])) == ""
    assert sparkline(bars("t", {"a": 0.0})) == ""
    assert sparkline(heat_map("t", ["a"], [[1.0]])) == ""


@pytest.mark.parametrize("chart", STRANGE, ids=lambda chart: chart.specification["kind"])
def test_strange_values_are_well_formed_or_left_out(chart: Chart) -> None:
    if drawn := sparkline(chart):
        ET.fromstring(drawn)
