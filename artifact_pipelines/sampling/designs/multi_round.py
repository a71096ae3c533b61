"""Sampling in rounds, each from the rows that earlier rounds leave."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
import pydantic

from artifact_pipelines.core.wording import counted
from artifact_pipelines.declarations import OneOf
from artifact_pipelines.sampling.arithmetic.elementary import remixed
from artifact_pipelines.sampling.conditions import rows_where
from artifact_pipelines.sampling.engine.choice import ORDINAL, Choice, Stratum
from artifact_pipelines.sampling.engine.rows import Rows
from artifact_pipelines.sampling.fields.excluding import IExcludingDesign, tagged
from artifact_pipelines.sampling.interfaces import ISamplingDesign, fields_of_the_whole
from artifact_pipelines.sampling.single_designs import SINGLE_DESIGNS

Round = Annotated[ISamplingDesign, OneOf(SINGLE_DESIGNS, default=SINGLE_DESIGNS[0])]


class MultiRound(IExcludingDesign):
    """Draw several samples that share no row, each from the rows that earlier rounds and excluded samples leave.

    `inclusion_probability` is that of a round, given the rounds before it, and the weights of a round stand for the
    rows that it could draw. So each round is a sample in its own right: estimate from one round at a time. Rounds use
    other random numbers than the rounds and excluded samples before them, whose numbers would bias what is left.
    """

    design: Literal["multi_round"] = "multi_round"
    rounds: Sequence[Round] = pydantic.Field(
        min_length=1, description="Designs, in order; each may have a `where:` of its own."
    )

    @pydantic.field_validator("rounds")
    @classmethod
    def _check_rounds(cls, rounds: Sequence[ISamplingDesign]) -> Sequence[ISamplingDesign]:
        for number, one in enumerate(rounds, 1):
            if given := fields_of_the_whole(one):
                raise ValueError(f"round {number}: {', '.join(given)} can be given for all rounds together only")
        return rounds

    @pydantic.field_serializer("rounds")
    def _tagged_rounds(self, rounds: Sequence[ISamplingDesign], info: pydantic.FieldSerializationInfo) -> list[Any]:
        return [tagged(one, info) for one in rounds]

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        rounds = "; ".join(one.summary() for one in self.rounds)
        return f"{counted(len(self.rounds), 'round')} without a common row: {rounds}"

    def turns(self) -> int:
        """See `IExcludingDesign`."""
        return super().turns() + len(self.rounds)

    def choose(self, rows: Rows) -> Choice:
        """Choose round by round; without excluded samples the first has the numbers that its design has alone."""
        left = self.rest(rows)
        population_size = left.count
        choices: list[Choice] = []
        for number, design in enumerate(self.rounds, super().turns()):
            seed = int(remixed(np.array([rows.identity.seed], np.uint64), number)[0])
            renumbered = dataclasses.replace(left, identity=dataclasses.replace(rows.identity, seed=seed))
            choices.append(design.choose(rows_where(renumbered, design.where)))
            left = left.without(choices[-1].ordinals())
        planned = [choice.planned for choice in choices if choice.planned is not None]
        return Choice(
            pl.concat([_numbered(choice, number) for number, choice in enumerate(choices, 1)], how="diagonal").sort(
                ORDINAL
            ),
            population_size,
            planned=sum(planned) if len(planned) == len(choices) else None,
            strata=[stratum for number, choice in enumerate(choices, 1) for stratum in _strata(choice, number)],
            facts={"rounds": [_facts(*one) for one in zip(self.rounds, choices, strict=True)], "rows_left": left.count},
            notes=[f"Round {number}: {note}" for number, choice in enumerate(choices, 1) for note in choice.notes],
        )


def _numbered(choice: Choice, number: int) -> pl.DataFrame:
    return choice.frame().with_columns(pl.lit(number, dtype=pl.Int32).alias("round"))


def _strata(choice: Choice, number: int) -> list[Stratum]:
    return [dataclasses.replace(one, round=number) for one in choice.strata]


def _facts(design: ISamplingDesign, choice: Choice) -> dict[str, Any]:
    return {
        "design": design.tag(),
        "population_size": choice.population_size,
        "planned": choice.planned,
        "drawn": choice.drawn,
        **choice.facts,
    }
