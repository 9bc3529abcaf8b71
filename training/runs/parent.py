"""Continuing a run: its adapter, what it consumed, and the refusal to train on that again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from manifests.identity import CONTINUE
from manifests.manifest import Manifest
from manifests.overlap import shared_rows
from manifests.row_keys import CONTENT, ROW
from training.batches.plan import Batches
from training.errors import OverlapError, ParentRunError
from training.network.tensors import Tensor
from training.runs.folder import FINISHED, STOPPED, Record, check_adapter, read_record, read_table

TIERS = (ROW, CONTENT)
EXAMPLES = 5


@dataclass(frozen=True)
class ParentRun:
    """A finished or stopped run to start from. `consumed` has the row keys of what it and its ancestors trained on."""

    path: Path
    record: Record
    adapter: dict[str, Tensor]
    consumed: pa.Table

    @property
    def lineage(self) -> dict[str, object]:
        """What a run says of the one it continues; `cursor` steps of it were trained."""
        keys = ("manifest", "plan", "steps", "cursor", "adapter_digest", "continued_from")
        return {key: self.record[key] for key in keys}

    @property
    def manifests(self) -> list[str]:
        """The manifests that it and its ancestors trained on, the newest first."""
        found, one = [], self.lineage
        while isinstance(one, dict):
            found.append(str(one["manifest"]))
            one = one["continued_from"]  # type: ignore[assignment]
        return found


@dataclass(frozen=True)
class Overlap:
    """What a manifest repeats of what was consumed, by tier: how many keys, and examples (theirs, ours)."""

    counts: Mapping[str, int]
    examples: Mapping[str, list[tuple[str, str]]]

    @property
    def record(self) -> Record:
        """As a run's record has it."""
        return {
            "counts": dict(self.counts),
            "examples": {tier: [*map(list, self.examples[tier])] for tier in TIERS},
        }

    def __str__(self) -> str:
        """Counts and the first example; for an empty overlap the counts alone."""
        first = next(
            (
                f", first {theirs} = {ours} (same {tier})"
                for tier in TIERS
                for theirs, ours in self.examples[tier]
            ),
            "",
        )
        return f"{self.counts[ROW]:,} same rows, {self.counts[CONTENT]:,} same contents{first}"


def open_parent(path: Path) -> ParentRun:
    """A run as a parent; its folder alone is enough, and is only read.

    Raises `ParentRunError` for a run that is neither finished nor stopped, `RunFolderError` for a folder that is no
    run, or damaged.
    """
    record = read_record(path)
    if record.get("status") not in {FINISHED, STOPPED}:
        raise ParentRunError(
            f"{path}: the run has not finished; start it again to finish it, then continue from it"
        )
    adapter = check_adapter(path, record)
    batches = Batches(read_table(path, record, "plan.parquet"))
    keys = read_table(path, record, "keys.parquet")
    trained = keys.take(pa.array(batches.samples(record["cursor"]) - 1))
    consumed = pa.concat_tables([trained, read_table(path, record, "ancestors.parquet")])
    return ParentRun(path, record, adapter, consumed)


def overlap_with(parent: ParentRun, keys: pa.Table) -> Overlap:
    """The rows of `keys` that have the origin row or the content of one that was consumed."""
    found = {tier: shared_rows(parent.consumed, keys, tier, most=EXAMPLES) for tier in TIERS}
    return Overlap({tier: found[tier][0] for tier in TIERS}, {tier: found[tier][1] for tier in TIERS})


def refuse_overlap(parent: ParentRun, manifest: str, overlap: Overlap) -> None:
    """Raises `OverlapError` when anything overlaps."""
    if any(overlap.counts.values()):
        raise OverlapError(
            f"manifest {manifest[:12]} repeats what {parent.path} trained on: {overlap}; "
            "build it with [disjoint] from the earlier manifest, or train on it again with --allow-overlap"
        )


def check_inherited(parent: ParentRun, inherited: Mapping[str, object]) -> None:
    """Raises `ParentRunError` when a value that an adapter hangs on is not the parent's.

    `settings.rank` names a key of its settings, any other a key of its record.
    """
    settings = parent.record["settings"]
    for key, asked in inherited.items():
        name = key.removeprefix("settings.")
        theirs = settings.get(name) if name != key else parent.record.get(key)
        if theirs != asked:
            raise ParentRunError(
                f"{parent.path}: its adapter was trained with {name} = {theirs}, asked for {asked}; "
                "an adapter goes on only with the same"
            )


def say_lineage(parent: ParentRun | None, manifest: Manifest, say: Callable[[str], None]) -> None:
    """Say when a manifest states that training goes on from another one than it does.

    It is said and not refused: what must not happen is to train on a row twice, and that is checked by the rows.
    """
    stated = [earlier.id for earlier in manifest.identity.parents if earlier.relation == CONTINUE]
    trained = [] if parent is None else parent.manifests
    for identifier in stated:
        if identifier not in trained:
            begins = "starts from a new adapter" if parent is None else f"goes on from {trained[0][:12]}"
            say(
                f"manifest {manifest.id[:12]} says that training goes on from {identifier[:12]}; "
                f"this run {begins}, as asked"
            )
