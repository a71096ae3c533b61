"""Shares as people write them on the command line."""

from typing import Any

import click


class Share(click.ParamType[float]):
    """`10%` or `0.1`.

    Args:
        may_be_zero: Whether nothing at all is a share too.
    """

    name = "share"

    def __init__(self, may_be_zero: bool) -> None:
        self._may_be_zero = may_be_zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType`."""
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not (0 <= share <= 1 and (share or self._may_be_zero)):
            wanted = "from 0 % to 100 %" if self._may_be_zero else "above 0 % and up to 100 %"
            self.fail(f"{text} is no share {wanted}: write 10% or 0.1.", param, ctx)
        return share
