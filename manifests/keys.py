"""The keys of a trace and of a row's origin (FORMAT.md, section 1). Pure.

xxh3-128 digests are the 16 bytes of xxHash's canonical, big-endian form
(https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md).
"""

import hashlib
from typing import NamedTuple

from xxhash import xxh3_128_digest

CONTENT_ALGORITHM = "content/xxh3-128/1"
PROMPT_ALGORITHM = "prompt/ascii-fold/xxh3-128/1"
ASCII_WHITESPACE = " \t\n\v\f\r"
LARGEST_SEED = 2**63 - 1

_FOLD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ\t\n\v\f\r", b"abcdefghijklmnopqrstuvwxyz     ")


class Trace(NamedTuple):
    """One sample: three strings without ASCII whitespace at their ends, none of them empty."""

    prompt: str
    reasoning: str
    answer: str


def content_key(trace: Trace) -> bytes:
    """16 bytes that two traces share only if prompt, reasoning and answer are each equal."""
    return trace_keys(trace)[0]


def prompt_key(prompt: str) -> bytes:
    """16 bytes that prompts share when they differ only in ASCII case and in runs of ASCII whitespace."""
    return _prompt_key(prompt.encode())


def trace_keys(trace: Trace) -> tuple[bytes, bytes]:
    """The content key of a trace and the prompt key of its prompt."""
    prompt = trace.prompt.encode()
    content = xxh3_128_digest(
        xxh3_128_digest(prompt)
        + xxh3_128_digest(trace.reasoning.encode())
        + xxh3_128_digest(trace.answer.encode())
    )
    return content, _prompt_key(prompt)


def _prompt_key(prompt: bytes) -> bytes:
    folded = prompt.translate(_FOLD)
    while b"  " in folded:  # every pass halves the longest run: much faster than looking for runs one by one
        folded = folded.replace(b"  ", b" ")
    return xxh3_128_digest(folded)


def local_origin(sha256: str) -> bytes:
    """The origin of the rows of a local file: the 32 bytes of its SHA-256, given in hex."""
    return bytes.fromhex(sha256)


def hub_origin(repository: str, revision: str, path: str) -> bytes:
    """The origin of the rows of a file in a Hub repository at a commit: 32 bytes."""
    return hashlib.sha256(f"hub\n{repository}\n{revision}\n{path}".encode()).digest()


def draw_key(seed: int, origin: bytes, row_in_file: int) -> bytes:
    """What `take = {hash = N}` sorts candidates by."""
    return xxh3_128_digest(seed.to_bytes(8, "little") + origin + row_in_file.to_bytes(8, "little"))


def order_key(seed: int, content: bytes) -> bytes:
    """What `order = "mixed"` sorts the rows of a mix by."""
    return xxh3_128_digest(seed.to_bytes(8, "little") + content)
