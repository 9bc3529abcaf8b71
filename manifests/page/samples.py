"""The rows that a page shows, looked up: their keys in the manifests, their texts in the datasets that are here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from manifests.audit import Audit
from manifests.errors import MissingDatasetError, VerificationError
from manifests.keys import Trace
from manifests.manifest import Manifest
from manifests.page.examples import RowName, Sample, Samples, shown_examples
from manifests.store import Store

ABSENT = "its dataset is not in the store"
DAMAGED = "its dataset is not the manifest's: it is damaged"


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found: the samples, and for manifests without texts the reason, by their place in the audit."""

    samples: Samples
    without_text: Mapping[int, str]


def look_up(store: Store, audit: Audit) -> Looked:
    """The rows of all examples that the page shows. Manifests and datasets are read just as far as the last of them.

    A text is handed out only from a verified block. A dataset that is missing or damaged is a reason, not an error.
    """
    wanted: dict[int, set[RowName]] = {}
    for pair, examples in zip(audit.pairs, shown_examples(audit), strict=True):
        for example in examples:
            wanted.setdefault(pair.first, set()).add(example.first)
            wanted.setdefault(pair.second, set()).add(example.second)
    found: dict[tuple[int, RowName], Sample] = {}
    without_text: dict[int, str] = {}
    for number, rows in sorted(wanted.items()):
        manifest = audit.manifests[number]
        samples = _keys_of(manifest, rows)
        try:
            samples = _with_texts(store, manifest, samples)
        except MissingDatasetError:
            without_text[number] = ABSENT
        except VerificationError:
            without_text[number] = DAMAGED
        found |= {(number, row): sample for row, sample in samples.items()}
    return Looked(found, without_text)


def _keys_of(manifest: Manifest, wanted: set[RowName]) -> dict[RowName, Sample]:
    found: dict[RowName, Sample] = {}
    start = 0
    for block in manifest.row_blocks():
        for place in _places(block, wanted):
            row = block.slice(place, 1).to_pylist()[0]
            if (name := (row["source"], row["row"])) in wanted:
                found[name] = Sample(start + place + 1, row["content"], row["prompt"], None)
        start += block.num_rows
        if len(found) == len(wanted):
            break
    return found


def _places(block: pa.Table, wanted: set[RowName]) -> list[int]:
    """The places in a block with a row number that is wanted, of whatever source."""
    numbers = block.column("row").to_numpy()
    places: list[int] = np.flatnonzero(np.isin(numbers, [row for _, row in wanted])).tolist()
    return places


def _with_texts(store: Store, manifest: Manifest, samples: dict[RowName, Sample]) -> dict[RowName, Sample]:
    left = {sample.place - 1: name for name, sample in samples.items()}
    found = dict(samples)
    start = 0
    for block in store.dataset_blocks(manifest):
        end = start + block.num_rows
        for place in [place for place in left if start <= place < end]:
            row = block.slice(place - start, 1).to_pylist()[0]
            trace = Trace(row["prompt"], row["reasoning"], row["answer"])
            name = left.pop(place)
            found[name] = replace(found[name], trace=trace)
        start = end
        if not left:
            break
    return found
