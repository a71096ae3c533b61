"""What the pages of a dataset's raw file and table show besides what the IO manager says of every artifact."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

import dagster as dg

from artifact_pipelines.datasets.interfaces import Sighting
from artifact_pipelines.datasets.reading.bad_rows import BadRows
from artifact_pipelines.instance.page import fitting_table

BAD_ROWS_KEY = "artifact/bad_rows"
_ICONS = {"csv": "csv", "tsv": "csv", "json": "json", "jsonl": "json", "ndjson": "json"} | {
    "parquet": "parquet",
    "arrow": "arrow",
    "xlsx": "excel",
    "xls": "excel",
}


def raw_kinds(source: str) -> set[str]:
    """Return the labels of a raw file: that of its type, if its name shows one that the UI has an icon for."""
    ending = source.lower().rsplit(".", 1)[-1]
    return {"file", _ICONS[ending]} if ending in _ICONS else {"file"}


def dropped_file_metadata(path: str, seen: Sighting | None) -> Mapping[str, Any]:
    """Return what a page shows of a dropped file."""
    changed = None if seen is None else datetime.datetime.fromtimestamp(seen.changed_ns / 1e9, datetime.UTC)
    at = {} if not changed else {"artifact/dropped_at": dg.MetadataValue.timestamp(changed)}
    return {"artifact/dropped_file": path, **at}


def bad_rows_metadata(bad: BadRows) -> Mapping[str, Any]:
    """Return the number of bad rows, and the first ones."""
    rows = [dataclasses.asdict(row) for row in bad.first]
    return {BAD_ROWS_KEY: bad.count, **({"artifact/first_bad_rows": fitting_table(rows)} if rows else {})}


def reading_metadata(file: str, read: Mapping[str, Any], moved: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a page shows of how a file was read."""
    how = {"read as": read["read_as"], "types made wider": read["widened"]}
    texts = {what: "; ".join(f"{name}: {each}" for name, each in said.items()) for what, said in how.items()}
    if moved:
        texts["columns in another order"] = ", ".join(moved["reordered"])
    shown = {f"artifact/{what.replace(' ', '_')}": text for what, text in texts.items() if text}
    return {"artifact/dropped_file": file, **shown}
