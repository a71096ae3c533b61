"""Published samples with the columns and designs that samples of this project have."""

import pathlib
from typing import Any

import polars as pl

_FOLDER = pathlib.Path(__file__).parent / "published"

Sample = tuple[pl.DataFrame, dict[str, Any]]
SCHOOLS = 6194
DISTRICTS = 757


def read(name: str) -> pl.DataFrame:
    return pl.read_csv(_FOLDER / f"{name}.csv")


def with_probability(rows: pl.DataFrame, probability: pl.Expr) -> pl.DataFrame:
    return rows.with_columns(inclusion_probability=probability).with_columns(
        sampling_weight=1 / pl.col("inclusion_probability")
    )


def design(name: str, rows: pl.DataFrame, **fields: Any) -> dict[str, Any]:
    return {"design": name, "drawn": rows.height, "frame": {"population_size": SCHOOLS}, **fields}


def simple_random() -> Sample:
    rows = with_probability(read("apisrs"), pl.lit(200 / SCHOOLS))
    return rows, design("simple_random", rows)


def stratified(rows: pl.DataFrame | None = None) -> Sample:
    sizes = {"E": 4421, "H": 755, "M": 1018}
    rows = read("apistrat") if rows is None else rows
    size = pl.col("stype").replace_strict(sizes, return_dtype=pl.Float64)
    rows = with_probability(rows, pl.len().over("stype") / size).with_columns(stratum="stype")
    return rows, design("stratified", rows)


def cluster() -> Sample:
    rows = with_probability(read("apiclus1"), pl.lit(15 / DISTRICTS))
    rows = rows.with_columns(cluster=pl.col("dnum").cast(pl.String))
    return rows, design("cluster", rows)


def two_stage() -> Sample:
    share = 40 / DISTRICTS * pl.min_horizontal(1.0, 5 / pl.col("fpc2"))
    rows = with_probability(read("apiclus2"), share).with_columns(cluster=pl.col("dnum").cast(pl.String))
    rows = rows.with_columns(cluster_probability=pl.lit(40 / DISTRICTS))
    return rows, design("two_stage", rows)


def mu284() -> Sample:
    rows = with_probability(read("mu284"), 5 / pl.col("n1") * 3 / pl.col("n2"))
    rows = rows.with_columns(cluster=pl.col("id1").cast(pl.String), cluster_probability=5 / pl.col("n1"))
    return rows, design("two_stage", rows)


def election(name: str = "pps") -> Sample:
    rows = with_probability(read("election_pps"), pl.col("p"))
    return rows, design(name, rows)


def with_replacement() -> Sample:
    rows, _ = simple_random()
    rows = rows.with_columns(draws=pl.lit(1, pl.Int64))
    return rows, design("simple_random_with_replacement", rows)
