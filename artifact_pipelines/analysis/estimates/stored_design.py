"""A sample's design as its materialization stores it: what estimates need of it.

The slice of samples writes it; this one reads its JSON and imports nothing of it. New fields there change nothing here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import pydantic

from artifact_pipelines.analysis.exceptions import NotEstimableError


class StoredFrame(pydantic.BaseModel):
    """The table that the sample was drawn from.

    Attributes:
        population_size: N, the rows that the design could draw.
    """

    model_config = pydantic.ConfigDict(frozen=True)
    population_size: int


class StoredStratum(pydantic.BaseModel):
    """A stratum; `stratum` is None for nulls, `round` the round that it is of."""

    model_config = pydantic.ConfigDict(frozen=True)
    stratum: str | None
    population_size: int
    drawn: int
    round: int | None = None


class StoredDesign(pydantic.BaseModel):
    """How a sample was drawn.

    Attributes:
        design: Name of the design, such as `stratified`.
        parameters: Its fields that differ from their defaults.
        drawn: Rows of the sample.
        facts: What else estimates need to know.
        notes: Sentences on what a reader would not expect.
        round: The round that it is, of a design in several.
    """

    model_config = pydantic.ConfigDict(frozen=True)
    design: str
    parameters: Mapping[str, Any] = {}
    frame: StoredFrame
    drawn: int
    strata: Sequence[StoredStratum] = ()
    facts: Mapping[str, Any] = {}
    notes: Sequence[str] = ()
    round: int | None = None

    @property
    def empty_strata(self) -> Sequence[StoredStratum]:
        """Return the strata of which no row was drawn."""
        return [each for each in self.strata if each.population_size and not each.drawn]

    def of_round(self, number: int | None) -> Self:
        """Return the design of one round; of a design without rounds, itself.

        Raises:
            NotEstimableError: The round is missing, or there are no rounds.
        """
        rounds = self.facts.get("rounds")
        if rounds is None and number is None:
            return self
        if rounds is None:
            raise NotEstimableError(self.design, "it has no rounds", "Leave out `round`")
        if number is None or not 1 <= number <= len(rounds):
            remedy = f"Set `round` to one from 1 to {len(rounds)}: the estimate is of the rows that it could draw"
            raise NotEstimableError(self.design, "each round is a sample of its own", remedy)
        facts = rounds[number - 1]
        return self.model_copy(
            update={
                "design": facts["design"],
                "parameters": self.parameters["rounds"][number - 1],
                "frame": StoredFrame(population_size=facts["population_size"]),
                "drawn": facts["drawn"],
                "strata": [each for each in self.strata if each.round == number],
                "facts": facts,
                "notes": [note for note in self.notes if note.startswith(f"Round {number}:")],
                "round": number,
            }
        )
