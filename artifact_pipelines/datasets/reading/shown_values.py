"""Values of a table as texts for people, also those of years that Python's dates do not have."""

import pyarrow as pa


def shown(value: pa.Scalar) -> str:
    """Return a value as text, as Arrow writes it."""
    kind = value.type
    has_text = pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    return str(value.cast(pa.string()) if has_text and value.is_valid else value)
