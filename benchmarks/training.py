"""Useful tokens a second on the CPU: our loop beside Tunix's stock `PeftTrainer`, and beside TRL and PEFT on torch.

    python benchmarks/training.py [--steps N] [--rounds N] [--rival-python PATH]

The model is `tiny`, the traces those of `demo-session1` in the manifest's order, float32, rank 16, 4 rows of 768 tokens
a batch. All run in turn, `--rounds` times, each in a process of its own; the first three steps are not counted, nor is
anything before them. Medians are reported. A *useful* token is one that is not padding.

- ours: our trainer over the plan: packed rows, the chunked loss, metrics on disk at each step;
- stock: `PeftTrainer` as Tunix's examples set it up: a trace a row, padded to the same length, its own Gemma and loss;
- trl: `SFTTrainer` with PEFT on the same architecture (`training export --format merged`) and traces, rows padded to
  the longest of their batch. Its first step alone is not counted. `--rival-python` is the Python of an environment with
  torch, transformers, peft, trl and datasets.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Run as a script, this folder comes first on the path, and what lies in it would hide packages of the same names.
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]

import jax
import jax.numpy as jnp
import numpy as np
import optax
import qwix
from flax import nnx
from tunix.models.gemma import model as gemma
from tunix.sft import peft_trainer
from tunix.sft import utils as sft_utils

from manifests.store import Store
from training.batches.prepare import Prepared, prepare
from training.batches.tokenizer import Tokenizer
from training.batches.traces import assemble_batch
from training.loop.devices import Devices
from training.loop.schedule import schedule_of
from training.loop.trainer import Course, Trainer
from training.models import TINY
from training.network.gemma import DrawnBase, adapter_start, build_network, model_config, tensor_name
from training.network.quantization import lora_rules
from training.runs.metrics import StepMetrics

NOT_COUNTED = 3
SETTINGS = replace(TINY.defaults, held_out="0", checkpoint_every=10_000)
RIVALS = Path(__file__).parent / "rivals"
Result = dict[str, Any]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Useful tokens a second, beside stock Tunix and TRL.")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--rival-python", type=Path, help="a Python with torch, transformers, peft, trl, datasets"
    )
    parser.add_argument("--only", choices=("ours", "stock"), help=argparse.SUPPRESS)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if options.only is not None:
            run = {"ours": _ours, "stock": _stock}[options.only]
            print(json.dumps(run(_prepared(options.store, Path(temporary)), options.steps, Path(temporary))))
            return
        _compare(options, Path(temporary))


def _compare(options: argparse.Namespace, folder: Path) -> None:
    store = folder / "store"
    _command("curation", "build", "demo-session1", "--store", str(store))
    names = ["ours", "stock"]
    if options.rival_python is not None:
        at = ("--store", str(store))
        run, model = str(folder / "run"), str(folder / "model")
        _command("training", "run", "demo-session1", "--model", "tiny", "--steps", "1", "--out", run, *at)
        _command("training", "export", run, "--format", "merged", "--out", model)
        _write_traces(_prepared(store, folder), options.steps, folder / "traces.jsonl")
        names.append("trl")
    libraries = ", ".join(f"{name} {version(name)}" for name in ("jax", "google-tunix", "flax", "optax"))
    print(f"{libraries}, Python {platform.python_version()}, {os.cpu_count()} cores")
    print(f"{options.steps} steps, {options.rounds} rounds")
    results: dict[str, list[Result]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            results[name].append(_measured(name, options, folder))
    ours = statistics.median(result["rate"] for result in results["ours"])
    for name, runs in results.items():
        rates = sorted(result["rate"] for result in runs)
        print(
            f"{name:<12} {statistics.median(rates):>8,.0f} useful tokens/s ({rates[0]:,.0f} to {rates[-1]:,.0f}), "
            f"{runs[0]['useful']:,} tokens in {runs[0]['steps']} steps, loss {runs[0]['first_loss']:.3f} to "
            f"{runs[0]['last_loss']:.3f}; ours is {ours / statistics.median(rates):.2f} × as fast"
        )
        if "versions" in runs[0]:
            print(
                f"{'':<12} {', '.join(f'{library} {number}' for library, number in runs[0]['versions'].items())}"
            )


def _measured(name: str, options: argparse.Namespace, folder: Path) -> Result:
    steps = str(options.steps)
    if name in ("ours", "stock"):
        store = str(folder / "store")
        return _answer([sys.executable, __file__, "--only", name, "--steps", steps, "--store", store])
    traces = folder / "traces.jsonl"
    arguments = [str(folder / "model"), str(traces), str(SETTINGS.batch), steps, str(SETTINGS.rank)]
    result = _answer([str(options.rival_python), str(RIVALS / "trl_training.py"), *arguments])
    lengths = [len(json.loads(line)["input_ids"]) for line in traces.read_text(encoding="ascii").splitlines()]
    # It draws the traces in an order of its own: its steps have their share of all tokens on average.
    useful = sum(lengths) * result["steps"] / options.steps
    return {
        **result,
        "rate": useful / result["seconds"],
        "useful": round(useful),
        "first_loss": result["losses"][0],
        "last_loss": result["losses"][-1],
    }


def _prepared(store: Path, folder: Path) -> Prepared:
    opened = Store.open(store)
    return prepare(
        opened, opened.manifest("demo-session1"), Tokenizer.demo(), SETTINGS, folder, lambda _line: None
    )


def _ours(prepared: Prepared, steps: int, folder: Path) -> Result:
    tokenizer, seen = Tokenizer.demo(), list[tuple[float, StepMetrics]]()
    base = DrawnBase(42, -(-tokenizer.vocabulary // 128) * 128)
    network, _ = build_network(TINY.shape, base, SETTINGS)
    plan = prepared.plan
    course = Course(
        steps=steps,
        batch_of=lambda step: assemble_batch(
            plan.batches.lines(step), prepared.encoded, SETTINGS.batch, SETTINGS.length, tokenizer.special.pad
        ),
        rate_of=schedule_of(SETTINGS, steps).rate,
        held_out=lambda _network: None,
        on_step=lambda metrics: seen.append((time.perf_counter(), metrics)),
        stop=lambda: False,
    )
    Trainer(network, SETTINGS, Devices(SETTINGS, print), course, folder, {"of": "a benchmark"}, print).run()
    counted = seen[NOT_COUNTED:]
    useful = sum(metrics.useful for _, metrics in counted)
    return {
        "rate": useful / (counted[-1][0] - seen[NOT_COUNTED - 1][0]),
        "useful": useful,
        "steps": len(counted),
        "first_loss": seen[0][1].loss,
        "last_loss": seen[-1][1].loss,
    }


def _stock(prepared: Prepared, steps: int, _folder: Path) -> Result:
    """As Tunix's examples do: `TrainingInput`, padded; positions and mask from the padding; loss on the completion."""
    network = _stock_network()
    config = peft_trainer.TrainingConfig(eval_every_n_steps=10_000, max_steps=steps)
    trainer = peft_trainer.PeftTrainer(network, optax.adamw(SETTINGS.learning_rate), config)
    pad = Tokenizer.demo().special.pad

    def model_input(batch: peft_trainer.TrainingInput) -> dict[str, jax.Array]:
        real = batch.input_tokens != pad
        return {
            "input_tokens": batch.input_tokens,
            "input_mask": batch.input_mask,
            "positions": sft_utils.build_positions_from_mask(real),
            "attention_mask": sft_utils.make_causal_attn_mask(real),
        }

    trainer.with_gen_model_input_fn(model_input)
    began, useful, losses = 0.0, 0, list[float]()

    def batches() -> Iterator[peft_trainer.TrainingInput]:
        nonlocal began, useful
        for step in range(steps):
            tokens, trained = _padded(prepared, step * SETTINGS.batch, pad)
            if step >= NOT_COUNTED:
                useful += int((tokens != pad).sum())
            if step == NOT_COUNTED:
                jax.block_until_ready(nnx.state(network, nnx.LoRAParam))  # type: ignore[no-untyped-call]
                began = time.perf_counter()
            yield peft_trainer.TrainingInput(tokens, trained)

    trainer._post_process_train_step = lambda _aux: losses.append(  # noqa: SLF001 - the hook for it
        trainer._buffered_train_metrics.losses[-1]  # noqa: SLF001
    )
    trainer.train(batches())
    seconds = time.perf_counter() - began
    return {
        "rate": useful / seconds,
        "useful": useful,
        "steps": steps - NOT_COUNTED,
        "first_loss": float(losses[0]),
        "last_loss": float(losses[-1]),
    }


def _stock_network() -> nnx.Module:
    """Tunix's own Gemma with LoRA, and our weights in it."""
    rows = -(-Tokenizer.demo().vocabulary // 128) * 128
    network = gemma.Gemma(model_config(TINY.shape, rows), rngs=nnx.Rngs(0))
    provider = qwix.LoraProvider(lora_rules(TINY.shape, SETTINGS))
    adapted: nnx.Module = qwix.apply_lora_to_model(
        network, provider, rngs=nnx.Rngs(0), **network.get_model_input()
    )
    state, base = nnx.state(adapted), DrawnBase(42, rows)
    for path, variable in nnx.to_flat_state(state):
        if not isinstance(variable, nnx.Param):
            continue
        name, shape = tensor_name(path), variable.get_value().shape
        lora = isinstance(variable, nnx.LoRAParam)
        variable.set_value(jnp.asarray(adapter_start(42, name, shape) if lora else base.tensor(name, shape)))
    nnx.update(adapted, state)
    return adapted


def _padded(prepared: Prepared, first: int, pad: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A batch of a trace a row: tokens, and a mask of what is trained on."""
    tokens = np.full((SETTINGS.batch, SETTINGS.length), pad, dtype=np.int32)
    trained = np.zeros((SETTINGS.batch, SETTINGS.length), dtype=np.bool_)
    for row, sample in enumerate(_samples(prepared)[first : first + SETTINGS.batch]):
        ids = prepared.encoded.tokens(sample)
        tokens[row, : len(ids)] = ids
        trained[
            row, prepared.encoded.sizes.loss_starts[sample - 1] : prepared.encoded.sizes.loss_ends[sample - 1]
        ] = True
    return tokens, trained


def _samples(prepared: Prepared) -> list[int]:
    """The traces of the plan in the manifest's order."""
    return sorted(set(prepared.plan.table.column("sample").to_pylist()))


def _write_traces(prepared: Prepared, steps: int, path: Path) -> None:
    """The traces for TRL: as many as the steps of the padded run take."""
    lines = []
    for sample in _samples(prepared)[: steps * SETTINGS.batch]:
        ids = prepared.encoded.tokens(sample).tolist()
        start, end = (
            int(part[sample - 1])
            for part in (prepared.encoded.sizes.loss_starts, prepared.encoded.sizes.loss_ends)
        )
        mask = [int(start <= place < end) for place in range(len(ids))]
        lines.append(json.dumps({"input_ids": ids, "completion_mask": mask}) + "\n")
    path.write_text("".join(lines), encoding="ascii")


def _command(*arguments: str) -> None:
    program = Path(sys.executable).parent / arguments[0]
    subprocess.run([str(program), *arguments[1:]], check=True, capture_output=True)  # noqa: S603 - our own commands


def _answer(command: list[str]) -> Result:
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)  # noqa: S603
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])}: {done.stderr[-2000:]}")
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
