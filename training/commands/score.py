"""`training score`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from manifests.command import Commands, Parser, default_store, path, print_result, say
from manifests.store import Store
from manifests.words import SHORT_ID
from training.commands.chosen import add_base_flag, chosen, quiet_libraries
from training.errors import SettingsError

NO_ADAPTER = "none"


def add(commands: Commands, flags: Sequence[Parser]) -> None:
    """Put the command among `commands`, with `flags`."""
    score = commands.add_parser(
        "score", parents=flags, help="write the loss of every trace under an adapter, or under a base"
    )
    score.add_argument("id", metavar="ID", help="name, name:version, id or the beginning of an id")
    add_base_flag(score)
    score.add_argument(
        "--adapter",
        type=path,
        default=Path(NO_ADAPTER),
        metavar="RUN",
        help=f"a run's folder, or '{NO_ADAPTER}' for the base of --model (default: {NO_ADAPTER})",
    )
    score.add_argument("--model", metavar="NAME", help="with no adapter: the model")
    score.add_argument(
        "--tokenizer", type=path, metavar="FILE", help="with no adapter: a SentencePiece model"
    )
    score.add_argument("--length", type=int, metavar="N", help="with no adapter: tokens in a row of a batch")
    score.add_argument("--config", type=path, metavar="FILE", help="with no adapter: settings as TOML")
    score.add_argument("--cache", type=path, metavar="DIR", help="keep the tokens there")
    score.add_argument(
        "--out", type=path, metavar="FILE", help="the parquet file to write (default: scores-<id>.parquet)"
    )
    score.set_defaults(handler=_score, steps=None)


def _score(options: argparse.Namespace) -> int:
    from_run = options.adapter != Path(NO_ADAPTER)
    _check(options, from_run=from_run)
    asked = None if from_run else chosen(options)
    quiet_libraries()
    from training.runs.opened import open_run
    from training.score import base_scorer, run_scorer, score_manifest, write_trace_scores

    store = Store.open(default_store(options.store))
    manifest = store.manifest(options.id)
    if asked is None:
        scorer = run_scorer(open_run(options.adapter, options.base))
    else:
        model, settings, tokenizer = asked
        scorer = base_scorer(model, options.base, settings, tokenizer)
    scores = score_manifest(store, manifest, scorer, options.cache, say)
    out = options.out or Path(f"scores-{manifest.id[:SHORT_ID]}.parquet")
    write_trace_scores(out, manifest, scorer, scores)
    scored = int(scores.scored.sum())
    result = {
        "scores": str(out),
        "manifest": manifest.id,
        **scorer.told,
        "traces": len(scores.losses),
        "scored": scored,
        "mean_loss": scores.mean,
    }
    lines = [
        f"scores    {out}: {scored:,} of {len(scores.losses):,} traces",
        f"model     {scorer.told['model']}, adapter {scorer.told['adapter']}",
        f"loss      {'none' if scores.mean is None else f'{scores.mean:.4f}'} nats a token",
        f"next      manifests show {manifest.id[:SHORT_ID]} --scores {out}",
    ]
    print_result(result, lines, as_json=options.json)
    return 0


def _check(options: argparse.Namespace, *, from_run: bool) -> None:
    """Raises `SettingsError` for flags that don't go together: a run brings its own model and settings."""
    if not from_run:
        if options.model is None:
            raise SettingsError(
                "--adapter or --model is missing; give a run's folder, or the model to score with"
            )
        return
    for flag in ("model", "tokenizer", "length", "config"):
        if getattr(options, flag) is not None:
            raise SettingsError(f"--{flag}: the run of --adapter brings its own; leave it out")
