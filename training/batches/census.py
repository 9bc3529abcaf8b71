"""What a plan makes of each source: trained on, held out, left out. Pure."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.batches.plan import Plan, TraceSizes
from training.batches.templates import Fault


@dataclass(frozen=True)
class SourceCount:
    """The traces of a source, each counted once.

    traces, tokens, trained_tokens   trained on in an epoch; of the tokens, those that carry a loss
    held_out                         traces
    over_length, over_length_tokens  left out: longer than the plan's length
    over_length_share                of the source's tokens
    forged_turn, broken_format       traces left out for these (`training.batches.templates.Fault`)
    characters_per_token             of all traces of the source; the template's tokens are counted with theirs
    """

    source: str
    traces: int
    tokens: int
    trained_tokens: int
    held_out: int
    over_length: int
    over_length_tokens: int
    over_length_share: float
    forged_turn: int
    broken_format: int
    characters_per_token: float


def census(plan: Plan, sizes: TraceSizes, characters: npt.NDArray[np.int64]) -> list[SourceCount]:
    """The sources in the order of their first trace; `characters` has those of each trace."""
    held = np.zeros(len(sizes.lengths), dtype=np.bool_)
    held[plan.held_out.column("sample").to_numpy().astype(np.int64) - 1] = True
    whole = sizes.faults == Fault.NONE
    long = whole & (sizes.lengths > plan.inputs.length)
    trained = whole & ~long & ~held
    spans = sizes.loss_ends - sizes.loss_starts
    counts = []
    for code, name in enumerate(sizes.names):
        mine = sizes.sources == code
        tokens, too_long = int(sizes.lengths[mine].sum()), int(sizes.lengths[mine & long].sum())
        counts.append(
            SourceCount(
                source=name,
                traces=int((mine & trained).sum()),
                tokens=int(sizes.lengths[mine & trained].sum()),
                trained_tokens=int(spans[mine & trained].sum()),
                held_out=int((mine & held).sum()),
                over_length=int((mine & long).sum()),
                over_length_tokens=too_long,
                over_length_share=too_long / tokens,
                forged_turn=int((mine & (sizes.faults == Fault.FORGED_TURN)).sum()),
                broken_format=int((mine & (sizes.faults == Fault.BROKEN_FORMAT)).sum()),
                characters_per_token=int(characters[mine].sum()) / tokens,
            )
        )
    return counts
