"""Every sample that a design can draw from a tiny population, with its probability."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl

VALUES = (3.0, 8.0, 1.0, 12.0, 5.0, 7.0, 2.0)
SIZES = (2.0, 5.0, 1.0, 7.0, 4.0, 5.0, 1.0)
GROUPS = ("a", "b", "a", "b", "a", "a", "b")
"""Domains, which no design knows."""

STRATA = ("s", "s", "s", "s", "t", "t", "t")
CLUSTERS = ("u", "u", "v", "w", "w", "w", "x")

POPULATION = pl.DataFrame({"y": VALUES, "size": SIZES, "group": GROUPS, "stratum": STRATA, "cluster": CLUSTERS})
_EVERY = range(len(VALUES))


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A sample, its design, and the probability to draw it."""

    rows: pl.DataFrame
    design: dict[str, Any]
    probability: float


Draws = Callable[[], Iterator[Drawn]]


def drawn(
    name: str,
    rows: Sequence[int],
    shares: Sequence[float],
    probability: float,
    columns: Sequence[str] = (),
    **more: Any,
) -> Drawn:
    kept = POPULATION[list(rows)].select("y", "size", "group", *columns)
    kept = kept.with_columns(pl.Series("inclusion_probability", shares, dtype=pl.Float64))
    kept = kept.with_columns(sampling_weight=1 / pl.col("inclusion_probability"))
    design = {"design": name, "drawn": len(rows), "frame": {"population_size": len(VALUES)}, **more}
    return Drawn(kept, design, probability)


def simple_random(n: int = 3, name: str = "simple_random") -> Iterator[Drawn]:
    for rows in itertools.combinations(_EVERY, n):
        yield drawn(name, rows, [n / len(VALUES)] * n, 1 / math.comb(len(VALUES), n))


def with_replacement(n: int = 3) -> Iterator[Drawn]:
    """All ordered draws; a row stands once, with its draws."""
    size = len(VALUES)
    for draws in itertools.product(_EVERY, repeat=n):
        rows = sorted(set(draws))
        counts = [draws.count(row) for row in rows]
        found = drawn("simple_random_with_replacement", rows, [1 - (1 - 1 / size) ** n] * len(rows), size**-n)
        columns = {"draws": pl.Series(counts), "sampling_weight": pl.Series(counts) * (size / n)}
        yield dataclasses.replace(found, rows=found.rows.with_columns(**columns))


def poisson(name: str, shares: Sequence[float], least: int = 0) -> Iterator[Drawn]:
    for chosen in itertools.product((True, False), repeat=len(VALUES)):
        rows = [row for row in _EVERY if chosen[row]]
        probability = math.prod(share if one else 1 - share for share, one in zip(shares, chosen, strict=True))
        if len(rows) >= least:
            yield drawn(name, rows, [shares[row] for row in rows], probability)


def stratified() -> Iterator[Drawn]:
    for first in itertools.combinations(range(4), 2):
        for second in itertools.combinations(range(4, 7), 2):
            yield drawn("stratified", first + second, [2 / 4] * 2 + [2 / 3] * 2, 1 / 6 / 3, ["stratum"])


def cluster(n: int = 2) -> Iterator[Drawn]:
    names = sorted(set(CLUSTERS))
    for chosen in itertools.combinations(names, n):
        rows = [row for row in _EVERY if CLUSTERS[row] in chosen]
        yield drawn("cluster", rows, [n / len(names)] * len(rows), 1 / math.comb(len(names), n), ["cluster"])


def split_together(share: float = 0.4) -> Iterator[Drawn]:
    names, more = sorted(set(CLUSTERS)), {"parameters": {"together": ["cluster"]}}
    for chosen in itertools.product((True, False), repeat=len(names)):
        kept = [name for name, one in zip(names, chosen, strict=True) if one]
        rows = [row for row in _EVERY if CLUSTERS[row] in kept]
        probability = share ** len(kept) * (1 - share) ** (len(names) - len(kept))
        yield drawn("split", rows, [share] * len(rows), probability, ["cluster"], **more)


def two_stage(n: int = 2, rows_each: int = 2) -> Iterator[Drawn]:
    names = sorted(set(CLUSTERS))
    members = {name: [row for row in _EVERY if CLUSTERS[row] == name] for name in names}
    for chosen in itertools.combinations(names, n):
        second = [list(itertools.combinations(members[name], min(rows_each, len(members[name])))) for name in chosen]
        for parts in itertools.product(*second):
            rows = sorted(itertools.chain(*parts))
            shares = [n / len(names) * min(1, rows_each / len(members[CLUSTERS[row]])) for row in rows]
            probability = 1 / math.comb(len(names), n) / math.prod(map(len, second))
            found = drawn("two_stage", rows, shares, probability, ["cluster"])
            first = pl.lit(n / len(names), pl.Float64)
            yield dataclasses.replace(found, rows=found.rows.with_columns(cluster_probability=first))


def conditional_poisson(n: int = 4) -> Iterator[Drawn]:
    """All samples of n rows with probability proportional to the product of odds; π follows from them."""
    odds = [size / (12 - size) for size in SIZES]
    every = list(itertools.combinations(_EVERY, n))
    likely = [math.prod(odds[row] for row in rows) for rows in every]
    whole = math.fsum(likely)
    pi = [math.fsum(one for one, rows in zip(likely, every, strict=True) if row in rows) / whole for row in _EVERY]
    for one, rows in zip(likely, every, strict=True):
        yield drawn("pps", rows, [pi[row] for row in rows], one / whole)


EXACT: dict[str, Draws] = {
    "simple_random": simple_random,
    "simple_random_with_replacement": with_replacement,
    "bernoulli": lambda: poisson("bernoulli", [0.4] * len(VALUES)),
    "poisson": lambda: poisson("poisson", [size / 8 for size in SIZES]),
    "stratified": stratified,
    "cluster": cluster,
    "two_stage": two_stage,
    "split": lambda: poisson("split", [0.4] * len(VALUES)),
    "split of clusters": split_together,
}
"""Designs whose estimated variance is unbiased."""
