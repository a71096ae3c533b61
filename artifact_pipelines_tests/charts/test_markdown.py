"""Charts on a page of the Dagster UI."""

import base64
import re

from artifact_pipelines.charts.drawing import draw
from artifact_pipelines.charts.kinds import bars, heat_map
from artifact_pipelines.charts.markdown import MOST_CHARACTERS, images


def test_an_image_is_the_drawing_with_its_words() -> None:
    chart = bars("top [values]", {"a_b": 1})
    found = re.fullmatch(r"!\[(.*)\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", images([chart]))
    assert found
    assert found[1] == r"top \[values\]. Bars: a\_b 1."
    assert base64.b64decode(found[2]).decode() == draw(chart)


def test_images_of_one_page_are_bounded_and_say_how_many_are_left_out() -> None:
    names = [f"column_{at}" for at in range(25)]
    chart = heat_map("large", names, [[0.5] * 25 for _ in names])
    page = images([chart] * 10)
    assert len(page) < MOST_CHARACTERS + 100
    assert "more charts are in the dataset's report" in page
