"""Values of rows by domain, and their sums: the arithmetic that all estimates share.

Sums run in the order of the rows, so the same sample gives the same estimates to the last bit.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
"""Numbers from 0 in place of names."""


@dataclasses.dataclass(frozen=True)
class Influences:
    """A value of each row that is in a domain; that of every other row is 0.

    Attributes:
        rows: (k,) positions of the rows in the sample.
        domains: (k,) code of the domain of each.
        values: (k,) z.
        domain_count: Domains there are.
    """

    rows: Codes
    domains: Codes
    values: Floats
    domain_count: int

    def sums(self, values: Floats | None = None) -> Floats:
        """Return the sum of each domain."""
        return summed(self.domains, self.values if values is None else values, self.domain_count)

    def counts(self) -> Codes:
        """Return the rows of each domain."""
        return np.bincount(self.domains, minlength=self.domain_count).astype(np.int64)

    def with_values(self, values: Floats) -> "Influences":
        """Return the same rows with other values."""
        return dataclasses.replace(self, values=values)

    def of_units(self, units: Codes | None, unit_count: int) -> "Influences":
        """Return the sums of the rows of each unit in each domain; `rows` are then positions of units.

        Args:
            units: (rows,) the unit of each row of the sample; None: each row is one.
        """
        if units is None:
            return self
        pairs, place = np.unique(self.domains * unit_count + units[self.rows], return_inverse=True)
        sums = summed(place, self.values, len(pairs))
        return Influences(pairs % unit_count, pairs // unit_count, sums, self.domain_count)

    def only(self, domain: int, row_count: int) -> Floats:
        """Return (rows,) the values of all rows in one domain, with zeros."""
        found, here = np.zeros(row_count), self.domains == domain
        found[self.rows[here]] = self.values[here]
        return found


def summed(codes: npt.NDArray[np.integer], values: Floats, count: int) -> Floats:
    """Return the sum of the values of each code, added in their order."""
    return np.bincount(codes, values, count).astype(np.float64, copy=False)


def of_all_rows(values: Floats) -> Influences:
    """Return a value of every row, in one domain."""
    rows = np.arange(len(values))
    return Influences(rows, np.zeros(len(values), np.int64), values, 1)


def ratios(numerators: Floats, denominators: Floats) -> Floats:
    """Return quotients; NaN where the denominator is 0."""
    found = np.full(len(numerators), np.nan)
    np.divide(numerators, denominators, out=found, where=denominators != 0)
    return found
