"""Words of messages and pages. Standard library only."""


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: `1 file`, `2,000 files`.

    Args:
        one: The words for 1.
        many: Those for other numbers; left out: with an `s`.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
