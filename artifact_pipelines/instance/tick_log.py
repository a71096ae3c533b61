"""The log of a sensor's tick, which the UI shows beside the tick: lines as in `core/log_lines.py`."""

import logging
from collections.abc import Callable

import dagster as dg

_logger = logging.getLogger(__name__)


def sayer_of_tick(context: dg.SensorEvaluationContext) -> Callable[[str], object]:
    """Return what takes lines: the log of the tick, or outside of a code server the logger of this module."""
    say: Callable[[str], object] = _logger.info if context.code_location_origin is None else context.log.info
    return say
