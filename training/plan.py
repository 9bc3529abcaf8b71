"""The plan: the exact batches that a manifest turns into. Pure.

A plan is a function of its inputs alone (`PlanInputs` and the encoded lengths that follow from them), never of devices,
threads or how far a run has come; batch k is found without walking through the ones before it.

The table `plan/v1` has a line for each trace in each batch, in the order of steps, rows, offsets:

step         step of the run, from 1
row          row of that step's batch, from 1
offset       place of the trace's first token in the row, from 0
length       tokens of the trace
sample       place of the trace in the manifest, from 1
loss_start   place in the row, from 0, of the first token that is trained on
loss_end     place in the row, from 0, behind the last one

Traces held out are in a table of the same form; its "steps" are the batches of an evaluation. The plan's id is the
SHA-256 of the canonical JSON (manifests/FORMAT.md, section 6) of format, inputs, packer and both tables' rows/v1
digests.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property
from itertools import count

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests.canonical import canonical_bytes
from manifests.tables import TableForm, table_digest, table_of
from training.errors import PlanError
from training.packing import PACKER, PackedRow, pack

PLAN = TableForm("plan", "step:u64,row:u64,offset:u64,length:u64,sample:u64,loss_start:u64,loss_end:u64")
FORMAT = 1
HELD_OUT_MOST = 64  # contents

_KEY_RANGE = 2**64


@dataclass(frozen=True)
class PlanInputs:
    """What a plan is a function of. `held_out` is a decimal below 1 as text; `steps` bounds the run, over `epochs`."""

    manifest: str
    tokenizer: str
    template: str
    length: int
    batch: int
    epochs: int
    steps: int | None
    held_out: str
    seed: int


@dataclass(frozen=True)
class TraceSizes:
    """What a plan knows of each trace, in the manifest's order.

    Its tokens, the span of them that is trained on, content key, source, and whether it forges a turn.
    """

    lengths: npt.NDArray[np.int64]
    loss_starts: npt.NDArray[np.int64]
    loss_ends: npt.NDArray[np.int64]
    contents: Sequence[bytes]
    sources: Sequence[str]
    forges_turn: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Left:
    """Traces of a source that are not trained on, and the tokens they have."""

    source: str
    traces: int
    tokens: int


@dataclass(frozen=True)
class Plan:
    """The batches of a run, those of its held-out traces, and what was left out and why."""

    inputs: PlanInputs
    table: pa.Table
    held_out: pa.Table
    over_length: tuple[Left, ...]
    forged_turn: tuple[Left, ...]
    traces: int
    tokens: int

    @cached_property
    def id(self) -> str:
        """64 hex digits."""
        digests = [table_digest(PLAN, table)[0] for table in (self.table, self.held_out)]
        identity = {
            "format": FORMAT,
            "inputs": asdict(self.inputs),
            "packer": PACKER,
            "plan_digest": digests[0],
            "held_out_digest": digests[1],
        }
        return hashlib.sha256(canonical_bytes(identity)).hexdigest()

    @cached_property
    def batches(self) -> "Batches":
        """The run's batches."""
        return Batches(self.table)

    @cached_property
    def evaluation(self) -> "Batches":
        """The batches of the held-out traces."""
        return Batches(self.held_out)

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.batches.steps

    @property
    def fill(self) -> float:
        """Share of the batches' places that hold a token."""
        used = int(self.table.column("length").to_numpy().sum())
        return used / (self.steps * self.inputs.batch * self.inputs.length)


class Batches:
    """The lines of a plan table by step, found in O(1)."""

    def __init__(self, table: pa.Table) -> None:
        self._columns = {name: table.column(name).to_numpy().astype(np.int64) for name in table.column_names}
        steps = self._columns["step"]
        self.steps = int(steps[-1]) if len(steps) else 0
        self._starts = np.searchsorted(steps, np.arange(1, self.steps + 2))

    def lines(self, step: int) -> dict[str, npt.NDArray[np.int64]]:
        """The columns of step `step`, from 1."""
        window = slice(self._starts[step - 1], self._starts[step])
        return {name: column[window] for name, column in self._columns.items()}

    def samples(self, cursor: int) -> npt.NDArray[np.int64]:
        """The samples, from 1, that the first `cursor` steps read; each once, ascending."""
        read: npt.NDArray[np.int64] = np.unique(self._columns["sample"][: self._starts[cursor]])
        return read


def build_plan(inputs: PlanInputs, sizes: TraceSizes) -> Plan:
    """Lay out the batches. Raises `PlanError` when no trace is left to train on."""
    too_long = (sizes.lengths > inputs.length) & ~sizes.forges_turn
    usable = [int(sample) for sample in np.flatnonzero(~too_long & ~sizes.forges_turn)]
    held = held_out_samples(usable, sizes.contents, Fraction(inputs.held_out), inputs.seed)
    trained = [sample for sample in usable if sample not in held]
    if not trained:
        raise PlanError(
            f"manifest {inputs.manifest[:12]}: no trace left to train on: {len(sizes.lengths)} traces, "
            f"{int(too_long.sum())} longer than {inputs.length} tokens, {int(sizes.forges_turn.sum())} with a turn "
            f"marker in their text, {len(held)} held out; use a larger length or a smaller share held out"
        )
    rows = _rows_of_epochs(inputs, sizes, trained)
    return Plan(
        inputs=inputs,
        table=_table(rows, sizes, inputs.batch),
        held_out=_table(pack(sorted(held), sizes.lengths, inputs.length), sizes, inputs.batch),
        over_length=_left(too_long, sizes),
        forged_turn=_left(sizes.forges_turn, sizes),
        traces=len(trained),
        tokens=int(sizes.lengths[trained].sum()),
    )


def held_out_samples(
    samples: Sequence[int], contents: Sequence[bytes], share: Fraction, seed: int
) -> set[int]:
    """The samples whose keyed content falls below `share`; at least the lowest when it is above 0, at most 64 contents.

    The key is the first 8 bytes of SHA-256("held-out/1" ‖ u64(seed) ‖ content), so equal contents stay on one side.
    More than 64 would cost an evaluation more than they add to what it tells.
    """
    if share == 0 or not samples:
        return set()
    prefix = b"held-out/1" + seed.to_bytes(8, "little")
    keys = {sample: _key(prefix + contents[sample]) for sample in samples}
    lowest = sorted(set(keys.values()))[:HELD_OUT_MOST]
    held = {key for key in lowest if key < share * _KEY_RANGE} or {lowest[0]}
    return {sample for sample, key in keys.items() if key in held}


def epoch_order(samples: Sequence[int], contents: Sequence[bytes], epoch: int, seed: int) -> list[int]:
    """The order of an epoch, counted from 1.

    The first has the manifest's own; a later one goes by SHA-256("epoch/1" ‖ u64(seed) ‖ u64(epoch) ‖ content).
    """
    if epoch == 1:
        return list(samples)
    prefix = b"epoch/1" + seed.to_bytes(8, "little") + epoch.to_bytes(8, "little")
    return sorted(samples, key=lambda sample: (hashlib.sha256(prefix + contents[sample]).digest(), sample))


def _key(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")


def _rows_of_epochs(inputs: PlanInputs, sizes: TraceSizes, trained: Sequence[int]) -> list[PackedRow]:
    """The rows of the run in order: an epoch's last batch is filled up from the next epoch."""
    wanted = None if inputs.steps is None else inputs.steps * inputs.batch
    rows: list[PackedRow] = []
    for epoch in count(1):
        if epoch > inputs.epochs if wanted is None else len(rows) >= wanted:
            break
        rows.extend(
            pack(epoch_order(trained, sizes.contents, epoch, inputs.seed), sizes.lengths, inputs.length)
        )
    return rows[:wanted]


def _table(rows: Sequence[PackedRow], sizes: TraceSizes, batch: int) -> pa.Table:
    """The lines of rows, spread evenly so that no batch is nearly empty: row n of r goes to step ⌊n · steps / r⌋."""
    steps_needed = -(-len(rows) // batch)
    step_of = [number * steps_needed // len(rows) for number in range(len(rows))]
    flat = [
        (step_of[number] + 1, number - bisect_left(step_of, step_of[number]) + 1, offset, sample)
        for number, row in enumerate(rows)
        for offset, sample in row
    ]
    steps, places, offsets, samples = np.array(flat, dtype=np.int64).reshape(-1, 4).T
    columns = (
        steps,
        places,
        offsets,
        sizes.lengths[samples],
        samples + 1,
        offsets + sizes.loss_starts[samples],
        offsets + sizes.loss_ends[samples],
    )
    return table_of(PLAN, [pa.array(column.astype(np.uint64)) for column in columns])


def _left(chosen: npt.NDArray[np.bool_], sizes: TraceSizes) -> tuple[Left, ...]:
    """The chosen traces by source, sources in the order of their first trace."""
    totals: dict[str, list[int]] = {}
    for sample in np.flatnonzero(chosen):
        total = totals.setdefault(sizes.sources[int(sample)], [0, 0])
        total[0] += 1
        total[1] += int(sizes.lengths[sample])
    return tuple(Left(source, traces, tokens) for source, (traces, tokens) in totals.items())
