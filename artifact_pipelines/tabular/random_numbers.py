"""Permanent random numbers: the same row always draws the same number, in any order and on any machine.

A row's number is a chain of SplitMix64 finalizers over the seed and one word of 64 bits for each value that identifies
the row; `identity_words` has the words. Golden vectors in the tests pin every bit.

    state = mix(seed + G)
    state = mix((state + G) ^ word)      for each value, in the order of the columns
    u     = state / 2**64                in [0, 1)

with G = 0x9E3779B97F4A7C15, all sums and products modulo 2**64, and

    mix(z):  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;  z = (z ^ z >> 27) * 0x94D049BB133111EB;  z ^ z >> 31

Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. The sampling idea:
Ohlsson, "Coordination of samples using permanent random numbers", in: Business Survey Methods, 1995.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact_pipelines.tabular.identity_words import Words, identity_words

Numbers = npt.NDArray[np.uint64]
"""(rows,) permanent random numbers, uniform on 0 to 2**64 - 1; divided by 2**64 they are u in [0, 1)."""

_GOLDEN = 0x9E3779B97F4A7C15
_FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
_BLOCK = 16_384  # rows that stay in the processor's cache through all steps


def permanent_random_numbers(identity: pl.DataFrame, seed: int) -> Numbers:
    """Return the numbers of rows that are identified by the values of some columns.

    Names of columns do not matter, their order does.

    Args:
        identity: (rows, columns), the columns that identify a row.
        seed: 0 to 2**64 - 1; selects one of all possible assignments of numbers.

    Raises:
        UnsupportedTypeError: A column is nested or an object.
    """
    return _chained(identity.height, seed, map(identity_words, identity.iter_columns()))


def numbers_of_positions(positions: npt.NDArray[np.int64], seed: int) -> Numbers:
    """Return the numbers of rows that are identified by their position, as by a column of integers."""
    return _chained(len(positions), seed, [positions.view(np.uint64)])


def numbers_for(purpose: str, count: int, seed: int) -> Numbers:
    """Return numbers that belong to no row, such as the random start of a systematic sample.

    They are those of rows with two columns: the purpose, and 0 to `count - 1`.
    """
    named = {"purpose": [purpose], "number": [range(count)]}
    return permanent_random_numbers(pl.DataFrame(named).explode("number"), seed)


def extended(numbers: Numbers, words: Words) -> Numbers:
    """Return the numbers of rows that are identified by one more word each."""
    state = numbers.copy()
    _absorb(state, words)
    return state


def _chained(rows: int, seed: int, columns: Iterable[Words]) -> Numbers:
    first = np.array([seed], np.uint64)
    _absorb(first, np.zeros(1, np.uint64))
    state = np.full(rows, first[0])
    for words in columns:
        _absorb(state, words)
    return state


def _absorb(state: Numbers, words: Words) -> None:
    """Advance the states by a word each, in place."""
    for start in range(0, len(state), _BLOCK):
        block = state[start : start + _BLOCK]
        block += np.uint64(_GOLDEN)
        block ^= words[start : start + _BLOCK]
        _mix(block)


def _mix(state: Numbers) -> None:
    shifted = np.empty_like(state)
    for shift, factor in zip(_SHIFTS, _FACTORS, strict=False):
        np.right_shift(state, shift, out=shifted)
        state ^= shifted
        state *= factor
    np.right_shift(state, _SHIFTS[-1], out=shifted)
    state ^= shifted
