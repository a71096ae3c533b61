"""Sentences on what a reader should look at first, and on what stands out besides; the worst first."""

import dataclasses
import shlex
from collections.abc import Iterator, Sequence

from artifact_pipelines.analysis.profile.findings import findings
from artifact_pipelines.analysis.readable import percentage
from artifact_pipelines.charts.markdown import escaped
from artifact_pipelines.core.wording import counted
from artifact_pipelines.report.facts import MadeCheck, ReportFacts
from artifact_pipelines.sampling.findings import REPRESENTATIVENESS

_MOST_NAMED = 8
_MOST_ON_PAGE = 4
_MANY_NULLS = 0.5
_TEXT_CHARACTERS = 100
"""The longest sentence on the asset's page, which shows few characters without a click; the report has all."""


@dataclasses.dataclass(frozen=True, slots=True)
class Attention:
    """A sentence.

    Attributes:
        level: `error`: the data are not as promised; `warning`: their users should know.
        about: The asset, or the subject.
    """

    level: str
    about: str
    text: str


def attention(facts: ReportFacts) -> Sequence[Attention]:
    """Return what needs attention; empty: nothing does."""
    failed = [each for each in facts.checks if not each.result.passed]
    errors = [_failed(each) for each in failed if each.result.is_error]
    warnings = [_failed(each) for each in failed if not each.result.is_error]
    return [*errors, *_missing(facts), *warnings, *_columns(facts)]


def noteworthy(facts: ReportFacts) -> str:
    """Return what stands out in the columns, as a list in Markdown."""
    return "\n".join(findings(facts.profile))


def represented(facts: ReportFacts) -> str:
    """Return whether the samples are as the rows that they were drawn from; empty: no check says so."""
    names = {each.asset for each in facts.samples}
    found = [each.result for each in facts.checks if each.asset in names and each.result.name == REPRESENTATIVENESS]
    unlike = sum(not each.passed for each in found)
    if unlike:
        return f"{unlike:,} of {len(found):,} {'does' if unlike == 1 else 'do'} not represent the table"
    return "all represent the table" if found else ""


def attention_page(facts: ReportFacts) -> str:
    """Return the summary of a report in Markdown, for the asset's page."""
    rows = f"{counted(facts.table.row_count or 0, 'row')}, {counted(len(facts.columns), 'column')}"
    found = attention(facts)
    lines = [
        f"- **{each.level}** {escaped(each.about)}: {escaped(_short(each.text.replace('`', '')))}"
        for each in found[:_MOST_ON_PAGE]
    ]
    more = [f"- and {len(found) - _MOST_ON_PAGE:,} more"] if len(found) > _MOST_ON_PAGE else []
    passed = sum(each.result.passed for each in facts.checks)
    checks = f"{passed:,} of {len(facts.checks):,} checks passed" if facts.checks else "no checks"
    samples = f"; samples: {text}" if (text := represented(facts)) else ""
    changes = [f"- {name}: {escaped(_short(text))}" for name, text in facts.version.changes.items() if name != "since"]
    is_compared = changes and len(facts.versions) > 1
    since = [f"Changed since {facts.versions[1].name}:", "", *changes, ""] if is_compared else []
    return "\n".join(
        [
            f"**{escaped(facts.title)} {facts.version.name}**: {rows}, {checks}{samples}",
            "",
            *(["Needs attention:", "", *lines, *more, ""] if found else ["Nothing needs attention.", ""]),
            *since,
            f"Open it: `artifact-pipelines report {shlex.quote(facts.name)} --open`",
        ]
    )


def _failed(check: MadeCheck) -> Attention:
    level = "error" if check.result.is_error else "warning"
    return Attention(level, f"{check.asset}: {check.result.name}", check.result.text)


def _missing(facts: ReportFacts) -> Iterator[Attention]:
    for asset in facts.missing:
        yield Attention("warning", asset, "It has no result for this version: its run failed, or has not ended.")


def _columns(facts: ReportFacts) -> Iterator[Attention]:
    rows = facts.table.row_count or 0
    if not rows:
        yield Attention("warning", "Rows", "The table has no rows.")
        return
    nulls = {each.name: each.null_count or 0 for each in facts.columns}
    if empty := [name for name, count in nulls.items() if count == rows]:
        yield Attention("warning", "Columns without a value", _listed(empty))
    many = {name: count / rows for name, count in nulls.items() if _MANY_NULLS * rows < count < rows}
    if many:
        said = [f"{name} {percentage(share)}" for name, share in many.items()]
        yield Attention("warning", "Columns with more nulls than values", _listed(said))
    for name, what in (("profile/duplicate_keys", "key"), ("profile/duplicate_rows", "values in all columns")):
        if repeated := facts.figures.get(name):
            yield Attention(
                "warning",
                "Repeated rows",
                f"{counted(round(repeated), 'row has', 'rows have')} the same {what} as another one.",
            )
            return


def _short(text: str) -> str:
    return text if len(text) <= _TEXT_CHARACTERS else text[: _TEXT_CHARACTERS - 1] + "…"


def _listed(names: Sequence[str]) -> str:
    more = f", and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
