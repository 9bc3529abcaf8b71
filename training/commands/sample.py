"""`training sample`: ask a run."""

import argparse
from collections.abc import Sequence

from manifests.command import Commands, Parser, path, print_result
from training.commands.chosen import quiet_libraries


def add(commands: Commands, flags: Sequence[Parser]) -> None:
    """Put the command among `commands`, with `flags`."""
    sample = commands.add_parser("sample", parents=flags, help="ask a run: its reasoning and its answer")
    sample.add_argument(
        "run", type=path, metavar="RUN", help="the folder of a run that has stopped or finished"
    )
    sample.add_argument("--prompt", required=True, metavar="TEXT", help="what to ask")
    sample.add_argument(
        "--temperature",
        type=float,
        default=0.0,
        metavar="T",
        help="draw tokens at this temperature (default: 0, always the likeliest)",
    )
    sample.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: 0)")
    sample.add_argument(
        "--most",
        type=int,
        metavar="TOKENS",
        help="length of the reply at most (default: what the prompt leaves of the length that the run was trained on)",
    )
    sample.add_argument(
        "--base", type=path, metavar="DIR", help="the model's weights, where it has real ones"
    )
    sample.set_defaults(handler=_sample)


def _sample(options: argparse.Namespace) -> int:
    quiet_libraries()
    from training.replies.ask import (  # JAX takes seconds to import: only who needs it pays for it
        Question,
        ask,
    )
    from training.runs.opened import open_run

    question = Question(options.prompt, options.temperature, options.seed, options.most)
    question.check()
    answered = ask(open_run(options.run, options.base), question)
    result = {
        "run": str(options.run),
        "reasoning": answered.reasoning,
        "answer": answered.answer,
        "reply": answered.reply,
        "tokens": answered.tokens,
        "keeps_format": answered.lapse is None,
        "lapse": answered.lapse,
    }
    kept = "keeps the format" if answered.lapse is None else f"does not keep the format: {answered.lapse}"
    if answered.reasoning is None and answered.answer is None:
        parts = [("reply", answered.reply)]
    else:
        parts = [("reasoning", answered.reasoning or "none"), ("answer", answered.answer or "none")]
    # Line by line, so that only what is no line of the text is escaped.
    lines = [
        line for name, text in parts for line in (f"{name}:", *(f"  {one}" for one in text.split("\n")), "")
    ]
    print_result(result, [*lines, f"{answered.tokens:,} tokens, {kept}"], as_json=options.json)
    return 0
