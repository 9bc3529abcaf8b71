import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from manifests.similarity.xxh3 import WIDTH, hash_pieces

PIECES = st.lists(st.binary(min_size=1, max_size=20) | st.binary(min_size=200, max_size=300), max_size=30)


@given(pieces=PIECES)
def test_the_hashes_are_those_of_the_library(pieces: list[bytes]) -> None:
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
    begins = np.cumsum(lengths) - lengths
    found = hash_pieces(b"".join(pieces) + bytes(WIDTH), begins, lengths)
    assert found.dtype == np.uint64
    assert found.tolist() == [xxh3_64_intdigest(piece) for piece in pieces]


def test_bytes_around_a_piece_do_not_matter() -> None:
    for length in range(1, 24):
        piece = bytes(range(256 - length, 256))
        data = b"\xff" * 9 + piece + b"\xff" * 9
        (found,) = hash_pieces(data, np.array([9]), np.array([length])).tolist()
        assert found == xxh3_64_intdigest(piece)
