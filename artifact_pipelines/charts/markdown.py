"""Charts as images in Markdown, which the Dagster UI shows without a click and without a request."""

import base64
import re
from collections.abc import Iterable

from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.drawing import draw
from artifact_pipelines.core.wording import counted

MOST_CHARACTERS = 200_000
"""Bound of the images of one page: Dagster keeps them in its event log, and loads them with each page of an asset."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&-])")


def images(charts: Iterable[Chart]) -> str:
    """Return the charts side by side, as many as `MOST_CHARACTERS` allow, and how many are left out."""
    shown, room, left_out = [], MOST_CHARACTERS, 0
    for chart in charts:
        image = _image(chart)
        if len(image) <= room:
            shown.append(image)
            room -= len(image)
        else:
            left_out += 1
    if left_out:
        shown.append(f"\n\n{counted(left_out, 'more chart is', 'more charts are')} in the dataset's report.")
    return " ".join(shown)


def escaped(text: str) -> str:
    """Return a text on one line that no Markdown changes."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _image(chart: Chart) -> str:
    said = escaped(f"{chart.title}. {chart.description}")
    encoded = base64.b64encode(draw(chart).encode()).decode()
    return f"![{said}](data:image/svg+xml;base64,{encoded})"
