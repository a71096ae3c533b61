import collections
import itertools
from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from artifact_pipelines.sampling.designs.simple_random_with_replacement import SimpleRandomWithReplacement
from artifact_pipelines.sampling.drawing import draw
from artifact_pipelines.sampling.engine.rows import Identity
from artifact_pipelines_tests.sampling.tiny import rows_in_every_order

POPULATION = pl.DataFrame({"id": range(1000)})


def test_every_outcome_has_its_multinomial_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly: over all balls that three draws of three rows can have, and all orders of the rows' numbers."""
    frame = POPULATION.head(3)
    seen: collections.Counter[tuple[int, ...]] = collections.Counter()
    for balls in itertools.product(range(3), repeat=3):
        numbers = np.array([(2 * ball + 1) * (2**63 // 3) for ball in balls], dtype=np.uint64)
        monkeypatch.setattr(Identity, "numbers_for", lambda *_, numbers=numbers: numbers)
        for rows in rows_in_every_order(frame):
            found = SimpleRandomWithReplacement(n=3).choose(rows).rows
            draws = dict(zip(found["__ordinal"], found["draws"], strict=True))
            seen[tuple(draws.get(row, 0) for row in range(3))] += 1
    ways = {(3, 0, 0): 1, (2, 1, 0): 3, (1, 1, 1): 6}
    expected = {rows: Fraction(ways[tuple(sorted(rows, reverse=True))], 27) for rows in seen}  # type: ignore[index]
    assert {rows: Fraction(count, seen.total()) for rows, count in seen.items()} == expected
    assert sum(expected.values()) == 1


def test_draws_and_weights_add_up() -> None:
    rows = draw(POPULATION, SimpleRandomWithReplacement(n=1500), ["id"]).rows.collect()
    assert rows["draws"].sum() == 1500
    assert rows["sampling_weight"].sum() == pytest.approx(1000)
    assert rows["inclusion_probability"][0] == pytest.approx(1 - (1 - 1 / 1000) ** 1500)
    assert rows["id"].is_unique().all()


def test_more_draws_contain_the_fewer() -> None:
    few, many = (draw(POPULATION, SimpleRandomWithReplacement(n=n), ["id"]).rows.collect() for n in (300, 400))
    both = few.join(many, on="id")
    assert both.height == few.height
    assert (both["draws"] <= both["draws_right"]).all()


def test_order_of_the_rows_does_not_matter() -> None:
    shuffled = POPULATION.sample(fraction=1, shuffle=True, seed=1)
    found, expected = (
        draw(frame, SimpleRandomWithReplacement(n=300), ["id"]).rows.collect().sort("id")
        for frame in (shuffled, POPULATION)
    )
    assert found.equals(expected)


def test_empty_population_gives_an_empty_sample() -> None:
    assert draw(POPULATION.head(0), SimpleRandomWithReplacement(n=5)).rows.collect().height == 0
