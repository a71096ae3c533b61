import pytest

from artifact_pipelines.core.wording import counted


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (1, ("row",), "1 row"),
        (2000, ("row",), "2,000 rows"),
        (0, ("row",), "0 rows"),
        (1, ("row has", "rows have"), "1 row has"),
        (2, ("row has", "rows have"), "2 rows have"),
    ],
)
def test_noun_fits_its_number(number: int, words: tuple[str, ...], text: str) -> None:
    assert counted(number, *words) == text
