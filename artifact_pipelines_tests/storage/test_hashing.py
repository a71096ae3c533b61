"""The ring of blocks, and the hash of the bytes that go through it."""

import hashlib
import threading

import blake3
import hypothesis
import hypothesis.strategies as st

from artifact_pipelines.core.types import Content
from artifact_pipelines.storage.hashing import BLOCK_BYTES, BlockRing, ContentHasher

# https://github.com/BLAKE3-team/BLAKE3/blob/master/test_vectors/test_vectors.json: the first 32 bytes for 0 and 1 byte
EMPTY = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
ONE_ZERO = "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"


def test_the_hash_is_blake3() -> None:
    hasher = ContentHasher()
    assert hasher.hexdigest() == EMPTY
    hasher.update(b"\0")
    assert hasher.hexdigest() == ONE_ZERO


def filled(data: bytes, pieces: list[int]) -> tuple[bytes, Content]:
    """Send data through a ring in pieces of these sizes, repeatedly; return the bytes and content that come out."""
    ring, out, sent, turn = BlockRing(), [], 0, 0
    while sent < len(data):
        space = ring.space()
        count = min(pieces[turn % len(pieces)], space.nbytes, len(data) - sent)
        space[:count] = data[sent : sent + count]
        block = ring.advance(count)
        if block is not None:
            out.append(bytes(block))
        sent, turn = sent + count, turn + 1
    rest, content = ring.finish()
    return b"".join([*out, bytes(rest)]), content


@hypothesis.given(
    st.integers(0, 6 * BLOCK_BYTES), st.lists(st.integers(1, 2 * BLOCK_BYTES), min_size=1, max_size=5), st.integers()
)
def test_bytes_come_out_unchanged_and_hashed(size: int, pieces: list[int], seed: int) -> None:
    pieces = [max(piece, size // 500) for piece in pieces]
    data = hashlib.shake_128(str(seed).encode()).digest(min(size, 4096)) * (size // 4096 + 1)
    out, content = filled(data[:size], pieces)
    assert out == data[:size]
    assert content == Content(blake3.blake3(data[:size]).hexdigest(), size)


def test_stopping_early_ends_the_thread() -> None:
    ring = BlockRing()
    while not hashing_threads():
        ring.advance(ring.space().nbytes)
    ring.stop()
    assert hashing_threads() == 0


def hashing_threads() -> int:
    return sum(thread.name == "content-hasher" for thread in threading.enumerate())
