"""Names of strata and clusters: one text for the values of a row, different for different values."""

import polars as pl


def labels(columns: pl.DataFrame) -> pl.Series:
    r"""Return the value of one column as text, or those of several joined by `|`, for each row.

    A null alone stays null. Among several values it is `null`, a text that says so is `\null`, and a `|` or `\` in a
    value has a `\` before it: so no two rows of different values have one name.
    """
    texts = [_text(column) for column in columns.iter_columns()]
    if len(texts) == 1:
        return texts[0]
    escaped = [
        text.str.replace_all(r"([\\|])", r"\${1}").str.replace("^null$", r"\null").fill_null("null") for text in texts
    ]
    return pl.DataFrame([text.alias(str(number)) for number, text in enumerate(escaped)]).select(
        pl.concat_str(pl.all(), separator="|")
    )["0"]


def _text(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Binary:
        return column.bin.encode("hex")
    return column.dt.to_string("iso") if column.dtype == pl.Duration else column.cast(pl.String)
