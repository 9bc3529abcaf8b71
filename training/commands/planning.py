"""`training plan` and `training tokenizer`: what comes before a run, without JAX."""

import argparse
from collections.abc import Sequence

from manifests import disk
from manifests.command import Commands, Parser, default_store, path, print_result, say
from manifests.store import Store
from training.batches.planned import plan_manifest, planned_json, planned_lines, write_plan
from training.batches.tokenizer import DEMO_VOCABULARY, Tokenizer, train_tokenizer
from training.commands.chosen import add_model_flag, add_plan_flags, chosen


def add(commands: Commands, flags: Sequence[Parser]) -> None:
    """Put the commands among `commands`, with `flags`."""
    plan = commands.add_parser("plan", parents=flags, help="show the batches that a manifest turns into")
    add_plan_flags(plan)
    add_model_flag(plan, default="tiny")
    plan.add_argument(
        "--cache",
        type=path,
        metavar="DIR",
        help="keep the tokens there, and take them from there the next time",
    )
    plan.add_argument(
        "--out", type=path, metavar="DIR", help="write plan.parquet, held_out.parquet and plan.json there"
    )
    plan.set_defaults(handler=_plan)

    tokenizer = commands.add_parser(
        "tokenizer", parents=flags, help="train a SentencePiece tokenizer on a manifest's text"
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


def _plan(options: argparse.Namespace) -> int:
    _, settings, tokenizer = chosen(options)
    store = Store.open(default_store(options.store))
    manifest = store.manifest(options.id)
    planned = plan_manifest(store, manifest, tokenizer, settings, options.cache, say)
    if options.out is not None:
        write_plan(options.out, planned)
    print_result(planned_json(planned), planned_lines(planned), as_json=options.json)
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
