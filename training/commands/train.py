"""`training run`."""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from manifests.command import Commands, Parser, default_store, path, print_result, say
from manifests.store import Store
from training.commands.chosen import add_model_flag, add_plan_flags, chosen, quiet_libraries
from training.errors import SettingsError
from training.loop.budget import Budget, parse_budget
from training.loop.interruption import Interruption
from training.request import RunRequest

RESULT = (
    "manifest",
    "plan",
    "status",
    "resumed_from",
    "first_loss",
    "last_loss",
    "held_out_first",
    "held_out_last",
    "left",
    "unseen",
    "overlap",
    "sessions",
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
        help="start from the adapter of a finished or stopped run",
    )
    training.add_argument(
        "--allow-overlap",
        action="store_true",
        help="with --continue: train also on what that run was trained on, and record it",
    )
    training.add_argument(
        "--resume-from",
        type=path,
        metavar="RUN",
        help="go on in --out with the run in this folder, which is only read",
    )
    training.add_argument(
        "--budget", metavar="TIME", help="stop in time, adapter exported: 8h30m, 90m (default: go to the end)"
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
    asked_at = time.monotonic()
    interruption = Interruption()
    try:
        with interruption.installed(say):
            record = _train(options, interruption, lambda: time.monotonic() - asked_at)
    except KeyboardInterrupt:
        if not interruption.exit_status:
            raise
        say(
            "training: error: interrupted before its first step; the same command again goes on or starts over"
        )
        return interruption.exit_status
    _print(options, record)
    return interruption.exit_status if record["sessions"][-1]["ended"] == interruption.asked() else 0


def _train(
    options: argparse.Namespace, interruption: Interruption, elapsed: Callable[[], float]
) -> dict[str, Any]:
    budget = None if options.budget is None else Budget(parse_budget(options.budget), elapsed)
    if options.allow_overlap and options.continue_from is None:
        raise SettingsError("--allow-overlap is about the rows of --continue RUN; give that, or leave it out")
    model, settings, tokenizer = chosen(options)
    quiet_libraries()
    from training.loop import hosts  # JAX takes seconds to import: only a training pays for it
    from training.run import train_adapter

    with hosts.standard_output_kept():
        hosts.join()

    request = RunRequest(
        store=Store.open(default_store(options.store)),
        reference=options.id,
        tokenizer=tokenizer,
        model=model,
        settings=settings,
        out=options.out,
        continue_from=options.continue_from,
        base=options.base,
        resume_from=options.resume_from,
        allow_overlap=options.allow_overlap,
        budget=budget,
    )
    with hosts.standard_output_kept():
        return train_adapter(request, say, interruption)


def _print(options: argparse.Namespace, record: Mapping[str, Any]) -> None:
    adapter = options.out / str(record["adapter"])
    result = {
        "run": str(options.out),
        "steps": record["cursor"],
        "plan_steps": record["steps"],
        **{key: record[key] for key in RESULT},
        **{f"{key}_loss": (record[key] or {}).get("loss") for key in ("held_out_first", "held_out_last")},
        "adapter": str(adapter),
        "adapter_digest": record["adapter_digest"],
    }
    held_out = "none held out"
    if record["held_out_last"] is not None:
        held_out = (
            f"{record['held_out_first']['loss']:.4f} before, {record['held_out_last']['loss']:.4f} after"
        )
    laid = (record["schedule"] or record)["steps"]
    done = f"{record['cursor']} of {laid} steps"
    lines = [
        f"run       {options.out}: {record['status']}, {done}, resumed from {record['resumed_from']}",
        f"manifest  {record['manifest']}",
        f"plan      {record['plan']}",
        f"loss      {record['first_loss']:.4f} at the first step, {record['last_loss']:.4f} at the last",
        f"held out  {held_out}",
        f"adapter   {adapter}",
        f"digest    {record['adapter_digest']}",
    ]
    print_result(result, lines, as_json=options.json)
