"""The selection of a sample's rows, as its stored design says it: one builder for each design."""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
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
from artifact_pipelines.core.wording import counted

_MOST_NAMED = 5
_Number = TypeVar("_Number", np.float64, np.int64)


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
    def degrees_of_freedom(self, influences: Influences) -> Floats:
        """Return those of each domain; 0: the sample cannot say how sure it is; infinite: every row is certain."""


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

    def degrees_of_freedom(self, influences: Influences) -> Floats:
        """Return those of the first stage that leaves something to chance."""
        found = self.stages[0].degrees_of_freedom(influences)
        for stage in self.stages[1:]:
            found = np.where(np.isinf(found), stage.degrees_of_freedom(influences), found)
        return found


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """What the builders share.

    Attributes:
        name: Of the design that drew the rows, or drew them in each stratum.
        parameters: Its fields that differ from their defaults.
        probabilities: (rows,) π.
        weights: (rows,) w.
        strata: (rows,) the stratum of each row.
        names: Names of the strata.
    """

    name: str
    parameters: Mapping[str, Any]
    table: SampleTable
    probabilities: Floats
    weights: Floats
    lonely: Lonely
    strata: Codes
    names: Sequence[object] = ("",)

    def selection(self, words: str, *stages: IStage) -> Selection:
        return Selection(self.weights, len(self.weights), words, stages)

    def checked(self, stage: FixedNumber, names: Sequence[object]) -> FixedNumber:
        """Return a stage, if the remedy for lonely units allows it.

        Args:
            names: Of its strata.

        Raises:
            NotEstimableError: A stratum has one uncertain unit, and there is no remedy.
        """
        lonely = np.flatnonzero(stage.counts() == 1).tolist()
        if lonely and (self.lonely == "fail" or (self.lonely == "average" and not (stage.counts() > 1).any())):
            raise self._lonely([names[each] for each in lonely])
        return stage

    def _lonely(self, names: Sequence[object]) -> NotEstimableError:
        more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
        shown = ", ".join("null" if name is None else f"{name!s:.60}" for name in names[:_MOST_NAMED])
        where = "it" if names == [""] else f"of strata or clusters, {len(names):,} ({shown}{more})"
        remedy = (
            "Draw two at least, or set `lonely` to certainty (they add no variance), average (the mean variance of the "
            "other strata) or adjust (their distance from the mean of all units)"
        )
        reason = f"{where} {'has' if len(names) == 1 else 'have'} one drawn unit, which shows no variance"
        return NotEstimableError(self.name, reason, remedy)


_Builder = Callable[[_Drawn], Selection]


def selection_of(design: StoredDesign, table: SampleTable, lonely: Lonely) -> Selection:
    """Return the selection of a sample.

    Raises:
        NotEstimableError: The design is not known, or the sample is not the one that the design drew.
    """
    probabilities, weights = table.numbers("inclusion_probability"), table.numbers("sampling_weight")
    if len(weights) != design.drawn:
        reason = f"it has {counted(len(weights), 'row')}, and its design says {design.drawn:,}"
        remedy = "Give the whole sample; use `by` or an expression for parts of it"
        raise NotEstimableError(design.design, reason, remedy)
    strata = np.zeros(len(weights), np.int64)
    return _built(_Drawn(design.design, design.parameters, table, probabilities, weights, lonely, strata))


def _built(drawn: _Drawn) -> Selection:
    build = _BUILDERS.get(drawn.name)
    if build is None:
        known = f"It is known for {', '.join(_BUILDERS)}"
        raise NotEstimableError(drawn.name, "the variance of this design is not known", known)
    return build(drawn)


def _fixed_number(words: str) -> _Builder:
    def build(drawn: _Drawn) -> Selection:
        chances, factors = left_to_chance(drawn.probabilities), np.ones(len(drawn.names))
        stage = FixedNumber(None, drawn.strata, chances, factors, drawn.lonely)
        return drawn.selection(words, drawn.checked(stage, drawn.names))

    return build


def _independent(words: str) -> _Builder:
    return lambda drawn: drawn.selection(words, Independent(None, left_to_chance(drawn.probabilities)))


def _stratified(drawn: _Drawn) -> Selection:
    strata, names = coded(drawn.table.read(["stratum"], "sample"))
    within = drawn.parameters.get("within") or {"design": "simple_random"}
    inner = dataclasses.replace(
        drawn, name=within["design"], parameters=within, strata=strata, names=names["stratum"].to_list()
    )
    found = _built(inner)
    return dataclasses.replace(found, words=f"stratified sampling, in each stratum {found.words}")


def _with_replacement(drawn: _Drawn) -> Selection:
    draws = drawn.table.numbers("draws")
    stage = FixedNumber(None, drawn.strata, draws, np.ones(len(drawn.names)), drawn.lonely, repeats=True)
    words = "simple random sampling with replacement"
    return Selection(drawn.weights, int(draws.sum()), words, [drawn.checked(stage, drawn.names)])


def _split(drawn: _Drawn) -> Selection:
    together = drawn.parameters.get("together")
    if not together:
        return _independent(_POISSON)(drawn)
    units, values = coded(drawn.table.read(together, "`together` of the sample's design"))
    chances = _of_units(left_to_chance(drawn.probabilities), units, values.height)
    return drawn.selection(f"independent draws of clusters by {', '.join(together)}", Independent(units, chances))


def _cluster(drawn: _Drawn) -> Selection:
    units, names = _clusters(drawn)
    return drawn.selection(
        f"sampling of whole clusters{_by_size(drawn)}",
        _clusters_drawn(drawn, units, _of_units(drawn.probabilities, units, len(names))),
    )


def _two_stage(drawn: _Drawn) -> Selection:
    units, names = _clusters(drawn)
    first = drawn.table.numbers("cluster_probability")
    of_clusters = _of_units(first, units, len(names))
    chances = left_to_chance(drawn.probabilities / first)
    second = FixedNumber(None, units, chances, of_clusters, drawn.lonely)
    words = f"two stages: clusters{_by_size(drawn)}, then simple random samples of their rows"
    return drawn.selection(words, _clusters_drawn(drawn, units, of_clusters), drawn.checked(second, names))


def _clusters(drawn: _Drawn) -> tuple[Codes, Sequence[object]]:
    """Return the cluster of each row, and the names of the clusters; of each stratum they are others."""
    units, values = coded(drawn.table.read(["cluster"], "sample").with_columns(stratum=drawn.strata))
    return units, values["cluster"].to_list()


def _clusters_drawn(drawn: _Drawn, units: Codes, probabilities: Floats) -> FixedNumber:
    strata = _of_units(drawn.strata, units, len(probabilities))
    factors = np.ones(len(drawn.names))
    stage = FixedNumber(units, strata, left_to_chance(probabilities), factors, drawn.lonely)
    return drawn.checked(stage, drawn.names)


def _by_size(drawn: _Drawn) -> str:
    is_equal = drawn.parameters.get("cluster_probabilities", "equal") == "equal"
    return "" if is_equal else " in proportion to their size, variance by the approximation of Hájek"


def _of_units(values: npt.NDArray[_Number], units: Codes, unit_count: int) -> npt.NDArray[_Number]:
    """Return the value that all rows of a unit share."""
    found = np.zeros(unit_count, values.dtype)
    found[units] = values
    return found


def _balanced(drawn: _Drawn) -> Selection:
    columns = list(drawn.parameters["balance_on"])
    values = drawn.table.read(columns, "`balance_on` of the sample's design").cast(pl.Float64)
    shares = [np.ones(len(drawn.weights)), *(values[name].to_numpy() / drawn.probabilities for name in columns)]
    chances, parts = left_to_chance(drawn.probabilities), []
    for stratum in range(len(drawn.names)):
        rows = np.flatnonzero(drawn.strata == stratum)
        parts.append((rows, orthonormal([share[rows] for share in shares], chances[rows])))
    words = f"sampling balanced on {', '.join(columns)}; variance by the approximation of Deville and Tillé"
    return drawn.selection(words, Balanced(parts))


_POISSON = "independent draws of each row (Poisson sampling), whose number is random"
_COMPLETE = "every row of the population is in the sample: the values are exact, and stand for no other rows"
_BUILDERS: Mapping[str, _Builder] = {
    "simple_random": _fixed_number("simple random sampling without replacement"),
    "simple_random_with_replacement": _with_replacement,
    "bernoulli": _independent(_POISSON),
    "poisson": _independent(_POISSON),
    "systematic": _fixed_number("systematic sampling, with the variance of simple random sampling, often too large"),
    "stratified": _stratified,
    "weighted": _independent("successive sampling, with probabilities given the random numbers of the other rows"),
    "pps": _fixed_number("sampling in proportion to size, variance by the approximation of Hájek"),
    "cluster": _cluster,
    "two_stage": _two_stage,
    "balanced": _balanced,
    "split": _split,
    "custom": _independent(_COMPLETE),
    "residual": _independent(_COMPLETE),
}
