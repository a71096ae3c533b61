"""A chosen row keeps its own texts in memory, and not those of the rows that it was read with."""

import pathlib

import polars as pl
import pytest

from artifact_pipelines.sampling import draw
from artifact_pipelines.tabular.frame_chunks import take_rows

ROWS, GROUP_ROWS = 40_000, 10_000


def long_texts(rows: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"id": range(rows), "text": [f"a text of more than twelve bytes, {row}" for row in range(rows)]}
    )


def held_bytes(texts: pl.Series) -> int:
    return sum(buffer.size for buffer in texts.to_arrow(compat_level=pl.CompatLevel.newest()).buffers() if buffer)


@pytest.mark.parametrize("kind", [pl.String, pl.Binary, pl.List(pl.String), pl.Struct({"a": pl.String})])
def test_taken_rows_hold_no_bytes_of_the_others(kind: pl.DataType) -> None:
    text = pl.col("text")
    written = {pl.List: text.implode().over("id"), pl.Struct: pl.struct(a="text")}.get(
        kind.base_type(), text.cast(kind)
    )
    frame = long_texts(ROWS).select("id", text=written)
    taken = take_rows(frame, pl.Series([5, 3]))
    assert taken.equals(frame[[5, 3]])
    assert taken.schema == frame.schema
    assert held_bytes(taken.explode("text")["text"] if kind.base_type() is pl.List else taken["text"]) < 1000


@pytest.mark.parametrize(
    "design",
    [{"n": 4}, {"design": "stratified", "by": "text", "n": 4}, {"design": "cluster", "cluster": "text", "clusters": 4}],
)
def test_small_sample_of_long_texts_holds_few_bytes(design: dict[str, object], tmp_path: pathlib.Path) -> None:
    path = tmp_path / "table.parquet"
    long_texts(ROWS).write_parquet(path, row_group_size=GROUP_ROWS)
    rows = draw(path, design).rows.collect()
    assert 0 < rows.height <= ROWS
    assert held_bytes(rows["text"]) < 100 * rows.height + 1000
