"""Makes the measurement of coverage cheap on Python 3.11."""

import sys

import pytest
import slipcover  # type: ignore[import-untyped]


def leave_probes() -> None:
    """Let slipcover leave its probes in lines that have run.

    Before Python 3.12 it takes them out: it looks at all functions of the package and replaces their code, which the
    interpreter then has to optimize anew, every few seconds. The probes cost less than that.
    """
    if sys.version_info < (3, 12):
        pytest.MonkeyPatch().setattr(slipcover.Slipcover, "deinstrument_seen", lambda _: None)
