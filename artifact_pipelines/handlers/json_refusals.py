"""Refuse what JSON cannot hold: the error names the path to it, and types. Values are not shown; they may be secret."""

import dataclasses
import itertools
from collections.abc import Iterable

from artifact_pipelines.handlers.exceptions import UnstorableValueError

MOST_LEVELS = 200
"""Deepest nesting that is stored: pydantic reads no more levels, and Python only a few more."""

_NAME_CHARACTERS = 50
_TOO_LARGE = 10**4300  # Python reads and writes no more digits


def refusal(value: object, problem: str) -> UnstorableValueError:
    """Return the error for a value; its path grows while it is raised through the containers around it."""
    return UnstorableValueError("JSON", [], type(value).__qualname__, problem)


def within(error: UnstorableValueError, names: Iterable[object], number: int) -> UnstorableValueError:
    """Return the error of an item with the item's name in front of the path.

    Args:
        error: The error.
        names: Names of all items of the container: keys or numbers.
        number: Number of items before this one.
    """
    name = next(itertools.islice(names, number, None))
    return dataclasses.replace(error, path=[_shown_name(name), *error.path])


def check_level(level: int) -> None:
    """Raise RecursionError, as Python does a little later, if a container is nested too deeply."""
    if level >= MOST_LEVELS:
        raise RecursionError


def problem_of_leaf(value: str | float | None) -> str | None:
    """Return the reason why JSON cannot hold a text or number; None if it can."""
    if isinstance(value, str):
        return None if value.isascii() or _is_utf8(value) else "has a character that UTF-8 cannot encode"
    if isinstance(value, int) and not -_TOO_LARGE < value < _TOO_LARGE:
        return "has too many digits"
    return None


def _is_utf8(text: str) -> bool:
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False


def _shown_name(name: object) -> str:
    """Return the name of an element as text that can be shown and stored: a key may be any object."""
    if isinstance(name, str):
        return name[:_NAME_CHARACTERS].encode(errors="backslashreplace").decode()
    return str(name) if isinstance(name, int) and name.bit_length() <= 64 else f"<{type(name).__qualname__}>"
