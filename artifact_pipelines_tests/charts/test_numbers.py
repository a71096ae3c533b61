"""Numbers on axes."""

import pytest

from artifact_pipelines.charts.numbers import compact, ticks, times_shown, told_apart


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (-2.5, "-2.5"),
        (9_999, "9999"),
        (9_999.4, "9999"),
        (9_999.7, "10k"),
        (336_776, "337k"),
        (999_600, "1M"),
        (1_234_567, "1.23M"),
        (5e12, "5T"),
        (1e18, "1.00e+18"),
        (0.00001234, "1.23e-5"),
        (1234.5, "1234"),
        (0.1, "0.1"),
    ],
)
def test_a_number_is_short(number: float, shown: str) -> None:
    assert compact(number) == shown


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (1, 2, ("1", "2")),
        (7.0, 7.0, ("7", "7")),
        (5_290_024, 5_290_031, ("5,290,024", "5,290,031")),
        (12.6321, 12.6391, ("12.63", "12.64")),
        (1e18, 1e18 + 256, ("1,000,000,000,000,000,000", "1,000,000,000,000,000,256")),
        (1e-12, 1.0001e-12, ("1.00e-12", "1.00e-12")),
    ],
)
def test_ends_of_an_axis_differ_in_text_where_they_differ(low: float, high: float, shown: tuple[str, str]) -> None:
    assert told_apart(low, high) == shown


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 1), (336_776, 340_000), (-5, 5), (7, 7), (0, 0), (1e-9, 2e-9), (-1e150, 1e150), (1e15, 1e15 + 1)],
)
def test_ticks_are_few_and_round_and_enclose_the_values(low: float, high: float) -> None:
    found = ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    assert 2 <= len(found) <= 7


def test_times_have_the_digits_that_tell_them_apart() -> None:
    assert times_shown(["2013-01-01T00:00:00", "2013-02-01T00:00:00"]) == ["2013-01-01", "2013-02-01"]
    assert times_shown(["2013-01-01T07:30:00", "2013-01-01T08:30:00"]) == ["01-01 07:30", "01-01 08:30"]
