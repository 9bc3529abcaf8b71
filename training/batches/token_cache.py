"""The tokens of a manifest's traces on disk: made once, mapped into memory from then on, and never trusted unproven.

```
FOLDER/tokens.arrow   an Arrow IPC file; a record batch for each thousand traces or so, a row a trace, in the
                      manifest's order: tokens (list of i32), loss_start, loss_end (u32, places in it), fault (u8)
FOLDER/tokens.json    what these are the tokens of (`TokensKey`), and the SHA-256 of the file, as canonical JSON
```

The file is replaced first, then what is said of it: a cache that was half replaced does not prove itself.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests import disk
from manifests.canonical import canonical_bytes
from manifests.errors import StoreError

ENCODER = "traces/1"
TOKENS, TOKENS_PROOF = "tokens.arrow", "tokens.json"
LARGEST_PROOF = 4096
SCHEMA = pa.schema(
    [
        pa.field("tokens", pa.list_(pa.field("item", pa.int32(), nullable=False)), nullable=False),
        pa.field("loss_start", pa.uint32(), nullable=False),
        pa.field("loss_end", pa.uint32(), nullable=False),
        pa.field("fault", pa.uint8(), nullable=False),
    ]
)


@dataclass(frozen=True)
class TokensKey:
    """What tokens are a function of: a text's digest, a tokenizer's, a template, and the version of the encoder."""

    content_digest: str
    tokenizer: str
    template: str
    traces: int
    encoder: str = ENCODER

    @property
    def digest(self) -> str:
        """64 hex digits."""
        return hashlib.sha256(canonical_bytes(asdict(self))).hexdigest()


class TokenCache:
    """The tokens of all traces, where they lie in the file: memory holds only what is looked at.

    The arrays have an entry a trace: `lengths`, `loss_starts`, `loss_ends`, `faults`.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._values: list[npt.NDArray[np.int32]] = []
        lengths, begins, places = [], [], []
        columns: list[tuple[npt.NDArray[np.generic], ...]] = []
        for number, batch in enumerate(batches):
            tokens = batch.column("tokens")
            self._values.append(tokens.values.to_numpy())
            offsets = tokens.offsets.to_numpy()
            begins.append(offsets[:-1])
            lengths.append(np.diff(offsets))
            places.append(np.full(batch.num_rows, number))
            columns.append(tuple(batch.column(name).to_numpy() for name in SCHEMA.names[1:]))
        self._begins, self._batches = _joined(begins), _joined(places)
        self.lengths = _joined(lengths)
        self.loss_starts, self.loss_ends = (
            _joined([column[number] for column in columns]) for number in (0, 1)
        )
        self.faults = _joined([column[2] for column in columns]).astype(np.uint8)

    def tokens(self, sample: int) -> npt.NDArray[np.int32]:
        """The tokens of the trace at a place in the manifest, from 1."""
        begin, values = self._begins[sample - 1], self._values[self._batches[sample - 1]]
        tokens: npt.NDArray[np.int32] = values[begin : begin + self.lengths[sample - 1]]
        return tokens


def cached_tokens(
    folder: Path, key: TokensKey, encode: Callable[[], Iterable[pa.RecordBatch]], say: Callable[[str], None]
) -> TokenCache:
    """The tokens that `folder` has; made with `encode` and kept there when it has none, others, or damaged ones.

    Raises what `encode` raises, and `StoreError` (of manifests) when the folder can't be written.
    """
    cache, reason = read_cache(folder, key)
    if cache is not None:
        return cache
    if reason:
        say(f"{folder / TOKENS}: {reason}; tokenised anew")
    with disk.writing(folder):
        write_cache(folder, key, encode())
    cache, reason = read_cache(folder, key)
    if cache is None:
        raise StoreError(f"{folder / TOKENS}: {reason}, just written; the disk is not to be trusted")
    return cache


def read_cache(folder: Path, key: TokensKey) -> tuple[TokenCache | None, str]:
    """The tokens in `folder`, or None and the reason; there is none to tell where there simply are no tokens."""
    try:
        with (folder / TOKENS_PROOF).open("rb") as file:
            proof = json.loads(file.read(LARGEST_PROOF))
    except FileNotFoundError:
        return None, ""
    except (OSError, ValueError, RecursionError):
        return None, f"{TOKENS_PROOF} can't be read"
    if not isinstance(proof, dict):
        return None, f"{TOKENS_PROOF} can't be read"
    expected = proof.pop("sha256", None)
    if proof != asdict(key):
        return None, "tokens of something else"
    try:
        observed = disk.sha256_file(folder / TOKENS)[1]
        if observed != expected:
            return None, f"SHA-256 {observed}, {TOKENS_PROOF} says {expected}"
        return TokenCache(_mapped(folder / TOKENS, key.traces)), ""
    except (OSError, pa.ArrowException, ValueError) as error:
        return None, f"can't be read ({(str(error).splitlines() or [''])[0]})"


def write_cache(folder: Path, key: TokensKey, batches: Iterable[pa.RecordBatch]) -> None:
    """Write the tokens, batch by batch, and then what they are of; each atomically."""
    with disk.staging(folder) as staged:
        with pa.OSFile(str(staged / TOKENS), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
            for batch in batches:
                writer.write_batch(batch)
        digest = disk.sha256_file(staged / TOKENS)[1]
        disk.sync(staged / TOKENS)
        (staged / TOKENS).replace(folder / TOKENS)
    disk.replace_file(folder / TOKENS_PROOF, canonical_bytes({**asdict(key), "sha256": digest}))


def _mapped(path: Path, traces: int) -> list[pa.RecordBatch]:
    """The record batches of a file, each whole in itself; raises what Arrow raises, and `ValueError`."""
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    if not reader.schema.equals(SCHEMA):
        raise ValueError("other columns")
    batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
    for batch in batches:
        batch.validate(full=True)
        if any(column.null_count for column in batch.columns):
            raise ValueError("a null where none may be")
    if (rows := sum(batch.num_rows for batch in batches)) != traces:
        raise ValueError(f"{rows:,} traces, expected {traces:,}")
    return batches


def _joined(parts: list[npt.NDArray[np.generic]]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.empty(0, dtype=np.int64), *parts]).astype(np.int64)
