"""Numbers of a spreadsheet as texts with all their digits: the library's own texts have nine decimals at most."""

import decimal
import math

import pyarrow as pa
import pyarrow.compute as pc

_MOST_CHARACTERS = 40
_NUMBER = r"^-?[0-9]+(?:\.[0-9]{1,9})?$"
_DECIMALS = 1e9


def number_texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the shortest texts that are these floats; without exponents, unless they become very long."""
    texts = pc.cast(values, pa.string())
    if not pc.any(pc.match_substring(texts, "e")).as_py():
        return texts
    return pa.chunked_array([pa.array([None if text is None else _plain(text) for text in texts.to_pylist()])])


def _plain(text: str) -> str:
    digits = f"{decimal.Decimal(text):f}" if "e" in text else text
    return digits if len(digits) <= _MOST_CHARACTERS else text


def has_numbers(texts: pa.ChunkedArray) -> bool:
    """True if some texts may be those that the library gives for numbers."""
    return bool(pc.any(pc.match_substring_regex(texts, _NUMBER)).as_py())


def has_words(texts: pa.ChunkedArray) -> bool:
    """True if some texts are truth values, which the library takes for numbers among others."""
    return bool(pc.any(pc.is_in(texts, pa.array(["true", "false"], texts.type))).as_py())


def with_exact_numbers(texts: pa.ChunkedArray, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the texts of a column of several kinds, with all digits where the library shortened those of a number.

    Args:
        values: All cells as floats; null: the cell is none.
    """
    exact = number_texts(values).to_pylist()
    pairs = zip(texts.to_pylist(), values.to_pylist(), exact, strict=True)
    shown = [
        number if number is not None and text and _is_library_text(text, value) else text
        for text, value, number in pairs
    ]
    return pa.chunked_array([pa.array(shown, pa.string())])


def _is_library_text(text: str, value: float) -> bool:
    """True if a text is how the library shows a number; it takes texts such as NaN for one, which no cell holds."""
    if not math.isfinite(value):
        return False
    try:
        number = float(text)
    except ValueError:
        return False
    if not math.isfinite(value * _DECIMALS) or value == math.trunc(value):
        return text == f"{decimal.Decimal(value):f}"
    return _plain(repr(number)).removesuffix(".0") == text and math.trunc(value * _DECIMALS) / _DECIMALS == number
