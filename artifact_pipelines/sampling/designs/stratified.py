"""Stratified sampling: a simple random sample of each part of the population."""

import dataclasses
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal

import polars as pl
import pydantic

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.wording import counted
from artifact_pipelines.sampling.arithmetic.allocation import (
    EQUAL_PROPORTIONS,
    WEBSTER,
    Limits,
    allocate,
    neyman_shares,
    power_shares,
)
from artifact_pipelines.sampling.engine.choice import ORDINAL, Choice, Stratum, chosen_rows
from artifact_pipelines.sampling.engine.rows import Rows
from artifact_pipelines.sampling.engine.strata import Strata, find_strata, strata_by
from artifact_pipelines.sampling.fields.sample_size import SizedDesign, notes_on_size
from artifact_pipelines.sampling.fields.within import WithinDesign, choose_within

_Count = pydantic.NonNegativeInt


class Stratified(SizedDesign):
    """Draw rows of each stratum, so that none is missed and each has the precision it needs.

    Within a stratum all rows have the same probability. A larger sample contains the smaller one.
    """

    design: Literal["stratified"] = "stratified"
    by: str | Sequence[str] = pydantic.Field(
        min_length=1, description="Columns that define the strata, or one SQL expression."
    )
    allocation: Literal["proportional", "equal", "neyman", "power"] = pydantic.Field(
        default="proportional",
        description=(
            "Share of a stratum: N_h (proportional), the same for all (equal), N_h S_h of `variable` (neyman), or "
            "N_h ** `power` (power)."
        ),
    )
    variable: str | None = pydantic.Field(
        default=None, validate_default=True, description="Column whose spread neyman takes into account."
    )
    power: float = pydantic.Field(default=0.5, ge=0, le=1, description="Exponent of the allocation `power`.")
    within: WithinDesign | None = pydantic.Field(
        default=None,
        description=(
            "Another design in each stratum than a simple random sample, such as `{design: pps, size: revenue}`. The "
            "allocation gives it its size; `cluster` and `two_stage` draw their own `clusters` in each stratum."
        ),
    )
    fixed: Mapping[str, _Count] | None = pydantic.Field(
        default=None, validate_default=True, description="Rows of each stratum by its name, in place of n."
    )
    fixed_others: _Count | None = pydantic.Field(
        default=None, description="Rows of each stratum that `fixed` does not name; left out: that is an error."
    )
    min_per_stratum: _Count = pydantic.Field(default=0, description="Rows that each stratum has at least.")
    max_per_stratum: int | None = pydantic.Field(default=None, gt=0, description="Rows that each stratum has at most.")
    null_strata: Literal["own", "error"] = pydantic.Field(
        default="own", description="Whether null is a stratum of its own, or an error."
    )

    @pydantic.field_validator("by", mode="before")
    @classmethod
    def _check_by(cls, by: object) -> object:
        names = [by] if isinstance(by, str) else by
        if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"{by!r} is no column, SQL expression or list of columns. Put a name in quotes")
        return by

    @pydantic.field_validator("n")
    @classmethod
    def _check_size(cls, n: int | None, info: pydantic.ValidationInfo) -> int | None:  # noqa: ARG003
        return n  # checked with `fixed`

    @pydantic.field_validator("fixed", mode="before")
    @classmethod
    def _name_strata(cls, fixed: object) -> object:
        """Take `2024:` and `true:` of a YAML file as the names that strata of such values have."""
        if not isinstance(fixed, Mapping):
            return fixed
        return {str(name).lower() if isinstance(name, bool) else str(name): rows for name, rows in fixed.items()}

    @pydantic.field_validator("fixed")
    @classmethod
    def _check_fixed(cls, fixed: Mapping[str, int] | None, info: pydantic.ValidationInfo) -> Mapping[str, int] | None:
        """Refuse none and several of the fields that give the size."""
        others = [info.data[name] for name in ("n", "fraction", "within") if name in info.data]
        if len(others) < 3:
            return fixed
        within, given = others.pop(), sum(one is not None for one in (fixed, *others))
        if within is not None and within.SIZE is None:
            if given:
                raise ValueError(f"leave out n, fraction and fixed: {within.tag()} draws its clusters in each stratum")
        elif given != 1:
            raise ValueError("give one of n, fraction and fixed")
        return fixed

    @pydantic.field_validator("fixed_others")
    @classmethod
    def _check_others(cls, others: int | None, info: pydantic.ValidationInfo) -> int | None:
        if others is not None and info.data.get("fixed", {}) is None:
            raise ValueError("it is for the strata that `fixed` does not name, and there is no `fixed`")
        return others

    @pydantic.field_validator("max_per_stratum")
    @classmethod
    def _check_limits(cls, most: int | None, info: pydantic.ValidationInfo) -> int | None:
        if most is not None and most < (least := info.data.get("min_per_stratum", 0)):
            raise ValueError(f"{most} is less than min_per_stratum, which is {least}")
        return most

    @pydantic.field_validator("variable")
    @classmethod
    def _check_variable(cls, variable: str | None, info: pydantic.ValidationInfo) -> str | None:
        if variable is None and info.data.get("allocation") == "neyman":
            raise ValueError("the allocation neyman needs the column whose spread it takes into account")
        return variable

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        by = self.by if isinstance(self.by, str) else ", ".join(self.by)
        within = "" if self.within is None else f", by {self.within.tag().replace('_', ' ')} sampling in each"
        if self.within is not None and self.within.SIZE is None:
            return f"In each stratum of `{by}`: {self.within.summary()}"
        if self.fixed is not None:
            return f"Stratified sample with fixed numbers of rows of each stratum of `{by}`{within}"
        return f"Stratified sample of {self.size}, {self.allocation} allocation to the strata of `{by}`{within}"

    def share(self) -> float:
        """See `ISamplingDesign`."""
        limited = self.min_per_stratum or self.max_per_stratum or self.fixed is not None
        if self.allocation != "proportional" or self.within is not None or limited:
            return super().share()
        return self.fixed_share()

    def choose(self, rows: Rows) -> Choice:
        """Choose the n_h rows of each stratum with the smallest numbers, π = n_h / N_h; or by another design within.

        Source:
            Särndal, Swensson, Wretman, Model Assisted Survey Sampling, 1992, section 3.7; Cochran, Sampling
            Techniques, 3rd edition, 1977, chapter 5.
        """
        near = 0 if self.within is not None else self._guess(rows.count)
        strata = find_strata(rows, strata_by(rows, self.by), near)
        if self.null_strata == "error" and None in strata.labels:
            raise InvalidArgumentError("by", None, "without nulls (or `null_strata: own`)")
        if self.within is not None and self.within.SIZE is None:
            return choose_within(strata, self.within, None)
        planned, wanted = self._sizes(strata)
        if self.within is None:
            return self._smallest(strata, planned, wanted)
        found = choose_within(strata, self.within, list(zip(planned, wanted, strict=True)))
        return dataclasses.replace(found, notes=[*_notes(sum(planned), rows.count, found.strata), *found.notes])

    def _smallest(self, strata: Strata, planned: Sequence[int], wanted: Sequence[int]) -> Choice:
        found = strata.smallest(wanted)
        index = found["__index"].to_numpy()
        shares = pl.Series([n_h / max(1, size) for n_h, size in zip(wanted, strata.sizes, strict=True)])
        labels = pl.Series(strata.labels, dtype=pl.String)[index]
        chosen = chosen_rows(found[ORDINAL].to_numpy(), shares.to_numpy()[index], stratum=labels)
        parts = [Stratum(*one) for one in zip(strata.labels, strata.sizes, planned, wanted, strict=True)]
        n, population_size = sum(planned), strata.rows.count
        return Choice(chosen, population_size, planned=n, strata=parts, notes=_notes(n, population_size, parts))

    def _guess(self, population_size: int) -> int:
        """Return about how many rows all strata together give."""
        return sum(self.fixed.values()) if self.fixed is not None else self.size_of_sample(population_size)

    def _sizes(self, strata: Strata) -> tuple[Sequence[int], Sequence[int]]:
        """Return n_h as the design has it, and as the sizes of the strata allow."""
        sizes = strata.sizes
        if self.fixed is not None:
            planned = self._fixed_sizes(strata.labels)
            return planned, [min(one, size) for one, size in zip(planned, sizes, strict=True)]
        n = self.size_of_sample(strata.rows.count)
        limits = Limits(self.min_per_stratum, self.max_per_stratum)
        rounding = EQUAL_PROPORTIONS if self.allocation == "neyman" else WEBSTER
        shares = self._shares(strata)
        unlimited = [max(n, self.min_per_stratum)] * len(sizes)
        most = n if self.max_per_stratum is None else min(n, self.max_per_stratum * len(sizes))
        planned = allocate(most, shares, unlimited, limits, rounding)
        return planned, allocate(min(most, sum(sizes)), shares, sizes, limits, rounding)

    def _fixed_sizes(self, labels: Sequence[str | None]) -> list[int]:
        fixed = self.fixed or {}
        names = ["null" if label is None else label for label in labels]
        if unknown := set(fixed) - set(names):
            raise InvalidArgumentError("fixed", sorted(unknown), f"of strata of the table: {', '.join(names[:50])}")
        if self.fixed_others is None and (left := sorted(set(names) - set(fixed))):
            expected = f"the rows of every stratum, also of {', '.join(left[:50])} (or set `fixed_others`)"
            raise InvalidArgumentError("fixed", dict(fixed), expected)
        return [fixed.get(name, self.fixed_others or 0) for name in names]

    def _shares(self, strata: Strata) -> list[Fraction]:
        sizes = strata.sizes
        if self.allocation == "equal":
            return [Fraction(1)] * len(sizes)
        if self.allocation == "power":
            return power_shares(sizes, self.power)
        if self.allocation == "neyman":
            [variable] = strata.rows.check_columns("variable", [self.variable or ""])
            sums, squares = strata.sums(variable)
            return neyman_shares(sizes, sums.totals(), squares.totals())
        return [Fraction(size) for size in sizes]


def _notes(n: int, population_size: int, strata: Sequence[Stratum]) -> Sequence[str]:
    notes = [*notes_on_size(n, population_size)]
    if empty := [each for each in strata if not each.drawn]:
        rows = sum(each.population_size for each in empty)
        notes.append(
            f"Strata without a row in the sample: {len(empty):,}. No weight stands for their {counted(rows, 'row')}."
        )
    return notes
