"""Charts that the Dagster UI shows without a click."""

import re
import xml.etree.ElementTree as ET
from urllib.parse import unquote

import pytest

from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.kinds import before_after, heat_map, over_versions
from artifact_pipelines.charts.small import MOST_CHARACTERS, small_image
from artifact_pipelines_tests.charts.test_drawing import CHARTS, EMPTY, STRANGE


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.title)
def test_each_kind_fits_into_the_markdown_that_dagster_shows_at_once(chart: Chart) -> None:
    image = small_image(chart)
    assert image is not None
    assert len(image) <= MOST_CHARACTERS
    found = re.fullmatch(r"!\[(.+)\]\(<data:image/svg\+xml,([^<>]+)>\)", image)
    assert found
    root = ET.fromstring(unquote(found[2]))
    assert root.find("{http://www.w3.org/2000/svg}path") is not None


@pytest.mark.parametrize("chart", EMPTY)
def test_chart_without_marks_has_no_small_form(chart: Chart) -> None:
    assert small_image(chart) is None


@pytest.mark.parametrize("chart", STRANGE, ids=lambda chart: chart.specification["kind"])
def test_small_form_of_strange_values_is_well_formed_or_left_out(chart: Chart) -> None:
    image = small_image(chart)
    if image is not None:
        ET.fromstring(unquote(image[image.index("svg+xml,") + 8 : -2]))


def test_bars_of_weak_correlations_are_short() -> None:
    def longest(strength: float) -> int:
        image = small_image(heat_map("Correlations", ["a", "b"], [[1.0, strength], [strength, 1.0]]))
        assert image is not None
        return max(int(each) for each in re.findall(r"h(\d+)v", unquote(image)))

    assert longest(0.05) * 10 < longest(0.9)


def test_numbers_of_a_bar_stand_whole_beside_a_long_label() -> None:
    label = "from 1,234.56 to 7,890.12 and so on"
    image = small_image(before_after("Change", [label], [9.98], [5.09], " %"))
    assert image is not None
    [shown] = [each.text for each in ET.fromstring(unquote(image[image.index("svg+xml,") + 8 : -2])) if each.text]
    assert re.fullmatch(r"from.*… 9\.98 % → 5\.09 %", shown)
    assert len(shown) < 30


def test_small_change_over_versions_shows_in_the_numbers() -> None:
    image = small_image(over_versions("Bytes", {1: 5_290_031, 2: 5_290_024}))
    assert image is not None
    assert {"5,290,031", "5,290,024"} <= set(re.findall(r">([\d,]+)<", unquote(image)))


def test_labels_that_changed_most_are_shown_in_their_order() -> None:
    image = small_image(before_after("Drift", list("abcdefgh"), [10] * 8, [10, 12, 13, 14, 10, 15, 16, 1], " %"))
    assert image is not None
    assert re.findall(r">([a-h]) ", unquote(image)) == list("bcdfgh")
