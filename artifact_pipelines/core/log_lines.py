"""Lines of the log: one for each thing that is done. Standard library only.

One idea: a line is a verb and facts, such as `stored asset=flights/table rows=3 seconds=0.12`, with the same names
everywhere. A person reads it, `grep` finds it, and log servers take it apart: its form is known as logfmt.

Facts are names, IDs, counts and sizes. A line never has a row's values, the text of an error, or an address, for these
may quote data and hold passwords. The key of a partition may be a value of a column.
"""

import json
import re
import time
from collections.abc import Callable
from typing import Literal

Verb = Literal[
    "stored",
    "loaded",
    "ingested",
    "sampled",
    "answered",
    "checked",
    "cleaned_up",
    "verified",
    "backed_up",
    "measured",
    "uploaded",
    "dropped",
    "sent",
    "requested",
    "quarantined",
    "replayed",
    "decided",
    "rolled_back",
    "wiped",
    "ended",
    "alerted",
]
Fact = str | int | float | bool | None

now_s = time.monotonic

_PLAIN = re.compile(r"[^\s\"=\\\x00-\x1f\x7f]+")


def log_done(say: Callable[[str], object], verb: Verb, started_s: float, **facts: Fact) -> None:
    """Log that something is done, and how long it took.

    Args:
        say: Takes the line: `context.log.info` inside a run or a tick, else `info` of the module's own logger.
        started_s: When it began, by `now_s`.
        facts: What was done, in the order of the line; None: unknown, left out.
    """
    known = {name: fact for name, fact in {**facts, "seconds": now_s() - started_s}.items() if fact is not None}
    say(" ".join([verb, *(f"{name}={_spelled(fact)}" for name, fact in known.items())]))


def _spelled(fact: Fact) -> str:
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if isinstance(fact, float):
        return f"{fact:.3f}"
    text = str(fact)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)  # one line, whatever a name holds
