"""Describes every column of a table in one pass that needs little memory: map over batches, merge, finish.

    unit       some row groups side by side, which one thread reads
    batch      rows of a unit, bounded by bytes
    summary    the statistics of one column over some batches; two of them merge
    row sample one row, drawn at random, out of each of equally long runs of rows

Counts, sums, extremes and the smallest numbers of distinct values depend on no border between batches. Where means and
deviations are rounded, they are merged in the order of the rows: the same file gives the same profile to the last bit,
with any number of threads.
"""
