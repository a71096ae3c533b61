"""The selection of a sample's rows, as its stored design says it: one builder for each design."""

import abc
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from artifact_pipelines.analysis.estimates.influences import Codes, Floats, Influences
from artifact_pipelines.analysis.estimates.orthonormal import orthonormal
from artifact_pipelines.analysis.estimates.requests import Lonely
from artifact_pipelines.analysis.estimates.sample_table import SampleTable, coded
from artifact_pipelines.analysis.estimates.stored_design import StoredDesign
from artifact_pipelines.analysis.estimates.variances import (
    Balanced,
    FixedNumber,
    Independent,
    IStage,
    left_to_chance,
)
from artifact_pipelines.analysis.exceptions import NotEstimableError

_MOST_NAMED = 5


class ISelection(abc.ABC):
    """How the rows of a sample came into it.

    Attributes:
        weights: (rows,) w.
        size: n, the rows, or the draws with replacement.
        words: The design and its variance, for a reader.
    """

    weights: Floats
    size: int
    words: str

    @abc.abstractmethod
    def variance(self, influences: Influences) -> Floats:
        """Return the variance of the weighted total of z in each domain."""

    @abc.abstractmethod
    def degrees_of_freedom(self, influences: Influences) -> Codes:
        """Return those of each domain; 0: the sample cannot say how sure an estimate is, or every row is certain."""


@dataclasses.dataclass(frozen=True)
class Selection(ISelection):
    """A selection in stages, whose variances add up."""

    weights: Floats
    size: int
    words: str
    stages: Sequence[IStage]

    def variance(self, influences: Influences) -> Floats:
        """See `ISelection`."""
        totals = influences.with_values(influences.values * self.weights[influences.rows])
        found: Floats = np.add.reduce([stage.variance(totals) for stage in self.stages])
        return found

    def degrees_of_freedom(self, influences: Influences) -> Codes:
        """See `ISelection`."""
        return self.stages[0].degrees_of_freedom(influences)


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """What the builders share: the design, the rows, π and w of each row."""

    design: StoredDesign
    table: SampleTable
    probabilities: Floats
    weights: Floats
    lonely: Lonely

    def selection(self, words: str, *stages: IStage, size: int | None = None) -> Selection:
        return Selection(self.weights, len(self.weights) if size is None else size, words, stages)

    def stratified(self, strata: Codes, names: Sequence[object], words: str) -> Selection:
        """Return the selection of a fixed number of rows of each stratum."""
        stage = self.fixed_number(None, strata, self.probabilities, names)
        return self.selection(words, stage)

    def fixed_number(
        self,
        units: Codes | None,
        strata: Codes,
        probabilities: Floats,
        names: Sequence[object],
        factors: Floats | None = None,
    ) -> FixedNumber:
        """Return a stage, if the remedy for lonely units allows it.

        Raises:
            NotEstimableError: A stratum has one uncertain unit, and there is no remedy.
        """
        given = np.ones(len(names)) if factors is None else factors
        stage = FixedNumber(units, strata, left_to_chance(probabilities), given, lonely=self.lonely)
        lonely = np.flatnonzero(stage.counts() == 1)
        if len(lonely) and (self.lonely == "fail" or (self.lonely == "average" and not (stage.counts() > 1).any())):
            raise self._lonely([names[each] for each in lonely.tolist()])
        return stage

    def _lonely(self, names: Sequence[object]) -> NotEstimableError:
        shown = ", ".join(f"{name!s:.60}" for name in names[:_MOST_NAMED])
        more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
        where = "the sample" if names == [""] else f"{len(names):,} strata or clusters ({shown}{more})"
        remedy = (
            "Draw two at least, or set `lonely` to certainty (they add no variance), average (the mean variance of the "
            "other strata) or adjust (their distance from the mean of all units)"
        )
        return NotEstimableError(self.design.design, f"{where} has one unit, which shows no variance", remedy)


def selection_of(design: StoredDesign, table: SampleTable, lonely: Lonely) -> Selection:
    """Return the selection of a sample.

    Raises:
        NotEstimableError: The design is not known, or the sample is not the one that the design drew.
    """
    build = _BUILDERS.get(design.design)
    if build is None:
        known = f"It is known for {', '.join(_BUILDERS)}"
        raise NotEstimableError(design.design, "the variance of this design is not known", known)
    probabilities, weights = table.numbers("inclusion_probability"), table.numbers("sampling_weight")
    if len(weights) != design.drawn:
        reason = f"it has {len(weights):,} rows, and its design says {design.drawn:,}"
        raise NotEstimableError(
            design.design, reason, "Give the whole sample; use `by` or an expression for parts of it"
        )
    return build(_Drawn(design, table, probabilities, weights, lonely))


def _simple_random(drawn: _Drawn) -> Selection:
    strata = np.zeros(len(drawn.weights), np.int64)
    return drawn.stratified(strata, [""], "simple random sampling without replacement")


def _systematic(drawn: _Drawn) -> Selection:
    words = (
        "systematic sampling; its variance is that of simple random sampling, as an approximation, and often too large"
    )
    return drawn.stratified(np.zeros(len(drawn.weights), np.int64), [""], words)


def _pps(drawn: _Drawn) -> Selection:
    words = "sampling in proportion to size; variance by the approximation of Hájek"
    return drawn.stratified(np.zeros(len(drawn.weights), np.int64), [""], words)


def _stratified(drawn: _Drawn) -> Selection:
    strata, names = coded(drawn.table.read(["stratum"], "sample"))
    return drawn.stratified(strata, names["stratum"].to_list(), "stratified simple random sampling")


def _with_replacement(drawn: _Drawn) -> Selection:
    draws, strata = drawn.table.numbers("draws"), np.zeros(len(drawn.weights), np.int64)
    size = int(draws.sum())
    if size == 1:
        raise NotEstimableError(drawn.design.design, "one draw shows no variance", "Draw two at least")
    stage = FixedNumber(None, strata, draws, np.ones(1), repeats=True)
    return drawn.selection("simple random sampling with replacement", stage, size=size)


def _independent(drawn: _Drawn) -> Selection:
    words = "independent draws of each row (Poisson sampling), whose number is random"
    return drawn.selection(words, Independent(None, left_to_chance(drawn.probabilities)))


def _successive(drawn: _Drawn) -> Selection:
    words = "successive sampling; probabilities given the random numbers of the other rows"
    return drawn.selection(words, Independent(None, left_to_chance(drawn.probabilities)))


def _split(drawn: _Drawn) -> Selection:
    together = drawn.design.parameters.get("together")
    if not together:
        return _independent(drawn)
    units, values = coded(drawn.table.read(together, "`together` of the sample's design"))
    chances = _of_units(left_to_chance(drawn.probabilities), units, values.height)
    return drawn.selection(f"independent draws of clusters by {', '.join(together)}", Independent(units, chances))


def _cluster(drawn: _Drawn) -> Selection:
    units, names = coded(drawn.table.read(["cluster"], "sample"))
    stage = _clusters_drawn(drawn, units, _of_units(drawn.probabilities, units, names.height))
    return drawn.selection(f"sampling of whole clusters{_by_size(drawn)}", stage)


def _two_stage(drawn: _Drawn) -> Selection:
    units, names = coded(drawn.table.read(["cluster"], "sample"))
    first = _first_stage(drawn)
    of_clusters = _of_units(first, units, names.height)
    second = drawn.fixed_number(None, units, drawn.probabilities / first, names["cluster"].to_list(), of_clusters)
    words = f"two stages: clusters{_by_size(drawn)}, then simple random samples of their rows"
    return drawn.selection(words, _clusters_drawn(drawn, units, of_clusters), second)


def _first_stage(drawn: _Drawn) -> Floats:
    """Return the probability of each row's cluster."""
    facts = drawn.design.facts
    if "cluster_probability" in drawn.table.scan.collect_schema():
        return drawn.table.numbers("cluster_probability")
    if drawn.design.parameters.get("cluster_probabilities", "equal") == "equal":
        return np.full(len(drawn.weights), facts["clusters_drawn"] / facts["clusters_in_population"])
    reason = "it does not say with which probability each cluster was drawn"
    raise NotEstimableError(drawn.design.design, reason, "Materialize the sample again")


def _clusters_drawn(drawn: _Drawn, units: Codes, probabilities: Floats) -> FixedNumber:
    return drawn.fixed_number(units, np.zeros(len(probabilities), np.int64), probabilities, [""])


def _by_size(drawn: _Drawn) -> str:
    is_equal = drawn.design.parameters.get("cluster_probabilities", "equal") == "equal"
    return "" if is_equal else " in proportion to their size, variance by the approximation of Hájek"


def _of_units(values: Floats, units: Codes, unit_count: int) -> Floats:
    """Return the value that all rows of a unit share."""
    found = np.empty(unit_count)
    found[units] = values
    return found


def _balanced(drawn: _Drawn) -> Selection:
    columns = list(drawn.design.parameters["balance_on"])
    values = drawn.table.read(columns, "`balance_on` of the sample's design").cast(pl.Float64)
    shares = [values[name].to_numpy() / drawn.probabilities for name in columns]
    basis = orthonormal([np.ones(len(drawn.weights)), *shares], left_to_chance(drawn.probabilities))
    words = f"sampling balanced on {', '.join(columns)}; variance by the approximation of Deville and Tillé"
    return drawn.selection(words, Balanced(basis))


def _complete(drawn: _Drawn) -> Selection:
    words = "every row of the population is in the sample: the values are exact, and stand for no other rows"
    return drawn.selection(words, Independent(None, left_to_chance(drawn.probabilities)))


_BUILDERS: dict[str, Callable[[_Drawn], Selection]] = {
    "simple_random": _simple_random,
    "simple_random_with_replacement": _with_replacement,
    "bernoulli": _independent,
    "poisson": _independent,
    "systematic": _systematic,
    "stratified": _stratified,
    "weighted": _successive,
    "pps": _pps,
    "cluster": _cluster,
    "two_stage": _two_stage,
    "balanced": _balanced,
    "split": _split,
    "custom": _complete,
    "residual": _complete,
}
