"""Drift: how the distribution of each column differs between two versions of a table.

baseline   the version that another one is compared with
category   a value, or a bin of numbers; nulls, NaN and infinities are categories of their own
verdict    whether a column drifted: its statistics against their thresholds
"""
