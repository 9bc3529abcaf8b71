"""`training preflight`."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from manifests.command import Commands, Parser, default_store, path, print_result, say
from manifests.store import Store
from training.batches.plan import Plan
from training.batches.planned import plan_manifest
from training.commands.chosen import add_model_flag, add_plan_flags, chosen, quiet_libraries
from training.commands.interrupting import ends_at_once
from training.loop.budget import parse_budget, parse_share
from training.settings import Settings


def add(commands: Commands, flags: Sequence[Parser]) -> None:
    """Put the command among `commands`, with `flags`."""
    preflight = commands.add_parser(
        "preflight",
        parents=flags,
        help="compile a run's step for a TPU that is not here, and say what it costs",
    )
    add_plan_flags(preflight)
    add_model_flag(preflight)
    preflight.add_argument(
        "--topology",
        default="v5e:2x4",
        metavar="NAME",
        help="the TPU (default: v5e:2x4, Kaggle's eight chips)",
    )
    preflight.add_argument("--budget", metavar="TIME", help="the time that the session has: 8h30m, 90m")
    preflight.add_argument(
        "--share",
        default="0.4",
        metavar="X",
        help="the share of the chips' peak that the budget is held against (default: 0.4)",
    )
    preflight.add_argument(
        "--cache",
        type=path,
        metavar="DIR",
        help="keep tokens and what compilations told there (default: a folder of the user's cache)",
    )
    preflight.add_argument(
        "--sweep",
        action="store_true",
        help="try lengths, rows at once, remats and where the base lies, and rank what fits",
    )
    preflight.set_defaults(handler=_preflight)


def _preflight(options: argparse.Namespace) -> int:
    budget = None if options.budget is None else parse_budget(options.budget)
    share = parse_share(options.share)
    from training.preflight.target import open_target, prepare_environment  # before JAX looks for devices

    prepare_environment()
    quiet_libraries()
    from training.preflight.flight import Question, fly
    from training.preflight.sweep import nearest_fit, sweep
    from training.preflight.told import flight_json, flight_lines, refusal, sweep_json, sweep_lines
    from training.weights.folder import embedding_rows

    model, settings, tokenizer = chosen(options)
    target = open_target(options.topology)
    cache = options.cache or _user_cache()
    store = Store.open(default_store(options.store))
    manifest = store.manifest(options.id)

    def plan_of(settings: Settings) -> Plan:
        return plan_manifest(store, manifest, tokenizer, settings, cache / "tokens", say).plan

    question = Question(
        target=target,
        shape=model.shape,
        vocabulary=embedding_rows(model, tokenizer.vocabulary),
        settings=settings,
        plan=plan_of(settings),
        cache=cache / "preflight",
        budget=budget,
        share=share,
    )
    if options.sweep:
        with ends_at_once("training"):
            tried = sweep(question, plan_of, say)
        print_result(sweep_json(tried), list(sweep_lines(tried)), as_json=options.json)
        return 0 if any(each.flight.fits_memory and each.flight.fits_budget for each in tried) else 1
    with ends_at_once("training"):
        flight = fly(question, say)
    print_result(flight_json(flight), list(flight_lines(flight)), as_json=options.json)
    if not flight.fits_memory:
        with ends_at_once("training"):
            nearest = nearest_fit(flight, plan_of, say)
        say(f"training: error: {refusal(flight, nearest)}")
    return 0 if flight.fits_memory and flight.fits_budget else 1


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tunix-zero-cost"
