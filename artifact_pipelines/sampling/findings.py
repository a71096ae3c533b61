"""Checks of a sample against its own design, and its strata as a table."""

import dataclasses
import math
from collections.abc import Sequence

import polars as pl

from artifact_pipelines.charts.markdown import escaped
from artifact_pipelines.core.check_results import CheckResult
from artifact_pipelines.core.wording import counted
from artifact_pipelines.sampling.drawn_design import DrawnDesign
from artifact_pipelines.sampling.engine.choice import INCLUSION_PROBABILITY, SAMPLING_WEIGHT, Choice, Stratum
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.representativeness.comparison import LARGEST_DISTANCE, ColumnDistance

_DEVIATIONS = 6
_ROUNDING = 1e-9
_MOST_STRATA = 50
_MOST_NAMED = 10
_TITLE_CHARACTERS = 80


@dataclasses.dataclass(frozen=True)
class Tally:
    """The probabilities and weights of a sample.

    Attributes:
        least: The smallest inclusion probability; infinity if there are no rows.
        largest: The largest one; 0 if there are no rows.
        weights: Sum of the weights.
        variance: Sum of w (w - 1), which estimates the variance of that sum if rows are drawn by themselves.
    """

    least: float
    largest: float
    weights: float
    variance: float


CHECKS = ("sizes", "probabilities", "weights")
REPRESENTATIVENESS = "representativeness"


def checks_of(design: ISamplingDesign) -> Sequence[str]:
    """Return the names of the checks of a sample."""
    return [*CHECKS, *([REPRESENTATIVENESS] if design.representativeness else [])]


def tally(choice: Choice) -> Tally:
    """Return the tally of a choice."""
    parts, rule = [_tally(choice.rows)], choice.rule
    if rule is not None:
        parts += rule.chosen.map(lambda batch: _tally(rule.describe(batch)))
    return Tally(
        min(part.least for part in parts),
        max(part.largest for part in parts),
        math.fsum(part.weights for part in parts),
        math.fsum(part.variance for part in parts),
    )


def findings(design: DrawnDesign, found: Tally, added: Sequence[str]) -> Sequence[CheckResult]:
    """Return the results of all checks, in the order of `CHECKS`.

    Args:
        added: Columns that the sample adds to those of its table.
    """
    return [_sizes(design), _probabilities(found), _weights(design, found, added)]


def representativeness(design: DrawnDesign, distances: Sequence[ColumnDistance]) -> CheckResult:
    """Return the check that a sample is as the rows that it was drawn from.

    Args:
        distances: Of all columns that were compared, the largest first.
    """
    missed = [each for each in design.strata if not each.drawn and each.population_size]
    share = sum(each.population_size for each in missed) / max(1, design.frame.population_size)
    off = [each for each in distances if not each.is_in_line(len(distances))]
    texts = [each.text for each in off[:_MOST_NAMED]]
    if len(off) > _MOST_NAMED:
        texts.append(f"and {counted(len(off) - _MOST_NAMED, 'more column')}")
    if not off:
        texts.append(_in_line(design, distances))
    if missed:
        named = ", ".join(each.title for each in missed[:_MOST_NAMED])
        more = f" and {len(missed) - _MOST_NAMED:,} more" if len(missed) > _MOST_NAMED else ""
        texts.append(f"strata without a row hold {100 * share:.1f} % of the frame: {named}{more}")
    figures = {"sample/largest_distance": distances[0].distance, "sample/columns_off": len(off)} if distances else {}
    passed = not off and share <= LARGEST_DISTANCE
    return CheckResult(REPRESENTATIVENESS, passed, is_error=False, text="; ".join(texts), figures=figures)


def _in_line(design: DrawnDesign, distances: Sequence[ColumnDistance]) -> str:
    if distances:
        return f"all {len(distances)} compared columns are in line, the farthest: {distances[0].text}"
    if design.drawn == design.frame.population_size:
        return "the sample has all rows that it stands for"
    return "no rows or no columns to compare"


def strata_table(strata: Sequence[Stratum]) -> str:
    """Return a Markdown table of the strata: the rows that they have, that were planned, and that were drawn."""
    shown = strata[:_MOST_STRATA]
    lines = ["| stratum | rows | planned | drawn |", "|---|--:|--:|--:|"]
    for each in shown:
        name = escaped(each.title[:_TITLE_CHARACTERS])
        planned = "" if each.planned is None else f"{each.planned:,}"
        lines.append(f"| {name} | {each.population_size:,} | {planned} | {each.drawn:,} |")
    if len(strata) > len(shown):
        lines.append(f"\n{len(strata):,} strata, first {len(shown)} shown.")
    return "\n".join(lines)


def _tally(rows: pl.DataFrame) -> Tally:
    shares, weights = rows[INCLUSION_PROBABILITY].to_numpy(), rows[SAMPLING_WEIGHT].to_numpy()
    if not len(shares):
        return Tally(math.inf, 0.0, 0.0, 0.0)
    return Tally(float(shares.min()), float(shares.max()), float(weights.sum()), float((weights * (weights - 1)).sum()))


def _sizes(design: DrawnDesign) -> CheckResult:
    drawn, planned, population = design.drawn, design.planned, design.frame.population_size
    if design.exhausted:
        short = [f"{each.title}: {each.drawn:,} of {each.planned:,}" for each in design.exhausted[:10]]
        more = f" and {len(design.exhausted) - 10:,} more" if len(design.exhausted) > 10 else ""
        text = f"{counted(drawn, 'row')}; strata with fewer rows than planned: {', '.join(short)}{more}"
        return CheckResult("sizes", passed=False, is_error=False, text=text)
    if planned is None:
        return CheckResult(
            "sizes", passed=True, is_error=False, text=f"{counted(drawn, 'row')}; the design fixes no number"
        )
    is_short = planned > population
    text = f"{counted(drawn, 'row')}, planned {planned:,}" + (
        f", of a population of {population:,}" if is_short else ""
    )
    return CheckResult("sizes", drawn == planned, not is_short, text)


def _probabilities(found: Tally) -> CheckResult:
    is_empty = found.largest == 0
    text = "no rows" if is_empty else f"inclusion probabilities from {found.least:.6g} to {found.largest:.6g}"
    return CheckResult("probabilities", is_empty or 0 < found.least <= found.largest <= 1, is_error=True, text=text)


def _weights(design: DrawnDesign, found: Tally, added: Sequence[str]) -> CheckResult:
    population = design.frame.population_size
    text = f"sampling weights add up to {found.weights:,.6g}, the population has {counted(population, 'row')}"
    if "cluster" in added or "round" in added:
        return CheckResult("weights", passed=True, is_error=False, text=f"{text}; the design does not make them equal")
    tolerance = _ROUNDING * population + (0 if _is_exact(design) else _DEVIATIONS * math.sqrt(max(0.0, found.variance)))
    return CheckResult("weights", abs(found.weights - population) <= tolerance, is_error=False, text=text)


def _is_exact(design: DrawnDesign) -> bool:
    """True if the weights of a stratum add up to its rows exactly: those of a simple random sample do."""
    return bool(design.strata) and "within" not in design.parameters
