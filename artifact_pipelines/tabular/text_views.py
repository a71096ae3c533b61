"""Texts and binaries as the logical hash reads them: a head of 16 bytes for each, and the bytes of long ones.

The one idea: Arrow's view of a value of at most 12 bytes is its length, its bytes, and zeros. polars holds texts as
views, so most texts are hashed as they lie in memory, without a copy. The view of a longer value ends in a pointer to
its bytes; its head has zeros there.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

_INLINE_BYTES = 12
_MOST_BYTES = (1 << 31) - 1  # that views can point to
_LARGE_BYTES = 64 << 10
_HEAD = pa.binary(16)
_ZERO = pa.scalar(0, pa.int64())
_LENGTH = pa.scalar((1 << 32) - 1, pa.int64())  # the bits of the length in the first of the two words of a view


def split_texts(texts: pa.Array) -> Iterator[tuple[memoryview, Iterator[memoryview]]]:
    """Yield the heads of texts or binaries and then the values of more than 12 bytes, in pieces. A null is all zeros.

    Args:
        texts: Texts or binaries of any layout, but no dictionary.

    Raises:
        pa.ArrowCapacityError: A value has 2 GiB or more.
    """
    for piece in _castable_pieces(texts):
        views = _as_views(piece)
        words = _words(views)
        is_long = _mark_long_values(words) if _held_bytes(views) else None
        if is_long is None or not pc.any(is_long).as_py():
            yield fixed_bytes(words), iter(())
            continue
        is_pointer = pa.concat_arrays([pa.array([False]), is_long[:-1]])
        heads = pc.if_else(is_pointer, _ZERO, words)
        long_words = pc.if_else(pc.or_(is_long, is_pointer), words, _ZERO)  # views of the long ones, the others empty
        yield fixed_bytes(heads), _values_of(_with_heads(views, [None, long_words.buffers()[1]], len(views)))


def take_texts(dictionary: pa.DictionaryArray) -> pa.Array:
    """Return the text of every row, as views. Arrow itself would copy each text, and cannot decode views."""
    values = _as_views(dictionary.dictionary)
    taken = _heads(values).take(dictionary.indices)
    return _with_heads(values, taken.buffers(), len(taken), taken.offset)


def fill_with_zeros(array: pa.Array) -> pa.Array:
    """Return the array with zeros for nulls. It has a fixed width; usually zeros lie there already."""
    if not array.null_count:
        return array
    as_it_lies = pa.Array.from_buffers(array.type, len(array), [None, array.buffers()[1]], offset=array.offset)
    hidden = pa.py_buffer(fixed_bytes(as_it_lies.take(pc.indices_nonzero(array.is_null()))))
    if hidden.equals(pa.py_buffer(bytes(hidden.size))):
        return as_it_lies
    return array.fill_null(pa.scalar(bytes(16) if array.type == _HEAD else 0, array.type))


def fixed_bytes(array: pa.Array) -> memoryview:
    """Return the values of a type of fixed width, as they lie in memory."""
    width = array.type.bit_width // 8
    return memoryview(array.buffers()[1])[array.offset * width : (array.offset + len(array)) * width]


def _is_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def _as_views(texts: pa.Array) -> pa.Array:
    return texts if _is_view(texts.type) else texts.cast(pa.binary_view())


def _castable_pieces(texts: pa.Array) -> Iterator[pa.Array]:
    """Yield the texts in pieces that do not lie in too much memory to be cast to views."""
    if _is_view(texts.type) or texts.buffers()[-1].size <= _MOST_BYTES:
        yield texts
        return
    alone = pa.concat_arrays([texts])
    if len(texts) == 1 or alone.buffers()[-1].size <= _MOST_BYTES:
        yield alone
    else:
        yield from _castable_pieces(alone[: len(alone) // 2])
        yield from _castable_pieces(alone[len(alone) // 2 :])


def _held_bytes(views: pa.Array) -> int:
    return sum(buffer.size for buffer in views.buffers()[2:])


def _heads(views: pa.Array) -> pa.Array:
    return pa.Array.from_buffers(_HEAD, len(views), views.buffers()[:2], offset=views.offset)


def _with_heads(views: pa.Array, heads: list[pa.Buffer | None], count: int, offset: int = 0) -> pa.Array:
    return pa.Array.from_buffers(pa.binary_view(), count, [*heads, *views.buffers()[2:]], offset=offset)


def _words(views: pa.Array) -> pa.Array:
    """Return the two words of each view; zeros for a null."""
    heads = fill_with_zeros(_heads(views))
    return pa.Array.from_buffers(pa.int64(), 2 * len(heads), [None, heads.buffers()[1]], offset=2 * heads.offset)


def _mark_long_values(words: pa.Array) -> pa.Array:
    """Return whether each word is the first one of a view of more than 12 bytes."""
    every_other = pa.py_buffer(b"\x55" * (len(words) // 8 + 1))
    is_first = pa.Array.from_buffers(pa.bool_(), len(words), [None, every_other])
    return pc.and_(is_first, pc.greater(pc.bit_wise_and(words, _LENGTH), _INLINE_BYTES))


def _values_of(views: pa.Array) -> Iterator[memoryview]:
    """Yield the values one by one if they are large; else together, which copies them."""
    if _held_bytes(views) > _LARGE_BYTES * len(views):
        for view in views:
            yield memoryview(view.as_buffer())
        return
    together = views.cast(pa.large_binary())
    ends = pa.Array.from_buffers(pa.int64(), len(views) + 1, [None, together.buffers()[1]])
    yield memoryview(together.buffers()[2])[: ends[-1].as_py()]
