"""The one bit of a file that was turned, sought by its digest. Pure."""

import hashlib

LARGEST_FLIPPED = 16 << 10  # bytes: 131,072 digests of half the file each, about a second
_SHA256_BLOCK = 64


def flipped_bit(data: bytes, sha256: str) -> tuple[int, bytes] | None:
    """The place (from 0) of the byte in which one bit must be turned back for this SHA-256, and the true data.

    None when no single bit does it, or `data` is larger than 16 KiB. A hit is a proof: SHA-256 has no collisions known.
    """
    if len(data) > LARGEST_FLIPPED:
        return None
    wanted = bytes.fromhex(sha256)
    state = hashlib.sha256()
    for start in range(0, len(data), _SHA256_BLOCK):
        block, rest = bytearray(data[start : start + _SHA256_BLOCK]), data[start + _SHA256_BLOCK :]
        for place in range(len(block)):
            for bit in range(8):
                block[place] ^= 1 << bit
                digest = state.copy()
                digest.update(block)
                digest.update(rest)
                if digest.digest() == wanted:
                    return start + place, data[:start] + bytes(block) + rest
                block[place] ^= 1 << bit
        state.update(block)
    return None
