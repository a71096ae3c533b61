"""Quick checks of columns of texts accept nothing that the exact rules refuse."""

import datetime
import random
import re
from collections.abc import Callable, Iterator

import polars as pl
import pytest

from artifact_pipelines.datasets.reading.quick_checks import are_iso_days, are_iso_moments, are_plain_numbers

_CHARACTERS = "0123456789-+:.,eExTZ /é\x00"
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,3})(?:\.[0-9]{1,2})?")


def _mutated(texts: list[str], count: int = 1000) -> Iterator[str]:
    """Yield texts with a character or two replaced, added or taken away."""
    chance = random.Random(17)
    for _ in range(count):
        text = chance.choice(texts)
        for _ in range(chance.randint(1, 2)):
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice(["", chance.choice(_CHARACTERS)]) + text[at + chance.randint(0, 1) :]
        yield text


def _is_day(text: str) -> bool:
    return bool(re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text)) and _exists(text)


def _is_moment(text: str) -> bool:
    form = "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}"
    return bool(re.fullmatch(form, text)) and _exists(text)


def _exists(text: str) -> bool:
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        return False
    return "T24:" not in text and " 24:" not in text


@pytest.mark.parametrize(
    ("check", "is_right", "examples"),
    [
        (are_iso_days, _is_day, ["2024-02-29", "1999-12-31", "0001-01-01", "0000-01-01", "2023-02-29"]),
        (
            are_iso_moments,
            _is_moment,
            [
                "2024-02-29T23:59:59",
                "1999-12-31 00:00:00",
                "2024-01-31T10:30+01",
                "0000-01-01T00:00:00",
                "2024-01-01T24:00:00",
            ],
        ),
        (
            lambda texts: are_plain_numbers(texts, 4, 2),
            _NUMBER.fullmatch,
            ["0", "7", "10", "1234", "0.5", "12.34", ".5", "5."],
        ),
    ],
)
def test_a_quick_check_accepts_exactly_what_the_rule_does(
    check: Callable[[pl.Series], bool], is_right: Callable[[str], object], examples: list[str]
) -> None:
    texts = [*examples, *_mutated(examples)]
    found = [text for text in texts if check(pl.Series([text]))]

    assert found == [text for text in texts if is_right(text)]


@pytest.mark.parametrize("wrong", ["", "-1", "+1", "01", "1e2", "1.234", "12345", " 1", "1.2.3", "١", None])
def test_one_wrong_number_among_others_is_seen(wrong: str | None) -> None:
    assert are_plain_numbers(pl.Series(["12", "0", "907"]), 4, 2)
    assert not are_plain_numbers(pl.Series(["12", wrong, "907"], dtype=pl.String), 4, 2)


@pytest.mark.parametrize(
    "texts", [["1.5", "2"], ["1.5", "2.", "3.5"], [".5", "12"], ["1..5", "2"], ["1.5", "23", "4.5.6"]]
)
def test_points_in_some_numbers_only_are_left_to_the_rule(texts: list[str]) -> None:
    assert not are_plain_numbers(pl.Series(texts), 4, 2)


def test_a_part_of_a_column_is_checked_alone() -> None:
    texts = pl.Series(["x", "12.5", "7.25", "y", "a longer text"])

    assert are_plain_numbers(texts[1:3], 4, 2)
    assert not are_plain_numbers(texts[1:4], 4, 2)


def test_no_number_has_a_point_where_none_is_allowed() -> None:
    assert not are_plain_numbers(pl.Series(["1.5", "2.5"]), 4, 0)


def test_null_is_a_day_but_nothing_else_is() -> None:
    assert are_iso_days(pl.Series(["2024-01-31", None]))
    assert not are_iso_days(pl.Series(["2024-01-31", "2024-1-31", None]))
    assert not are_iso_days(pl.Series([None], dtype=pl.String))
