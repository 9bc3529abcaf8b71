"""Continuing a run: its adapter, what it consumed, and the refusal to train on that again."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from manifests.overlap import shared_rows
from manifests.row_keys import CONTENT, ROW
from training.errors import OverlapError, ParentRunError
from training.folder import FINISHED, Record, check_adapter, read_record, read_table
from training.plan import Batches
from training.tensors import Tensor

INHERITED = ("model", "base_digest", "tokenizer", "settings.rank", "settings.alpha")


@dataclass(frozen=True)
class ParentRun:
    """A finished run to start from. `consumed` has the row keys of all that it and its ancestors trained on."""

    path: Path
    record: Record
    adapter: dict[str, Tensor]
    consumed: pa.Table

    @property
    def lineage(self) -> dict[str, object]:
        """What a run says of the one it continues."""
        return {
            key: self.record[key] for key in ("manifest", "plan", "steps", "adapter_digest", "continued_from")
        }


def open_parent(path: Path) -> ParentRun:
    """A run as a parent; its folder alone is enough, and is only read.

    Raises `ParentRunError` for a run that has not finished, `RunFolderError` for a folder that is no run or damaged.
    """
    record = read_record(path)
    if record.get("status") != FINISHED:
        raise ParentRunError(
            f"{path}: the run has not finished; start it again to finish it, then continue from it"
        )
    adapter = check_adapter(path, record)
    batches = Batches(read_table(path, record, "plan.parquet"))
    keys = read_table(path, record, "keys.parquet")
    trained = keys.take(pa.array(batches.samples(batches.steps) - 1))
    consumed = pa.concat_tables([trained, read_table(path, record, "ancestors.parquet")])
    return ParentRun(path, record, adapter, consumed)


def refuse_overlap(parent: ParentRun, manifest: str, keys: pa.Table) -> None:
    """Raises `OverlapError` when a row of `keys` has the origin row or the content of one that was consumed."""
    found = {tier: shared_rows(parent.consumed, keys, tier, most=1) for tier in (ROW, CONTENT)}
    if repeated := [tier for tier, (count, _) in found.items() if count]:
        tier = repeated[0]
        (theirs, ours), *_ = found[tier][1]
        raise OverlapError(
            f"manifest {manifest[:12]} repeats what {parent.path} trained on: {found[ROW][0]:,} same rows, "
            f"{found[CONTENT][0]:,} same contents, first {theirs} = {ours} (same {tier}); "
            "build it with [disjoint] from the earlier manifest"
        )


def check_inherited(parent: ParentRun, inherited: dict[str, object]) -> None:
    """Raises `ParentRunError` when a value that an adapter hangs on (`INHERITED`) is not the parent's."""
    settings = parent.record["settings"]
    for key in INHERITED:
        name = key.removeprefix("settings.")
        theirs = settings.get(name) if isinstance(settings, dict) and name != key else parent.record.get(key)
        if theirs != inherited[key]:
            raise ParentRunError(
                f"{parent.path}: its adapter was trained with {name} = {theirs}, asked for {inherited[key]}; "
                "an adapter goes on only with the same"
            )
