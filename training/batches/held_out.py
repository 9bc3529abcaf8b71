"""Which traces are never trained on, so that what a model learnt can be told from what it remembers. Pure.

By source: of each source, the contents whose key falls below the share, at least the lowest-keyed one, never the
highest-keyed one, and no more than the 64 lowest. The key of a content is the first 8 bytes, big-endian, of
SHA-256("held-out/1" ‖ u64(seed) ‖ content key). From which follows:

- every source with two contents or more is measured, and still trained on (by its own choice; see the next);
- a content that one source holds out is held out everywhere: equal contents are on one side;
- a source with a single content gives none, and something is always left to train on: the highest-keyed content of all
  is held by nobody;
- a larger share holds out all that a smaller one does.

More than 64 a source would cost an evaluation more than they add to what it tells.
"""

import hashlib
from fractions import Fraction

import numpy as np
import numpy.typing as npt

RULE = "held-out-by-source/1"
MOST = 64  # contents of a source

_KEY_RANGE = 2**64


def held_out(
    samples: npt.NDArray[np.int64],
    contents: npt.NDArray[np.uint8],
    sources: npt.NDArray[np.int32],
    share: Fraction,
    seed: int,
) -> npt.NDArray[np.int64]:
    """Those of `samples` (places in `contents` [n, 16] and `sources` [n]) that are held out, ascending."""
    if share == 0 or not len(samples):
        return np.empty(0, dtype=np.int64)
    keys = content_keys(contents[samples], seed)
    of_sample = sources[samples]
    # A key, a whole number, is below share · 2^64 when it is below the ceiling of that. A ceiling of 2^64 fits no u64;
    # the one key that is then missed, 2^64 - 1, is the highest of whoever has it.
    bound = min(-(-share.numerator * _KEY_RANGE // share.denominator), _KEY_RANGE - 1)
    chosen = [_of_source(np.unique(keys[of_sample == source]), bound) for source in np.unique(of_sample)]
    held: npt.NDArray[np.int64] = np.sort(samples[np.isin(keys, np.concatenate(chosen))])
    return held


def content_keys(contents: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint64]:
    """The key of each content."""
    prefix = b"held-out/1" + seed.to_bytes(8, "little")
    digests = b"".join(hashlib.sha256(prefix + content.tobytes()).digest()[:8] for content in contents)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def _of_source(keys: npt.NDArray[np.uint64], bound: int) -> npt.NDArray[np.uint64]:
    """The keys held out of a source's distinct keys, which come ascending; `bound` is what they are below."""
    below = int(np.searchsorted(keys, np.uint64(bound)))
    return keys[: min(max(below, 1), len(keys) - 1, MOST)]
