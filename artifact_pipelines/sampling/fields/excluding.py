"""Designs that draw from the rows that other samples of the same table leave.

One idea: a sample is known by its design. So the rows of another sample are found by choosing them again from the same
table, which reads few columns, and are excluded exactly whether it has been materialized or not.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import pydantic
from pydantic.json_schema import SkipJsonSchema

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.conditions import rows_of
from artifact_pipelines.sampling.engine.rows import Rows
from artifact_pipelines.sampling.interfaces import ISamplingDesign

OtherSample = str | SkipJsonSchema[pydantic.InstanceOf[ISamplingDesign]]


class IExcludingDesign(ISamplingDesign):
    """Draws no row of some other samples."""

    exclude: Sequence[OtherSample] = pydantic.Field(
        default=(), description="Samples of the same dataset whose rows are left out; in Python also designs."
    )

    @pydantic.field_serializer("exclude")
    def _tagged(self, exclude: Sequence[OtherSample], info: pydantic.FieldSerializationInfo) -> list[Any]:
        return [one if isinstance(one, str) else tagged(one, info) for one in exclude]

    def turns(self) -> int:
        """Return how many assignments of numbers this design and those that it excludes use, of one seed."""
        return sum(turns_of(other) for other in self.exclude)

    def rest(self, rows: Rows) -> Rows:
        """Return the rows that the other samples leave.

        Raises:
            InvalidArgumentError: A sample is known by its name only.
        """
        for other in self.exclude:
            if isinstance(other, str):
                raise InvalidArgumentError("exclude", other, "a design: only the samples of a dataset have names")
            rows = rows.without(other.choose(rows_of(rows.population, other, rows.identity.key)).ordinals())
        return rows

    def with_samples(self, samples: Mapping[str, ISamplingDesign], within: Sequence[str]) -> Self:
        """Return the design with names of samples replaced by their designs.

        Args:
            within: Names of the samples that exclude this one, and its own.

        Raises:
            ValueError: No sample has the name, or samples exclude each other.
        """
        found: list[ISamplingDesign] = []
        for other in self.exclude:
            if isinstance(other, str) and other in within:
                raise ValueError(f"samples exclude each other: {' -> '.join([*within, other])}")
            if isinstance(other, str) and other not in samples:
                raise ValueError(f"exclude: there is no sample {other!r}, but {', '.join(samples)}")
            design = samples[other] if isinstance(other, str) else other
            names = [*within, other] if isinstance(other, str) else within
            found.append(design.with_samples(samples, names) if isinstance(design, IExcludingDesign) else design)
        return self.model_copy(update={"exclude": found})


def with_excluded_designs(samples: Mapping[str, ISamplingDesign]) -> dict[str, ISamplingDesign]:
    """Return the samples of a dataset, those that exclude others with the designs of these.

    Raises:
        ValueError: A name is that of no sample, or samples exclude each other.
    """
    return {
        name: design.with_samples(samples, [name]) if isinstance(design, IExcludingDesign) else design
        for name, design in samples.items()
    }


def turns_of(other: OtherSample) -> int:
    """Return how many assignments of numbers a sample uses, of one seed: one, but for rounds."""
    return other.turns() if isinstance(other, IExcludingDesign) else 1


def tagged(design: ISamplingDesign, info: pydantic.SerializationInfo) -> dict[str, Any]:
    """Return the fields of a design within another one, always with its name."""
    return {
        design.TAG: design.tag(),
        **design.model_dump(mode=info.mode, exclude_defaults=info.exclude_defaults, exclude_none=info.exclude_none),
    }
