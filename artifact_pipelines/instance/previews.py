"""What a stored value looks like, as metadata: the first rows of a table, the first levels of JSON, a number."""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from artifact_pipelines.instance.page import fitting_table

_LINE_CHARACTERS = 100
_WORD = 1 << 63  # the event log has no larger numbers
_LEVELS_SHOWN = 10  # Dagster walks metadata with several calls a level


def preview(found: Any) -> dg.MetadataValue[Any]:
    """Return the preview that a handler found in a stored value."""
    shown = _first_levels(found, _LEVELS_SHOWN)
    if isinstance(shown, str):
        return dg.MetadataValue.md(_code_block(shown))
    if isinstance(shown, list) and all(isinstance(row, Mapping) for row in shown):
        keys = {tuple(row) for row in shown}
        if len(keys) == 1 and next(iter(keys)):
            return fitting_table(shown)
    if isinstance(shown, dict | list):
        lines = _json_lines(shown)
        is_one = "\n" not in lines
        return dg.MetadataValue.text(lines) if is_one else dg.MetadataValue.md(_code_block(lines))
    if isinstance(shown, bool):
        return dg.MetadataValue.bool(shown)
    if isinstance(shown, float):
        return dg.MetadataValue.float(shown)
    if isinstance(shown, int) and -_WORD <= shown < _WORD:
        return dg.MetadataValue.int(shown)  # Dagster plots numbers
    return dg.MetadataValue.text(str(shown))


def _code_block(text: str) -> str:
    return f"```\n{text.replace('```', '~~~')}\n```"


def _json_lines(value: Any, indent: str = "") -> str:
    """Return JSON in which a line holds a whole dict or list, or as many short elements of one as fit."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= _LINE_CHARACTERS or not isinstance(value, dict | list) or not value:
        return line
    inner = f"{indent}  "
    lines: list[str] = []
    for name, item in value.items() if isinstance(value, dict) else ((None, item) for item in value):
        label = "" if name is None else f"{json.dumps(name, ensure_ascii=False)}: "
        element = label + _json_lines(item, inner)
        if lines and len(lines[-1]) + len(element) + 2 <= _LINE_CHARACTERS and "\n" not in lines[-1] + element:
            lines[-1] += f", {element}"
        else:
            lines.append(inner + element)
    first, last = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([first, ",\n".join(lines), indent + last])


def _first_levels(value: Any, levels: int) -> Any:
    """Return a value with everything below a number of levels cut off."""
    if not isinstance(value, dict | list):
        return value
    if not levels:
        return "…"
    if isinstance(value, dict):
        return {key: _first_levels(item, levels - 1) for key, item in value.items()}
    return [_first_levels(item, levels - 1) for item in value]
