"""Estimates from a sample by its own design, with standard errors and confidence intervals.

The one idea: every estimate is close to a weighted sum. How one row moves it is the row's `influence`, so its variance
is that of a weighted total, and each family of designs has one formula for that.

    domain      a part of the population that has estimates of its own, such as a carrier
    unit        a row or cluster that a design draws as a whole
    influence   z, by how much a unit of a row's weight moves an estimate: the value itself for a total, its distance
                from the mean / N for a mean
    selection   how the rows came into the sample: weights, and the variance of weighted totals
    known       totals of the population that weights are calibrated to

Read `estimation.py` first. Formulas and sources: `docs/estimates.md`.
"""
