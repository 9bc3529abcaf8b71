"""What a run is asked for, and what of it a record holds. Pure."""

from dataclasses import asdict, dataclass
from pathlib import Path

from manifests.manifest import Manifest
from manifests.store import Store
from training.batches.plan import Plan
from training.batches.tokenizer import Tokenizer
from training.loop.budget import Budget
from training.models import Model
from training.runs import folder
from training.runs.folder import Record
from training.runs.parent import ParentRun
from training.settings import Settings


@dataclass(frozen=True)
class RunRequest:
    """What to train on what. `store` holds the manifest that `reference` names; `out` is the run's folder.

    continue_from  a run whose adapter this one starts from
    base           the folder of the model's weights; None for a model that draws its own
    resume_from    a folder that holds this very run, to go on with in `out`; it is only read
    allow_overlap  train also on what `continue_from` and its ancestors were trained on, and record it
    budget         the time that this start has; None: until the end
    """

    store: Store
    reference: str
    tokenizer: Tokenizer
    model: Model
    settings: Settings
    out: Path
    continue_from: Path | None
    base: Path | None = None
    resume_from: Path | None = None
    allow_overlap: bool = False
    budget: Budget | None = None


def asked(request: RunRequest, manifest: Manifest, ancestor: ParentRun | None) -> Record:
    """The request itself: a run that is gone on with must have the same (`folder.REQUEST`)."""
    return {
        "manifest": manifest.id,
        "tokenizer": request.tokenizer.digest,
        "model": request.model.name,
        "settings": asdict(request.settings),
        "continued_from": None if ancestor is None else ancestor.lineage,
    }


def inherited(request: RunRequest) -> Record:
    """What an adapter that is continued hangs on, but for the base."""
    return {
        "model": request.model.name,
        "tokenizer": request.tokenizer.digest,
        "settings.rank": request.settings.rank,
        "settings.alpha": request.settings.alpha,
    }


def fixed(request: RunRequest, manifest: Manifest, plan: Plan, base_digest: str) -> Record:
    """What follows from the request, and must come out the same when a run is gone on with."""
    return {
        "format": folder.FORMAT,
        "content_digest": manifest.content_digest,
        "plan": plan.id,
        "vocabulary": request.tokenizer.vocabulary,
        "base_seed": request.model.base_seed,
        "base_digest": base_digest,
        "traces": plan.traces,
        "tokens": plan.tokens,
        "fill": round(plan.fill, 4),
        "steps": plan.steps,
        "held_out_traces": plan.held_out.num_rows,
        "over_length": [asdict(left) for left in plan.over_length],
        "forged_turn": [asdict(left) for left in plan.forged_turn],
        "broken_format": [asdict(left) for left in plan.broken_format],
    }


def provenance(record: Record) -> dict[str, str]:
    """What every checkpoint and adapter of a run says of itself."""
    keys = {"manifest": "manifest", "plan": "plan", "tokenizer": "tokenizer", "base": "base_digest"}
    return {
        **{name: str(record[key]) for name, key in keys.items()},
        "template": record["settings"]["template"],
    }
