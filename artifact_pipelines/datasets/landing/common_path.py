"""Finds a path that two globs match, so that no two datasets wait for the same files by accident.

One idea: a glob is a row of parts, of which some stand for any number of others. Two rows are walked together, for
paths (folders, `**`) as for names (characters, `*`).
"""

import fnmatch
import itertools
import pathlib
import re
from collections.abc import Callable, Sequence

_CHARACTERS = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)
_USUAL = "x0aA_-."


def common_path(first: str, second: str) -> str | None:
    """Return a path that both globs match; None: there is none."""
    parts = (pathlib.PurePosixPath(first).parts, pathlib.PurePosixPath(second).parts)
    found = _common(*parts, many="**", both=_common_name)
    return None if found is None else "/".join(found)


def _common_name(first: str, second: str) -> str | None:
    """Return a name that both globs match, such as `flights_x.csv`."""
    found = _common(_CHARACTERS.findall(first), _CHARACTERS.findall(second), many="*", both=_common_character)
    if found is None:
        return None
    longer = "x" + "".join(found)  # which is not hidden
    matches = all(fnmatch.fnmatchcase(longer, each) for each in (first, second))
    return longer if matches else "".join(found)


def _common_character(first: str, second: str) -> str | None:
    """Return a character that both match, each a letter, `?`, `[...]`, or `*` for any."""
    candidates = dict.fromkeys(re.sub(r"[\[\]!?]", "", first + second) + _USUAL + first + second)
    matching = (each for each in candidates if all(fnmatch.fnmatchcase(each, one) for one in (first, second)))
    return next(matching, None)


def _common(
    first: Sequence[str], second: Sequence[str], many: str, both: Callable[[str, str], str | None]
) -> list[str] | None:
    """Return a row that both rows of parts match; None: there is none.

    Args:
        many: The part that stands for any number of others.
        both: Returns what two single parts match; None: nothing.
    """
    ends = (len(first), len(second))
    rests: dict[tuple[int, int], list[str] | None] = {ends: []}  # what both match from two places on

    def step(one: str, other: str, i: int, j: int) -> list[str] | None:
        found, rest = both(one, other), rests[i, j]
        return None if found is None or rest is None else [found, *rest]

    for i, j in itertools.product(range(ends[0], -1, -1), range(ends[1], -1, -1)):
        one, other = first[i : i + 1], second[j : j + 1]
        options: list[list[str] | None] = []
        if [many] == list(one):
            options = [rests[i + 1, j], rests[i, j + 1] if [many] == list(other) else None]
            options += [step(many[0], other[0], i, j + 1)] if other and other[0] != many else []
        elif [many] == list(other):
            options = [rests[i, j + 1], *([step(one[0], many[0], i + 1, j)] if one else [])]
        elif one and other:
            options = [step(one[0], other[0], i + 1, j + 1)]
        if (i, j) != ends:
            rests[i, j] = next((each for each in options if each is not None), None)
    return rests[0, 0]
