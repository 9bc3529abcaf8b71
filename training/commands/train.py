"""`training run`."""

import argparse
from collections.abc import Sequence

from manifests.command import Commands, Parser, default_store, path, print_result, say
from manifests.store import Store
from training.commands.chosen import add_model_flag, add_plan_flags, chosen, quiet_libraries

RESULT = (
    "manifest",
    "plan",
    "steps",
    "resumed_from",
    "first_loss",
    "last_loss",
    "held_out_first",
    "held_out_last",
)


def add(commands: Commands, flags: Sequence[Parser]) -> None:
    """Put the command among `commands`, with `flags`."""
    training = commands.add_parser("run", parents=flags, help="train a LoRA adapter on a manifest")
    add_plan_flags(training)
    add_model_flag(training)
    training.add_argument(
        "--continue",
        dest="continue_from",
        type=path,
        metavar="RUN",
        help="start from the adapter of a finished run",
    )
    training.add_argument(
        "--out",
        type=path,
        required=True,
        metavar="RUN",
        help="the run's folder; an unfinished run in it goes on",
    )
    training.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    model, settings, tokenizer = chosen(options)
    quiet_libraries()
    from training.run import (
        RunRequest,
        train_adapter,
    )  # JAX takes seconds to import: only a training pays for it

    store = Store.open(default_store(options.store))
    request = RunRequest(store, options.id, tokenizer, model, settings, options.out, options.continue_from)
    record = train_adapter(request, say)
    adapter = options.out / str(record["adapter"])
    result = {
        "run": str(options.out),
        **{key: record[key] for key in RESULT},
        "adapter": str(adapter),
        "adapter_digest": record["adapter_digest"],
    }
    held_out = "none held out"
    if record["held_out_last"] is not None:
        held_out = (
            f"{record['held_out_first']['loss']:.4f} before, {record['held_out_last']['loss']:.4f} after"
        )
    lines = [
        f"run       {options.out}: {record['steps']} steps, resumed from {record['resumed_from']}",
        f"manifest  {record['manifest']}",
        f"plan      {record['plan']}",
        f"loss      {record['first_loss']:.4f} at the first step, {record['last_loss']:.4f} at the last",
        f"held out  {held_out}",
        f"adapter   {adapter}",
        f"digest    {record['adapter_digest']}",
    ]
    print_result(result, lines, as_json=options.json)
    return 0
