"""The model card of an export: front matter as the Hub reads it, then what there is to know. Pure.

The keys are those of the Hub's model card specification. Nothing that a run or a manifest says takes effect as markup.
"""

from collections.abc import Iterator

from manifests.export.markup import Yaml, markdown, markdown_table, yaml_lines
from manifests.words import SHORT_ID
from training.export.configuration import PUBLIC_NAMES
from training.export.trained import TrainedRun
from training.models import GEMMA2

FORMATS = PEFT, MERGED, ORBAX = ("peft", "merged", "orbax")
PROVENANCE = "provenance.json"
NOTICE = (
    "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms. "
    "These weights are a modification of Google's: a LoRA adapter was trained for them."
)


def model_card(run: TrainedRun, kind: str) -> str:
    """The text of README.md for an export in the format `kind`."""
    sections = (
        ("Use", _use(run, kind)),
        ("Mix", _mix(run)),
        ("Loss", _losses(run)),
        ("Provenance", _provenance(run)),
    )
    lines = ["---", *yaml_lines(_front_matter(run, kind)), "---", ""]
    lines += [f"# {markdown(run.manifest_name)} on {run.model.name}", "", *_summary(run, kind)]
    for heading, content in sections:
        lines += ["", f"## {heading}", "", *content]
    return "\n".join([*lines, ""])


def _front_matter(run: TrainedRun, kind: str) -> dict[str, Yaml]:
    front: dict[str, Yaml] = {}
    if run.model.name in PUBLIC_NAMES:
        front |= {
            "license": "gemma",
            "base_model": PUBLIC_NAMES[run.model.name],
            "base_model_relation": "adapter" if kind == PEFT else "finetune",
        }
    return {
        **front,
        "library_name": {PEFT: "peft", MERGED: "transformers", ORBAX: "tunix"}[kind],
        "pipeline_tag": "text-generation",
        "model_name": f"{run.manifest_name} on {run.model.name}",
        "tags": ["lora", "reasoning", "chain-of-thought", "tunix-zero-cost"],
    }


def _summary(run: TrainedRun, kind: str) -> Iterator[str]:
    what = "A LoRA adapter" if kind == PEFT else "A model with its LoRA adapter merged in"
    rank, alpha, quantize = run.settings.rank, run.settings.alpha, run.settings.quantize
    yield f"{what}, of rank {rank} and alpha {alpha:g}, trained with Tunix Zero-Cost:"
    yield f"{run.cursor:,} of {run.steps:,} steps of the plan `{run.digests['plan'][:SHORT_ID]}`,"
    yield f"on the rows of the manifest `{run.digests['manifest']}`."
    if run.record.get("overlap") is not None:
        yield ""
        yield f"Earlier runs had trained on some of them, and that was allowed: see `overlap` in `{PROVENANCE}`."
    if quantize != "none":
        yield ""
        yield f"The base was quantised in training ({markdown(quantize)}); these weights go with the whole one."
    if run.model.name in PUBLIC_NAMES:
        yield from ("", NOTICE)


def _use(run: TrainedRun, kind: str) -> Iterator[str]:
    if kind == ORBAX:
        family = "gemma.params.load_and_format_params"
        if run.model.shape.family != GEMMA2:
            family = "gemma3.params.create_model_from_checkpoint"
        yield f"`{run.model.name}/` is an Orbax checkpoint in the layout of Google's own, as Kaggle ships them:"
        yield f"`tunix.models.{family}` loads it, and so does `training run --base`."
        return
    public = PUBLIC_NAMES.get(run.model.name)
    base = "." if kind == MERGED else public or "BASE"
    if base == "BASE":
        yield "The base of this model is drawn from a seed and can be loaded from nowhere. A `merged` export has it."
        yield ""
    # Of transformers' kinds of attention only this one is sure to know Gemma-2's softcap.
    yield "```python"
    if kind == PEFT:
        yield "from peft import PeftModel"
    yield "from transformers import AutoModelForCausalLM, AutoTokenizer"
    yield ""
    yield f'model = AutoModelForCausalLM.from_pretrained("{base}", attn_implementation="eager")'
    if kind == PEFT:
        yield 'model = PeftModel.from_pretrained(model, ".")'
    yield 'tokenizer = AutoTokenizer.from_pretrained(".")'
    yield "```"
    yield ""
    yield f"The chat template is the one it was trained on: {markdown(run.settings.template)}."


def _mix(run: TrainedRun) -> list[str]:
    rows = [(source.name, source.rows, source.trained, source.held_out) for source in run.mix]
    return markdown_table(("source", "rows of the manifest", "trained on", "held out"), rows, "the manifest")


def _losses(run: TrainedRun) -> list[str]:
    rows = [(loss.what, f"{loss.first:.4f}", f"{loss.last:.4f}") for loss in run.losses]
    return [
        "In nats a trained token.",
        "",
        *markdown_table(("loss", "before", "after"), rows, "the run's record"),
    ]


def _provenance(run: TrainedRun) -> list[str]:
    rows = [*run.digests.items()]
    if run.continued_from is not None:
        rows.append(("manifest of the run it continues", run.continued_from))
    return [
        f"All of it is in `{PROVENANCE}`, with the SHA-256 of every file; the ids are in the weights' metadata too.",
        "",
        *markdown_table(("what", "SHA-256"), rows, f"`{PROVENANCE}`"),
    ]
