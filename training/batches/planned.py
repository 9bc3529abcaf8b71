"""What `training plan` does: lay out a manifest's batches, and say what they are and what they leave out."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests import disk
from manifests.manifest import Manifest
from manifests.store import Store
from training.batches.census import SourceCount, census
from training.batches.plan import Left, Plan
from training.batches.prepare import prepare, tokens_folder, tokens_key
from training.batches.tokenizer import Tokenizer
from training.settings import Settings

PLAN_FILE, HELD_OUT_FILE, SUMMARY = "plan.parquet", "held_out.parquet", "plan.json"


@dataclass(frozen=True)
class Planned:
    """A plan, what it makes of each source, and the characters of all traces over their tokens."""

    plan: Plan
    sources: tuple[SourceCount, ...]
    characters_per_token: float


def plan_manifest(
    store: Store,
    manifest: Manifest,
    tokenizer: Tokenizer,
    settings: Settings,
    cache: Path | None,
    say: Callable[[str], None],
) -> Planned:
    """The plan of a manifest. `cache` is a folder that keeps the tokens of many manifests; None: they are not kept.

    Raises what `training.batches.prepare.prepare` raises.
    """
    with tokens_folder(cache, tokens_key(manifest, tokenizer, settings.template)) as folder:
        prepared = prepare(store, manifest, tokenizer, settings, folder, say)
    sizes = prepared.encoded.sizes
    counts = [block.column("chars").to_numpy() for block in manifest.row_blocks()]
    characters = np.concatenate([np.empty(0, dtype=np.uint64), *counts]).astype(np.int64)
    return Planned(
        prepared.plan,
        tuple(census(prepared.plan, sizes, characters)),
        int(characters.sum()) / int(sizes.lengths.sum()),
    )


def planned_json(planned: Planned) -> dict[str, object]:
    """What `--json` prints of a plan."""
    plan = planned.plan
    return {
        "plan": plan.id,
        "inputs": asdict(plan.inputs),
        "manifest": plan.inputs.manifest,
        "traces": plan.traces,
        "tokens": plan.tokens,
        "trained_tokens": plan.trained_tokens,
        "fill": round(plan.fill, 4),
        "steps": plan.steps,
        "tokens_a_step": round(plan.tokens_a_step),
        "characters_per_token": round(planned.characters_per_token, 4),
        "held_out": plan.held_out.num_rows,
        "over_length": _by_source(plan.over_length),
        "forged_turn": _by_source(plan.forged_turn),
        "broken_format": _by_source(plan.broken_format),
        "sources": [
            {
                **asdict(count),
                "over_length_share": round(count.over_length_share, 4),
                "characters_per_token": round(count.characters_per_token, 4),
            }
            for count in planned.sources
        ],
    }


def planned_lines(planned: Planned) -> list[str]:
    """The same for people."""
    plan, inputs = planned.plan, planned.plan.inputs
    return [
        f"plan      {plan.id}",
        f"traces    {plan.traces:,} trained on, {plan.held_out.num_rows:,} held out",
        (
            f"tokens    {plan.tokens:,}, {plan.trained_tokens:,} of them trained on; "
            f"{planned.characters_per_token:.2f} characters a token"
        ),
        (
            f"steps     {plan.steps:,} of {inputs.batch} rows of {inputs.length:,} tokens, {plan.fill:.1%} full: "
            f"{plan.tokens_a_step:,.0f} tokens a step"
        ),
        *(line for count in planned.sources for line in _source_lines(count)),
    ]


def write_plan(folder: Path, planned: Planned) -> None:
    """Write `plan.parquet` and `held_out.parquet`, as a run has them, and `plan.json`; each file atomically."""
    with disk.writing(folder):
        for name, table in ((PLAN_FILE, planned.plan.table), (HELD_OUT_FILE, planned.plan.held_out)):
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
            disk.replace_file(folder / name, sink.getvalue().to_pybytes())
        disk.replace_file(folder / SUMMARY, json.dumps(planned_json(planned), indent=2).encode() + b"\n")


def _by_source(lefts: tuple[Left, ...]) -> dict[str, dict[str, int]]:
    return {left.source: {"traces": left.traces, "tokens": left.tokens} for left in lefts}


def _source_lines(count: SourceCount) -> Iterator[str]:
    yield (
        f"source    {count.source}: {count.traces:,} traces, {count.tokens:,} tokens, {count.trained_tokens:,} "
        f"trained on; {count.held_out:,} held out; {count.characters_per_token:.2f} characters a token"
    )
    if count.over_length:
        yield (
            f"left out  {count.source}: {count.over_length:,} traces, {count.over_length_tokens:,} tokens over length "
            f"({count.over_length_share:.1%} of its tokens)"
        )
    if count.forged_turn:
        yield f"left out  {count.source}: {count.forged_turn:,} traces with a turn marker in their text"
    if count.broken_format:
        yield f"left out  {count.source}: {count.broken_format:,} traces with a tag of the template in their text"
