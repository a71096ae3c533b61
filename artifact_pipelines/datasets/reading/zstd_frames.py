"""Checks that a zstd file is not cut off, by the sizes that its frames and blocks declare.

Source: RFC 8878, sections 3.1.1 and 3.1.2.
"""

from typing import BinaryIO

_MAGIC = 0xFD2FB528
_SKIPPABLE = 0x184D2A50
_DICTIONARY_BYTES = (0, 1, 2, 4)
_SIZE_BYTES = (0, 2, 4, 8)
_REPEATED = 1


def frames_are_whole(stream: BinaryIO) -> bool:
    """True if the file ends where a frame ends."""
    end = stream.seek(0, 2)
    stream.seek(0)
    while stream.tell() < end:
        magic = _number(stream, 4)
        if magic & 0xFFFFFFF0 == _SKIPPABLE:
            stream.seek(_number(stream, 4), 1)
        elif magic != _MAGIC:
            return False
        else:
            _skip_frame(stream, end)
    return stream.tell() == end


def _skip_frame(stream: BinaryIO, end: int) -> None:
    flags = _number(stream, 1)
    is_single = flags >> 5 & 1
    size_bytes = _SIZE_BYTES[flags >> 6] or is_single
    stream.seek((1 - is_single) + _DICTIONARY_BYTES[flags & 3] + size_bytes, 1)
    is_last = False
    while not is_last and stream.tell() < end:
        block = _number(stream, 3)
        is_last = bool(block & 1)
        stream.seek(1 if block >> 1 & 3 == _REPEATED else block >> 3, 1)
    if not is_last:
        stream.seek(end + 1)
    elif flags >> 2 & 1:
        stream.seek(4, 1)


def _number(stream: BinaryIO, size: int) -> int:
    return int.from_bytes(stream.read(size), "little")
