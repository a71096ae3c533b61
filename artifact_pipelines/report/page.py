"""The facts of a version as one page of HTML, by the templates beside this module.

Each value that is no HTML of our own is escaped by Jinja. Equal facts give equal bytes.
"""

import dataclasses
import datetime
import functools
from collections.abc import Sequence
from typing import Any

import jinja2
from markupsafe import Markup
from rich.filesize import decimal

from artifact_pipelines.analysis.readable import percentage
from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.drawing import draw
from artifact_pipelines.charts.kinds import lines, planned_drawn
from artifact_pipelines.charts.numbers import with_commas
from artifact_pipelines.charts.svg import printable
from artifact_pipelines.core.types import Materialization
from artifact_pipelines.report.attention import attention, noteworthy, represented
from artifact_pipelines.report.cards import MOST_CARDS, cards
from artifact_pipelines.report.facts import Analysis, ReportFacts
from artifact_pipelines.report.markdown import sentence_to_html, to_html
from artifact_pipelines.sampling.engine.choice import Stratum

CHART_CHARACTERS = 1_000_000
"""Characters of all charts of a report; those beyond are left out."""

MOST_LISTED = 1000
"""Columns in the table of columns."""

_LEAST_HISTORY = 3
_GLANCED = 100
_CELL_CHARACTERS = 200
_ROWS_SHOWN_COLUMNS = 30
_HEADINGS = {"bars": "Most frequent values", "histogram": "Distribution", "lines": "Share of the values over time"}
_OWN_SECTIONS = ("profile", "drift", "estimate")


def render(facts: ReportFacts) -> bytes:
    """Return the report as HTML."""
    charts = _Charts()
    found = cards(facts)
    by_kind = {kind: [each for each in facts.analyses if each.kind == kind] for kind in _OWN_SECTIONS}
    context = {
        "facts": facts,
        "version": facts.version,
        "before": facts.versions[1] if len(facts.versions) > 1 else None,
        "table": facts.table,
        "attention": attention(facts),
        "noteworthy": noteworthy(facts),
        "represented": represented(facts),
        "passed": sum(each.result.passed for each in facts.checks),
        "failed": sum(not each.result.passed and each.result.is_error for each in facts.checks),
        "warned": sum(not each.result.passed and not each.result.is_error for each in facts.checks),
        "correlations": _correlations(by_kind["profile"]),
        "drift": by_kind["drift"],
        "estimates": by_kind["estimate"],
        "questions": [each for each in facts.analyses if each.kind not in _OWN_SECTIONS],
        "history": _history(facts),
        "cards": found,
        "detailed": found[:MOST_CARDS],
        "glanced": found[:_GLANCED],
        "listed": found[:MOST_LISTED],
        "shown_columns": [each.name for each in facts.columns[:_ROWS_SHOWN_COLUMNS]],
        "strata_chart": _strata_chart,
        "stored": [*facts.files, *(each.made for each in facts.edges)],
        "draw": charts.draw,
        "heading": _heading,
        "charts": charts,
    }
    return _environment().get_template("report.html").render(context).encode()


@dataclasses.dataclass(slots=True)
class _Charts:
    """Draws charts while there is room."""

    room: int = CHART_CHARACTERS
    left_out: int = 0

    def draw(self, chart: Chart | None, title: str | None = None) -> Markup:
        """Return a chart, with another title if one is given; empty: there is none, or no room."""
        if chart is None:
            return Markup()
        drawn = draw(chart if title is None else dataclasses.replace(chart, title=title))
        if len(drawn) > self.room:
            self.left_out += 1
            return Markup()
        self.room -= len(drawn)
        return Markup(drawn)  # noqa: S704 - its texts are escaped where it is drawn


def _heading(chart: Chart | None) -> str | None:
    """Return the title of the chart of a column, whose name stands beside it."""
    return None if chart is None else _HEADINGS.get(chart.specification["kind"])


def _correlations(profiles: Sequence[Analysis]) -> Chart | None:
    charts = [chart for each in profiles[:1] for chart in each.charts if chart.column is None]
    return charts[0] if charts else None


def _history(facts: ReportFacts) -> Chart | None:
    """Return the rows over the versions; None: there are too few."""
    versions = facts.versions[::-1]
    if len(versions) < _LEAST_HISTORY:
        return None
    rows = [each.made.row_count for each in versions]
    return lines("Rows over the versions", [each.name for each in versions], {"": rows})


def _strata_chart(sample: Materialization) -> Chart | None:
    strata = [Stratum(**each) for each in sample.source["design"]["strata"] if each["planned"] is not None]
    titles, planned = [each.title for each in strata], [each.planned for each in strata]
    drawn = [each.drawn for each in strata]
    return planned_drawn("Rows planned and drawn by stratum", titles, planned, drawn) if strata else None


def _cell(value: object, has_commas: bool = False) -> str:
    """Return a value of a table on one line, cut where it is long; integers with commas if asked for."""
    if isinstance(value, float):
        return with_commas(value, ".6g")
    if isinstance(value, int) and not isinstance(value, bool) and has_commas:
        return with_commas(value)
    line = "" if value is None else " ".join(str(value).split())
    return line if len(line) <= _CELL_CHARACTERS else line[: _CELL_CHARACTERS - 1] + "…"


@functools.cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("artifact_pipelines.report", "template"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finished,
    )
    made.filters |= {
        "count": lambda number: "" if number is None else f"{number:,}",
        "size": decimal,
        "when": lambda time: time.astimezone(datetime.UTC).strftime("%-d %b %Y, %H:%M UTC"),
        "markdown": lambda text: Markup(to_html(text)),  # noqa: S704 - HTML in it is off
        "sentence": lambda text: Markup(sentence_to_html(text)),  # noqa: S704 - likewise
        "safe_shape": Markup,
        "share": percentage,
        "cell": _cell,
        "total_size": lambda made: sum({file.file_id: file.size_bytes for file in made.files}.values()),
    }
    return made


def _finished(value: Any) -> Any:
    """Return a value as it is printed: a text without characters that turn text around, None as nothing."""
    if value is None:
        return ""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
