"""A partial profile: the statistics of the first rows of a table, kept for a later table that begins with them.

The one idea: states merge, so that of the first rows needs only those of the others. It has the same size however many
rows it is of, and its bytes give each number back exactly; so the result is that of a profile of all rows, to the last
bit.
"""

import dataclasses
import io
import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from artifact_pipelines.analysis.profile.distinct import Smallest
from artifact_pipelines.analysis.profile.moments import Moments
from artifact_pipelines.analysis.profile.row_sample import RowSample, merge_samples
from artifact_pipelines.analysis.profile.state import TableState
from artifact_pipelines.analysis.profile.summary import ColumnSummary
from artifact_pipelines.analysis.profile.texts import Lengths

_COUNTS = ("rows", "nulls", "nans", "infinities", "zeros", "negatives")


@dataclasses.dataclass(frozen=True, slots=True)
class PartialProfile:
    """The statistics of the first row groups of a table.

    Attributes:
        groups: Number of these row groups.
        digest: Of all that the statistics depend on.
    """

    groups: int
    digest: str
    state: TableState


def to_bytes(partial: PartialProfile) -> bytes:
    """Return a partial profile as an Arrow stream of one row, with a column for each part of the state."""
    state = partial.state
    sample = merge_samples(state.samples)
    summaries = [_scalars(column) for column in state.columns]
    facts = {"groups": partial.groups, "digest": partial.digest, "columns": summaries, "most": sample.most}
    arrays: dict[str, pa.Array] = {"facts": pa.array([json.dumps(facts)])}
    named = {str(at): column.smallest for at, column in enumerate(state.columns)}
    for name, smallest in {**named, "rows": state.rows, "keys": state.keys}.items():
        if smallest is not None:
            arrays |= {f"numbers/{name}": _cell(smallest.numbers), f"counts/{name}": _cell(smallest.counts)}
            arrays[f"most/{name}"] = pa.array([smallest.most])
            if smallest.values is not None:
                arrays[f"values/{name}"] = _cell(smallest.values)
    for at, column in enumerate(state.columns):
        if column.days is not None:
            arrays[f"days/{at}"] = _cell(column.days)
    arrays["sample"] = _cell(sample.numbers)
    arrays |= {f"sample/{at}": _cell(column.combine_chunks()) for at, column in enumerate(sample.rows.columns)}
    batch = pa.RecordBatch.from_pydict(arrays)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def from_bytes(stored: bytes) -> PartialProfile:
    """Return the partial profile of an Arrow stream."""
    with pa.ipc.open_stream(stored) as stream:
        batch = stream.read_next_batch()
    cells = {name: column[0] for name, column in zip(batch.schema.names, batch.columns, strict=True)}
    facts = json.loads(cells["facts"].as_py())
    columns = [_summary(scalars, cells, str(at)) for at, scalars in enumerate(facts["columns"])]
    rows, keys = _smallest(cells, "rows"), _smallest(cells, "keys")
    assert rows is not None
    assert keys is not None
    names = [str(at) for at in range(len(columns))]
    sampled = pa.Table.from_arrays([cells[f"sample/{name}"].values for name in names], names)
    sample = RowSample(cells["sample"].values.to_numpy(), facts["most"], sampled)
    return PartialProfile(facts["groups"], facts["digest"], TableState(columns, rows, keys, [sample]))


def _cell(values: Any) -> pa.Array:
    """Return values as one cell."""
    values = values if isinstance(values, pa.Array) else pa.array(values)
    return pa.LargeListArray.from_arrays(np.array([0, len(values)]), values)


def _scalars(column: ColumnSummary) -> dict[str, Any]:
    moments, lengths = column.moments, column.lengths
    return {
        **{name: getattr(column, name) for name in _COUNTS},
        "low": _to_json(column.low),
        "high": _to_json(column.high),
        "moments": moments and [moments.count, *moments.total.as_integer_ratio(), moments.squares, moments.cubes],
        "lengths": lengths and dataclasses.astuple(lengths),
    }


def _summary(scalars: Mapping[str, Any], cells: Mapping[str, Any], name: str) -> ColumnSummary:
    days, lengths = cells.get(f"days/{name}"), scalars["lengths"]
    moments = scalars["moments"]
    if moments is not None:
        count, numerator, denominator, squares, cubes = moments
        moments = Moments(count, Fraction(numerator, denominator), squares, cubes)
    return ColumnSummary(
        **{each: scalars[each] for each in _COUNTS},
        low=_from_json(scalars["low"]),
        high=_from_json(scalars["high"]),
        moments=moments,
        lengths=None if lengths is None else Lengths(*lengths),
        smallest=_smallest(cells, name),
        days=None if days is None else days.values.to_numpy(),
    )


def _smallest(cells: Mapping[str, Any], name: str) -> Smallest | None:
    if f"numbers/{name}" not in cells:
        return None
    numbers, counts = (cells[f"{part}/{name}"].values.to_numpy() for part in ("numbers", "counts"))
    values = cells.get(f"values/{name}")
    return Smallest(numbers, counts, cells[f"most/{name}"].as_py(), None if values is None else values.values)


def _to_json(extreme: Any) -> Any:
    """Return an integer or float as it is, which JSON keeps exactly, and bytes as text."""
    return {"bytes": extreme.hex()} if isinstance(extreme, bytes) else extreme


def _from_json(extreme: Any) -> Any:
    return bytes.fromhex(extreme["bytes"]) if isinstance(extreme, dict) else extreme
