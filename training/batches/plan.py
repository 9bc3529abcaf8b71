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

Traces held out (training/batches/held_out.py) are in a table of the same form; its "steps" are the batches of an
evaluation. The plan's id is the SHA-256 of the canonical JSON (manifests/FORMAT.md, section 6) of format, inputs, the
names of the packer and of the rule for holding out, and both tables' rows/v1 digests.
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
from training.batches.held_out import RULE, held_out
from training.batches.packing import PACKER, PackedRow, pack
from training.batches.templates import Fault
from training.errors import PlanError

PLAN = TableForm("plan", "step:u64,row:u64,offset:u64,length:u64,sample:u64,loss_start:u64,loss_end:u64")
FORMAT = 2


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
    """What a plan knows of each trace, in the manifest's order; each array has an entry a trace.

    lengths       tokens
    loss_starts   place of the first token that is trained on
    loss_ends     place behind the last one
    faults        why it is not trained on, `training.batches.templates.Fault`
    contents      content keys, [traces, 16]
    sources       places in `names`, which has the names of the sources
    """

    lengths: npt.NDArray[np.int64]
    loss_starts: npt.NDArray[np.int64]
    loss_ends: npt.NDArray[np.int64]
    faults: npt.NDArray[np.uint8]
    contents: npt.NDArray[np.uint8]
    sources: npt.NDArray[np.int32]
    names: tuple[str, ...]

    def source_of(self, sample: int) -> str:
        """The source of the trace at a place in the manifest, from 1."""
        return self.names[int(self.sources[sample - 1])]


@dataclass(frozen=True)
class Left:
    """Traces of a source that are not trained on, and the tokens they have."""

    source: str
    traces: int
    tokens: int


@dataclass(frozen=True)
class Plan:
    """The batches of a run, those of its held-out traces, and what was left out and why.

    A trace stands under the first reason that holds: a forged turn, a broken format, a length over the plan's. Of all
    others, `traces` with `tokens` are trained on in an epoch; `trained_tokens` of them carry a loss.
    """

    inputs: PlanInputs
    table: pa.Table
    held_out: pa.Table
    over_length: tuple[Left, ...]
    forged_turn: tuple[Left, ...]
    broken_format: tuple[Left, ...]
    traces: int
    tokens: int
    trained_tokens: int

    @cached_property
    def id(self) -> str:
        """64 hex digits."""
        digests = [table_digest(PLAN, table)[0] for table in (self.table, self.held_out)]
        identity = {
            "format": FORMAT,
            "inputs": asdict(self.inputs),
            "packer": PACKER,
            "held_out_rule": RULE,
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
        return self.tokens_a_step / (self.inputs.batch * self.inputs.length)

    @property
    def tokens_a_step(self) -> float:
        """Tokens of a batch that are not padding, on average."""
        return int(self.table.column("length").to_numpy().sum()) / self.steps


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
    whole = sizes.faults == Fault.NONE
    too_long = whole & (sizes.lengths > inputs.length)
    usable = np.flatnonzero(whole & ~too_long)
    if not len(usable):
        forged, broken = (int((sizes.faults == fault).sum()) for fault in list(Fault)[1:])
        raise PlanError(
            f"manifest {inputs.manifest[:12]}: no trace left to train on: {len(sizes.lengths)} traces, "
            f"{int(too_long.sum())} longer than {inputs.length} tokens, {forged} with a turn marker in their text, "
            f"{broken} with a tag of the template in it; use a larger length, or another manifest"
        )
    held = held_out(usable, sizes.contents, sizes.sources, Fraction(inputs.held_out), inputs.seed)
    trained = np.setdiff1d(usable, held, assume_unique=True)
    rows = _rows_of_epochs(inputs, sizes, trained.tolist())
    return Plan(
        inputs=inputs,
        table=_table(rows, sizes, inputs.batch),
        held_out=evaluation_table(held, sizes, inputs.length, inputs.batch),
        over_length=_left(too_long, sizes),
        forged_turn=_left(sizes.faults == Fault.FORGED_TURN, sizes),
        broken_format=_left(sizes.faults == Fault.BROKEN_FORMAT, sizes),
        traces=len(trained),
        tokens=int(sizes.lengths[trained].sum()),
        trained_tokens=int((sizes.loss_ends - sizes.loss_starts)[trained].sum()),
    )


def evaluation_table(samples: npt.NDArray[np.int64], sizes: TraceSizes, length: int, batch: int) -> pa.Table:
    """A plan table that has each of these traces (places from 0, ascending; none longer than `length`) once."""
    return _table(pack(samples.tolist(), sizes.lengths, length), sizes, batch)


def epoch_order(samples: Sequence[int], contents: npt.NDArray[np.uint8], epoch: int, seed: int) -> list[int]:
    """The order of an epoch, counted from 1.

    The first has the manifest's own; a later one goes by SHA-256("epoch/1" ‖ u64(seed) ‖ u64(epoch) ‖ content).
    """
    if epoch == 1:
        return list(samples)
    prefix = b"epoch/1" + seed.to_bytes(8, "little") + epoch.to_bytes(8, "little")
    return sorted(
        samples, key=lambda sample: (hashlib.sha256(prefix + contents[sample].tobytes()).digest(), sample)
    )


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
    of_chosen, lengths = sizes.sources[chosen], sizes.lengths[chosen]
    sources, firsts = np.unique(of_chosen, return_index=True)
    return tuple(
        Left(sizes.names[source], int(mask.sum()), int(lengths[mask].sum()))
        for source in sources[np.argsort(firsts)]
        for mask in [of_chosen == source]
    )
