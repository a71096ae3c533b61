from typing import Any

import pytest

from artifact_pipelines.core.durations import parse_duration_s, spell_duration
from artifact_pipelines.core.exceptions import InvalidArgumentError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("24h", 86_400), ("1.5h", 5_400), (" 30 d ", 2_592_000), ("2w", 1_209_600), ("0s", 0)],
)
def test_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert parse_duration_s(text, "grace") == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1h30m", "1y", "nan s", "١h", "11y", "4000d", "1e3s", None, 5])
def test_invalid_duration_is_refused(text: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="grace must be a duration such as"):
        parse_duration_s(text, "grace")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (119, "119s"), (120, "2m"), (7_200, "2h"), (86_400, "24h"), (172_800, "2d"), (2e6, "3w")],
)
def test_duration_is_spelled_in_its_largest_fitting_unit(seconds: float, text: str) -> None:
    assert spell_duration(seconds) == text
