"""The log of a run in the terminal: one line for a step that failed. The run's events have the whole stack."""

import copy
import logging

import dagster as dg

CONSOLE = "console"
"""Dagster's own name for this logger; a run whose config names it uses it."""

_STACKS = ("STEP_FAILURE", "STEP_UP_FOR_RETRY")


@dg.logger(
    config_schema={
        "log_level": dg.Field(str, default_value="WARNING", description="Level of the least important line."),
        "name": dg.Field(str, default_value="dagster", description="Name of the logger."),
    },
    description="Dagster's console logger, with one line for a step that failed.",
)
def one_line_console(init_context: dg.InitLoggerContext) -> logging.Logger:
    """Return Dagster's console logger with shorter lines."""
    logger = dg.colored_console_logger.logger_fn(init_context)
    for handler in logger.handlers:
        handler.addFilter(_says_more_than_its_step)
        handler.setFormatter(_OneLine(handler.formatter or logging.Formatter()))
    return logger


def _event(record: logging.LogRecord) -> dg.DagsterEvent | None:
    metadata = getattr(record, "dagster_meta", None) or {}
    event: dg.DagsterEvent | None = metadata.get("dagster_event")
    return event


def _says_more_than_its_step(record: logging.LogRecord) -> bool:
    """False for what only follows from a failed step: the failure of its run, and steps that are not executed."""
    event = _event(record)
    if event is None:
        return not record.getMessage().endswith("Not executing.")
    return event.event_type_value != "PIPELINE_FAILURE" or "Steps failed" not in (event.message or "")


class _OneLine(logging.Formatter):
    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        """Return a line for a record, without the stack of an error."""
        event = _event(record)
        if event is not None and event.event_type_value in _STACKS:
            record = copy.copy(record)  # others format it too
            run_id = getattr(record, "dagster_meta", {}).get("run_id")
            record.msg, record.args = (
                f"{event.job_name}, step {event.step_key}: {_reason(event)} See /runs/{run_id}",
                (),
            )
        return self._formatter.format(record)


def _reason(event: dg.DagsterEvent) -> str:
    data = event.event_specific_data
    described = getattr(getattr(data, "user_failure_data", None), "description", None)
    error = getattr(data, "error", None)
    said = described or (str((error.cause or error).message) if error else event.message) or "failed"
    return " ".join(said.split())
