"""XXH3-64 with seed 0 of many short pieces of one buffer at once. Pure.

The same numbers as `xxhash.xxh3_64_intdigest` gives piece by piece. Up to 16 bytes they follow xxHash's specification
(https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, XXH3, inputs of 1-3, 4-8 and 9-16 bytes); longer pieces
go to the library.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

Hashes: TypeAlias = npt.NDArray[np.uint64]
Offsets: TypeAlias = npt.NDArray[np.int64]

WIDTH = 8
"""How many bytes of the buffer must follow the begin of a piece: they are read whatever its length."""

_LONGEST_OF_3, _LONGEST_OF_8, _LONGEST_OF_16 = 3, 8, 16
_SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe 7c01812cf721ad1c ded46de9839097db 7240a4a4b7b3671f cb79e64eccc0e578 825ad07dccff7221"
    "b8084674f743248e"
)
_PRIME64_2 = np.uint64(0xC2B2AE3D27D4EB4F)
_PRIME64_3 = np.uint64(0x165667B19E3779F9)
_PRIME_MX1 = np.uint64(0x165667919E3779F9)
_PRIME_MX2 = np.uint64(0x9FB21C651E98DF25)
_LOW_BYTE = np.uint64(0xFF)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def _flips(first: int, second: int, width: int) -> np.uint64:
    """Two pieces of the secret, XORed as little-endian numbers."""
    one, other = (int.from_bytes(_SECRET[at : at + width], "little") for at in (first, second))
    return np.uint64(one ^ other)


_FLIPS_TO_3 = _flips(0, 4, 4)
_FLIPS_TO_8 = _flips(8, 16, 8)
_FLIPS_TO_16 = _flips(24, 32, 8), _flips(40, 48, 8)


def hash_pieces(data: bytes, begins: Offsets, lengths: Offsets) -> Hashes:
    """The hashes of `data[begin : begin + length]`. Lengths are at least 1, and WIDTH bytes follow each begin."""
    eights = np.ndarray((len(data) - WIDTH + 1,), dtype="<u8", buffer=data, strides=(1,))
    first = eights[begins]
    sizes = lengths.astype(np.uint64)
    hashes = np.where(lengths > _LONGEST_OF_3, _hash_4_to_8(first, sizes), _hash_1_to_3(first, sizes))
    (longer,) = np.nonzero(lengths > _LONGEST_OF_8)
    ends = begins[longer] + lengths[longer]
    hashes[longer] = _hash_9_to_16(first[longer], eights[ends - WIDTH], sizes[longer])
    longest = lengths[longer] > _LONGEST_OF_16
    hashes[longer[longest]] = [
        xxh3_64_intdigest(data[begin:end])
        for begin, end in zip(begins[longer[longest]].tolist(), ends[longest].tolist(), strict=True)
    ]
    return hashes


def _hash_1_to_3(first: Hashes, sizes: Hashes) -> Hashes:
    """Of other sizes it makes something that is not used; so do the two below."""
    middle = first >> ((sizes >> np.uint64(1)) << np.uint64(3)) & _LOW_BYTE
    last = first >> ((sizes << np.uint64(3)) - np.uint64(8)) & _LOW_BYTE
    mixed: Hashes = (
        last | sizes << np.uint64(8) | (first & _LOW_BYTE) << np.uint64(16) | middle << np.uint64(24)
    )
    mixed ^= _FLIPS_TO_3
    mixed ^= mixed >> np.uint64(33)
    mixed *= _PRIME64_2
    mixed ^= mixed >> np.uint64(29)
    mixed *= _PRIME64_3
    mixed ^= mixed >> _HALF
    return mixed


def _hash_4_to_8(first: Hashes, sizes: Hashes) -> Hashes:
    last_four = first >> ((sizes << np.uint64(3)) - _HALF) & _LOW_HALF
    mixed: Hashes = (first << _HALF) + last_four
    mixed ^= _FLIPS_TO_8
    mixed ^= _rotated(mixed, 49) ^ _rotated(mixed, 24)
    mixed *= _PRIME_MX2
    mixed ^= (mixed >> np.uint64(35)) + sizes
    mixed *= _PRIME_MX2
    mixed ^= mixed >> np.uint64(28)
    return mixed


def _hash_9_to_16(first: Hashes, last: Hashes, sizes: Hashes) -> Hashes:
    low, high = first ^ _FLIPS_TO_16[0], last ^ _FLIPS_TO_16[1]
    mixed: Hashes = sizes + low.byteswap() + high + _folded_product(low, high)
    mixed ^= mixed >> np.uint64(37)
    mixed *= _PRIME_MX1
    mixed ^= mixed >> _HALF
    return mixed


def _folded_product(one: Hashes, other: Hashes) -> Hashes:
    """The low half of the 128-bit product XOR its high half."""
    one_low, one_high, other_low, other_high = (
        one & _LOW_HALF,
        one >> _HALF,
        other & _LOW_HALF,
        other >> _HALF,
    )
    low, crossed = one_low * other_low, one_high * other_low
    middle = (low >> _HALF) + (crossed & _LOW_HALF) + one_low * other_high
    high: Hashes = (crossed >> _HALF) + (middle >> _HALF) + one_high * other_high
    return one * other ^ high


def _rotated(values: Hashes, left: int) -> Hashes:
    return values << np.uint64(left) | values >> np.uint64(64 - left)
