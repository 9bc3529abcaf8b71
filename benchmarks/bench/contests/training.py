"""Useful tokens a second on the CPU: our loop, Tunix's stock `PeftTrainer`, and TRL with PEFT on torch."""

import json
import subprocess
import sys
from collections.abc import Mapping

from benchmarks.bench.contest import OWN, Answer, Contestant, Match, Place, Verdict, script

TITLE, UNIT = "Training on the CPU", "useful tokens"
OURS, STOCK, TRL = "training run", "stock PeftTrainer", "TRL and PEFT"
CLOSE = 0.1
"""Of a first loss, relative: the batches are other ones, and the model that TRL is given has had one step of ours."""


def prepare(place: Place) -> Match:
    """Build the demo's mix, and give TRL the same model and traces."""
    store, steps, model = place.folder / "store", str(place.sizes.steps), place.folder / "model"
    run, traces = place.folder / "run", place.folder / "traces.jsonl"
    _own("-m", "curation", "build", "demo-session1", "--store", str(store))
    at = ("--store", str(store))
    _own("-m", "training", "run", "demo-session1", "--model", "tiny", "--steps", "1", "--out", str(run), *at)
    _own("-m", "training", "export", str(run), "--format", "merged", "--out", str(model))
    ours = "benchmarks.ours.training"
    told = json.loads(_own("-m", ours, "traces", str(store), steps, str(traces)).splitlines()[-1])
    # TRL draws the traces in an order of its own: the steps counted have their share of the tokens on average.
    useful = round(told["tokens"] * (place.sizes.steps - 1) / place.sizes.steps)
    return Match(
        f"`tiny` with LoRA on demo-session1, float32, rank {told['rank']}, {told['rows']} rows a batch, {steps} steps; "
        "start-up and compilation are not counted; a useful token is one that is not padding",
        useful,
        (
            Contestant(
                OURS,
                OWN,
                ("-m", ours, "ours", str(store), steps),
                "rows of 768 packed with traces that don't see each other, metrics on disk at each step; three steps "
                "not "
                "counted",
                limit=600,
            ),
            Contestant(
                STOCK,
                OWN,
                ("-m", ours, "stock", str(store), steps),
                "Tunix's own Gemma, loss and loop, as its examples have it: a trace a row, padded to 768; of the "
                "lock, so "
                "in our environment; three steps not counted",
                behind="it computes the padding, and the logits of all places at once",
                limit=600,
            ),
            Contestant(
                TRL,
                "trl",
                (
                    script("trl_training.py"),
                    str(model),
                    str(traces),
                    str(told["rows"]),
                    steps,
                    str(told["rank"]),
                    str(told["rate"]),
                ),
                "`SFTTrainer` with PEFT on the same network after one step (`training export --format merged`), the "
                "same traces and learning rate, rows padded to the longest of their batch; one step not counted",
                ahead="torch's kernels for a CPU are faster than XLA's here",
                behind="it computes the padding of each batch",
                limit=600,
            ),
        ),
        _check,
    )


def _check(answers: Mapping[str, Answer]) -> Mapping[str, Verdict]:
    """All start from the same network, which knows nothing, and learn."""
    verdicts = {}
    for name, answer in answers.items():
        losses = answer.told.get("losses")
        first, last = (
            (losses[0], losses[-1]) if losses else (answer.told["first_loss"], answer.told["last_loss"])
        )
        own = answers[OURS].told["first_loss"]
        sound = last < first and abs(first / own - 1) < CLOSE
        verdicts[name] = Verdict(f"loss {first:.3f} → {last:.3f}", sound=sound)
    return verdicts


def _own(*arguments: str) -> str:
    """A command of ours."""
    done = subprocess.run(  # noqa: S603 - our own
        [sys.executable, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    return done.stdout
