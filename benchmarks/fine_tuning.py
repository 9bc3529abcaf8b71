"""Real fine-tuning: Gemma 3 270M learns to reason in the template from gsm8k, and goes on with a second manifest.

    python benchmarks/fine_tuning.py --weights DIR --data DIR [--folder DIR]

`--weights` holds Gemma 3 270M (`model.safetensors`, `tokenizer.model`), `--data` has flan-cot, whose gsm8k file is
taken: rows 1 to 480 in session 1, 481 to 640 in session 2. Everything goes through the commands: two builds, a run, a
run that continues it; the same command again goes on where it was stopped. Then 20 held-out prompts of session 1 are
answered greedily by the base, by session 1 and by session 2, and the replies that keep the format are counted: one
reasoning block, closed, then an answer, then the end of the turn. About an hour on two busy cores.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from manifests.store import Store
from training.batches.templates import encode_prompts, template_of
from training.batches.tokenizer import Tokenizer
from training.network.gemma import Network, adapter_tensors, load_adapter
from training.runs.opened import open_run
from training.watch.sampler import Prompt, Sampler

MODEL = "gemma3-270m"
SESSIONS = {
    "fine-tuning-1": {"first": 1, "last": 480, "epochs": 2, "learning_rate": "5e-4"},
    "fine-tuning-2": {"first": 481, "last": 640, "epochs": 1, "learning_rate": "1e-4"},
}
TEMPLATE, LENGTH, PROMPTS = "gemma-think/1", 512, 20
RECIPE = """\
name = "{name}"
order = "sequential"

[[source]]
name = "gsm8k"
files = "{file}"
header = false
columns = {{ prompt = 1, answer = 2, reasoning = 3 }}
rows = [{first}, {last}]
"""
CONFIG = """\
length = 512
batch = 2
rows_per_device = 2
rank = 16
alpha = 16
epochs = {epochs}
learning_rate = {learning_rate}
warmup = 4
checkpoint_every = 10
evaluate_every = 0
sample_every = 0
held_out = 0.08
"""


def main() -> None:
    """Train, sample and print."""
    parser = argparse.ArgumentParser(description="Fine-tune real Gemma 3 270M on gsm8k, twice.")
    parser.add_argument("--weights", type=Path, required=True, help="a folder with Gemma 3 270M")
    parser.add_argument("--data", type=Path, required=True, help="a folder with flan-cot")
    parser.add_argument("--folder", type=Path, help="where to work, and go on (default: a temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = options.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        _measure(folder, options.weights.resolve(), options.data.resolve())


def _measure(folder: Path, weights: Path, data: Path) -> None:
    print(
        f"jax {version('jax')}, google-tunix {version('google-tunix')}, Python {sys.version.split()[0]}, CPU"
    )
    runs = [folder / "run1", folder / "run2"]
    file = data / "flan-cot" / "flan" / "v2" / "cot_data" / "gsm8k_train.tsv"
    for (name, session), run in zip(SESSIONS.items(), runs, strict=True):
        recipe, config = folder / f"{name}.toml", folder / f"{name}-config.toml"
        recipe.write_text(RECIPE.format(name=name, file=file, **session), encoding="utf-8")
        config.write_text(CONFIG.format(**session), encoding="utf-8")
        _command("curation", "build", str(recipe), store=folder / "store")
        arguments = ["training", "run", name, "--model", MODEL, "--base", str(weights), "--out", str(run)]
        arguments += ["--tokenizer", str(weights / "tokenizer.model"), "--config", str(config)]
        if run != runs[0]:
            arguments += ["--continue", str(runs[0])]
        started = time.perf_counter()
        result = _command(*arguments, store=folder / "store")
        print(
            f"{name}: {result['steps']} steps in {time.perf_counter() - started:.0f} s, "
            f"loss {result['first_loss']:.3f} to {result['last_loss']:.3f}, "
            f"held out {result['held_out_first_loss']:.3f} before, "
            f"{result['held_out_last_loss']:.3f} after, resumed from {result['resumed_from']}",
            flush=True,
        )
    _sample(folder, weights, runs)


def _sample(folder: Path, weights: Path, runs: list[Path]) -> None:
    """Answer the held-out prompts of session 1 with the base, session 1 and session 2."""
    opened = [open_run(run, weights) for run in runs]
    network, tokenizer = opened[0].network, opened[0].tokenizer
    store = Store.open(folder / "store")
    prompts = _held_out_prompts(store, runs[0])
    nothing = {name: np.zeros_like(tensor) for name, tensor in adapter_tensors(network).items()}
    for label, adapter in (
        ("base", nothing),
        ("session 1", opened[0].adapter),
        ("session 2", opened[1].adapter),
    ):
        load_adapter(network, adapter)
        _print_share(label, network, tokenizer, prompts)


def _held_out_prompts(store: Store, run: Path) -> list[str]:
    held = pq.read_table(run / "held_out.parquet").column("sample").to_pylist()[:PROMPTS]
    texts = [
        prompt
        for block in store.dataset_blocks(store.manifest(next(iter(SESSIONS))))
        for prompt in block.column("prompt").to_pylist()
    ]
    return [texts[sample - 1] for sample in sorted(held)]


def _print_share(label: str, network: Network, tokenizer: Tokenizer, prompts: list[str]) -> None:
    asked = [
        Prompt(place, "gsm8k", tuple(ids.tolist()))
        for place, ids in enumerate(encode_prompts(tokenizer, prompts), 1)
    ]
    started = time.perf_counter()
    replies = Sampler(asked, tokenizer, template_of(TEMPLATE), LENGTH, "float32").replies(network, 0)
    kept = sum(reply.lapse is None for reply in replies)
    lapses = sorted({reply.lapse for reply in replies if reply.lapse is not None})
    print(
        f"{label}: {kept} of {len(replies)} greedy replies keep the format, {time.perf_counter() - started:.0f} s"
        + (f" ({'; '.join(lapses)})" if lapses else ""),
        flush=True,
    )
    print(f"  for example: {json.dumps(replies[0].reply[:300])}", flush=True)


def _command(*arguments: str, store: Path) -> dict[str, Any]:
    """Run one of the project's commands with --json; its answer. Progress goes to the terminal."""
    program = Path(sys.executable).parent / arguments[0]
    command = [str(program), *arguments[1:], "--store", str(store), "--json"]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own commands
    if done.returncode:
        sys.exit(f"{' '.join(arguments[:2])}: exit status {done.returncode}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    main()
