"""The command `training`: parses, calls the documented functions, prints."""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence

from manifests import disk
from manifests.command import Parser, common_flags, default_store, path, print_result, run, say
from manifests.store import Store
from training.errors import SettingsError
from training.models import MODELS, Model, model_of
from training.prepare import prepare
from training.settings import Settings, read_config, with_flags
from training.tokenizer import DEMO_VOCABULARY, Tokenizer, train_tokenizer

RESULT = (
    "manifest",
    "plan",
    "steps",
    "resumed_from",
    "first_loss",
    "last_loss",
    "held_out_first_loss",
    "held_out_last_loss",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run(_parser(), arguments)


def _parser() -> Parser:
    parser = Parser(prog="training", description="From a manifest id to an adapter.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = common_flags()

    training = commands.add_parser("run", parents=[shared], help="train a LoRA adapter on a manifest")
    _add_plan_flags(training)
    training.add_argument("--model", required=True, metavar="NAME", help=f"the model: {', '.join(MODELS)}")
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

    plan = commands.add_parser("plan", parents=[shared], help="show the batches that a manifest turns into")
    _add_plan_flags(plan)
    plan.add_argument(
        "--model", default="tiny", metavar="NAME", help="the model whose defaults hold (default: tiny)"
    )
    plan.set_defaults(handler=_plan)

    tokenizer = commands.add_parser(
        "tokenizer", parents=[shared], help="train a SentencePiece tokenizer on a manifest's text"
    )
    tokenizer.add_argument("id", metavar="ID", help="name, name:version, id or the beginning of an id")
    tokenizer.add_argument(
        "--vocabulary",
        type=int,
        default=DEMO_VOCABULARY,
        metavar="N",
        help=f"pieces (default: {DEMO_VOCABULARY})",
    )
    tokenizer.add_argument("--out", type=path, required=True, metavar="FILE", help="the file to write")
    tokenizer.set_defaults(handler=_tokenizer)
    return parser


def _add_plan_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="name, name:version, id or the beginning of an id")
    parser.add_argument(
        "--tokenizer", type=path, metavar="FILE", help="a SentencePiece model (default with tiny: the demo's)"
    )
    parser.add_argument("--length", type=int, metavar="N", help="tokens in a row of a batch")
    parser.add_argument("--steps", type=int, metavar="N", help="steps of the run (default: its epochs)")
    parser.add_argument("--config", type=path, metavar="FILE", help="settings as TOML; flags win over it")


def _run(options: argparse.Namespace) -> int:
    model, settings, tokenizer = _chosen(options)
    _quiet_libraries()
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
    if record["held_out_last_loss"] is not None:
        held_out = f"{record['held_out_first_loss']:.4f} before, {record['held_out_last_loss']:.4f} after"
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


def _plan(options: argparse.Namespace) -> int:
    _, settings, tokenizer = _chosen(options)
    store = Store.open(default_store(options.store))
    manifest = store.manifest(options.id)
    plan = prepare(store, manifest, tokenizer, settings, say).plan
    over_length = {left.source: {"traces": left.traces, "tokens": left.tokens} for left in plan.over_length}
    forged_turn = {left.source: {"traces": left.traces, "tokens": left.tokens} for left in plan.forged_turn}
    result = {
        "plan": plan.id,
        "manifest": manifest.id,
        "traces": plan.traces,
        "tokens": plan.tokens,
        "fill": round(plan.fill, 4),
        "steps": plan.steps,
        "held_out": plan.held_out.num_rows,
        "over_length": over_length,
        "forged_turn": forged_turn,
    }
    lines = [
        f"plan      {plan.id}",
        f"traces    {plan.traces:,} trained on, {plan.held_out.num_rows:,} held out",
        f"tokens    {plan.tokens:,}",
        f"steps     {plan.steps:,} of {settings.batch} rows of {settings.length:,} tokens, {plan.fill:.1%} full",
    ]
    lines += [
        f"left out  {left.source}: {left.traces:,} traces, {left.tokens:,} tokens over length"
        for left in plan.over_length
    ]
    lines += [
        f"left out  {left.source}: {left.traces:,} traces with a turn marker" for left in plan.forged_turn
    ]
    print_result(result, lines, as_json=options.json)
    return 0


def _tokenizer(options: argparse.Namespace) -> int:
    store = Store.open(default_store(options.store))
    manifest = store.manifest(options.id)
    texts = (
        text
        for block in store.dataset_blocks(manifest)
        for name in ("prompt", "reasoning", "answer")
        for text in block.column(name).to_pylist()
    )
    model = train_tokenizer(texts, options.vocabulary)
    tokenizer = Tokenizer(model, f"tokenizer {options.out}")
    disk.replace_file(options.out, model)
    result = {
        "tokenizer": str(options.out),
        "digest": tokenizer.digest,
        "vocabulary": tokenizer.vocabulary,
        "manifest": manifest.id,
    }
    print_result(
        result,
        [f"tokenizer {options.out}: {tokenizer.vocabulary} pieces, SHA-256 {tokenizer.digest}"],
        as_json=options.json,
    )
    return 0


def _chosen(options: argparse.Namespace) -> tuple[Model, Settings, Tokenizer]:
    """The model, the settings (defaults, then file, then flags) and the tokenizer that the flags ask for."""
    model = model_of(options.model)
    settings = model.defaults
    if options.config is not None:
        settings = read_config(options.config, settings)
    settings = with_flags(settings, options.length, options.steps)
    if options.tokenizer is None and model.name != "tiny":
        raise SettingsError(f"--tokenizer is missing; model {model.name} has none of its own")
    tokenizer = Tokenizer.demo() if options.tokenizer is None else Tokenizer.open(options.tokenizer)
    return model, settings, tokenizer


def _quiet_libraries() -> None:
    """Keep what Tunix, Orbax and JAX log below an error off the terminal."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    warnings.simplefilter("ignore")
    from absl import logging  # comes with JAX's libraries, which `training plan` does without

    logging.set_verbosity(logging.ERROR)
    sys.unraisablehook = _report_unraisable


def _report_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    """Report what can't be raised, but for one thing.

    When Orbax gives up on a damaged checkpoint, its other reads end later, in threads of their own, and complain that
    the loop that waited for them is closed. The error itself was raised and told by then.
    """
    error = unraisable.exc_value
    if not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed"):
        sys.__unraisablehook__(unraisable)
