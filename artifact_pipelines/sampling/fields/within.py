"""Another design within each stratum: its fields without a size, which the allocation gives.

One idea: a stratum is a population of its own. Its rows, and with them its clusters and its random start, draw the
numbers of its own seed, so strata are sampled independently of each other.
"""

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import polars as pl
import pydantic

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.wording import counted
from artifact_pipelines.declarations import Declaration, OneOf
from artifact_pipelines.sampling.designs.balanced import Balanced
from artifact_pipelines.sampling.designs.bernoulli import Bernoulli
from artifact_pipelines.sampling.designs.cluster import Cluster
from artifact_pipelines.sampling.designs.poisson import Poisson
from artifact_pipelines.sampling.designs.pps import Pps
from artifact_pipelines.sampling.designs.simple_random_with_replacement import SimpleRandomWithReplacement
from artifact_pipelines.sampling.designs.systematic import Systematic
from artifact_pipelines.sampling.designs.two_stage import TwoStage
from artifact_pipelines.sampling.designs.weighted import Weighted
from artifact_pipelines.sampling.engine.choice import ORDINAL, Choice, Stratum
from artifact_pipelines.sampling.engine.strata import LABEL, Strata
from artifact_pipelines.sampling.fields.excluding import tagged
from artifact_pipelines.sampling.interfaces import ISamplingDesign, fields_of_the_whole
from artifact_pipelines.tabular.random_numbers import numbers_for

MOST_STRATA = 1_000
_MOST_NOTES = 20
_DESIGNS: tuple[type[Declaration], ...] = (
    Systematic,
    Pps,
    Bernoulli,
    Poisson,
    Weighted,
    SimpleRandomWithReplacement,
    Balanced,
    Cluster,
    TwoStage,
)


class _OneWithoutSize(OneOf):
    """Takes a design without the field that the allocation gives."""

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Return a schema of the tag only, because those of the designs require a size."""
        tags = [member.tag() for member in self.members]
        return {"type": "object", "properties": {"design": {"enum": tags}}, "required": ["design"]}

    def _validated(self, value: object) -> Declaration:
        if not isinstance(value, Mapping):
            return super()._validated(value)
        size = getattr(self._member(value), "SIZE", None)
        if size in value:
            raise ValueError(f"leave out {size}: the allocation gives each stratum its rows")
        found = super()._validated({**value, size: 1} if size else value)
        if given := [*fields_of_the_whole(found), *(["where"] if "where" in value else [])]:
            raise ValueError(f"{', '.join(given)} can be given for all strata together only")
        return found


def _without_size(design: ISamplingDesign, info: pydantic.SerializationInfo) -> dict[str, Any]:
    return {name: value for name, value in tagged(design, info).items() if name != design.SIZE}


WithinDesign = Annotated[ISamplingDesign, _OneWithoutSize(_DESIGNS), pydantic.PlainSerializer(_without_size)]


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """What a stratum gives: its name, its rows, and the choice of some of them; None: of no row."""

    label: str | None
    population_size: int
    choice: Choice | None


def choose_within(strata: Strata, design: ISamplingDesign, sizes: Sequence[tuple[int, int]] | None) -> Choice:
    """Choose rows of each stratum by a design. This is a pass for each stratum, and one to assign the rows to them.

    Args:
        sizes: n_h of each stratum, as planned, and as it has rows; None: the design has a size of its own.

    Raises:
        InvalidArgumentError: There are more than 1,000 strata.
    """
    if len(strata.labels) > MOST_STRATA:
        raise InvalidArgumentError("within", f"{len(strata.labels):,} strata", f"for at most {MOST_STRATA:,} strata")
    index = strata.index_of_rows()
    drawn = []
    for number, (label, size) in enumerate(zip(strata.labels, strata.sizes, strict=True)):
        n = None if sizes is None else sizes[number][1]
        seed = int(numbers_for("stratum" if label is None else f"stratum {label}", 1, strata.rows.identity.seed)[0])
        rows = strata.rows_at(index, number, seed)
        drawn.append(_Drawn(label, size, None if n == 0 else _sized(design, n, size).choose(rows)))
    planned = [None] * len(drawn) if sizes is None else [n for n, _ in sizes]
    return _together(drawn, planned, design.choose(strata.rows.filtered(lambda batch: batch.ordinals < 0)))


def _sized(design: ISamplingDesign, n: int | None, population_size: int) -> ISamplingDesign:
    if n is None or design.SIZE is None:
        return design
    return design.model_copy(update={design.SIZE: n / population_size if design.SIZE == "probability" else n})


def _together(drawn: Sequence[_Drawn], planned: Sequence[int | None], nothing: Choice) -> Choice:
    """Return the choice of all strata.

    Args:
        planned: n_h of each.
        nothing: A choice of no row, with all columns.
    """
    strata, frames, facts = [], [_labelled(nothing, None)], []
    for one, n in zip(drawn, planned, strict=True):
        choice = one.choice or dataclasses.replace(nothing, population_size=one.population_size, planned=0)
        frames.append(_labelled(choice, one.label))
        size = None if choice.planned is None else n
        strata.append(Stratum(one.label, choice.population_size, size, choice.drawn))
        facts.append({"stratum": one.label, "population_size": choice.population_size, "planned": size})
        facts[-1] |= {"drawn": choice.drawn, **choice.facts}
    sizes = [one.planned for one in strata if one.planned is not None]
    return Choice(
        pl.concat(frames).sort(ORDINAL),
        sum(one.population_size for one in strata),
        planned=sum(sizes) if len(sizes) == len(strata) else None,
        strata=strata,
        facts={"within": facts},
        notes=_notes(drawn),
    )


def _labelled(choice: Choice, label: str | None) -> pl.DataFrame:
    return choice.frame().with_columns(pl.lit(label, dtype=pl.String).alias(LABEL))


def _notes(drawn: Sequence[_Drawn]) -> list[str]:
    """Return the notes on all strata, equal ones once."""
    of_note = collections.defaultdict(list)
    for one in drawn:
        for note in one.choice.notes if one.choice else []:
            of_note[note].append(Stratum(one.label, 0, None, 0).title)
    found = [f"{_listed(strata)}: {note}" for note, strata in of_note.items()]
    more = [f"Strata have {counted(len(found) - _MOST_NOTES, 'more note')}."] if len(found) > _MOST_NOTES else []
    return [*found[:_MOST_NOTES], *more]


def _listed(strata: Sequence[str]) -> str:
    word = "Stratum" if len(strata) == 1 else "Strata"
    more = f" and {len(strata) - 10:,} more" if len(strata) > 10 else ""
    return f"{word} {', '.join(strata[:10])}{more}"
