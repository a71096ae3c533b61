"""Lines of the log about values that were stored and loaded: one for each output and each input.

An output or an input that covers 10,000 partitions has one line in all.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from artifact_pipelines.core.log_lines import Fact, log_done
from artifact_pipelines.core.types import Materialization

_logger = logging.getLogger(__name__)


def sayer(context: Any, step: object | None) -> Callable[[str], object]:
    """Return what takes lines: the log of the run, or outside of a run the logger of this module."""
    say: Callable[[str], object] = _logger.info if step is None else context.log.info
    return say


def log_stored(say: Callable[[str], object], asset: str, made: Sequence[Materialization], started_s: float) -> None:
    """Log what was stored, and how much of it is new in the store.

    Args:
        made: What was recorded, one for each partition.
    """
    new_bytes = sum(each.bytes_added for each in made)
    facts: dict[str, Fact] = {"new_bytes": new_bytes, "deduplicated": not new_bytes}
    log_done(say, "stored", started_s, asset=asset, **_amounts(made), **facts)


def log_loaded(
    say: Callable[[str], object], name: str, asset: str, found: Sequence[Materialization], started_s: float
) -> None:
    """Log what was loaded: what is stored of it, of which a lazy table reads only what it needs, and later.

    Args:
        name: Name of the input.
        found: The materialization of each partition.
    """
    log_done(say, "loaded", started_s, input=name, asset=asset, **_amounts(found))


def _amounts(made: Sequence[Materialization]) -> dict[str, Fact]:
    """Return which versions they are, and how large they are."""
    rows = [each.row_count for each in made]
    files = [file for each in made for file in each.files]
    which: dict[str, Fact] = {"partitions": len(made)}
    if len(made) == 1:
        which = {"partition": made[0].partition, "version": made[0].version}
    return {
        **which,
        "file_id": files[0].file_id if len(files) == 1 else None,
        "files": len(files) if len(files) != 1 else None,
        "rows": sum(count or 0 for count in rows) if any(count is not None for count in rows) else None,
        "bytes": sum(file.size_bytes for file in files),
    }
