"""Training on the CPU by our loop, and by Tunix's stock `PeftTrainer`. Run by the contest `training`.

    python -m benchmarks.ours.training ours|stock STORE STEPS
    python -m benchmarks.ours.training traces STORE STEPS FILE

The model is `tiny`, the traces those of `demo-session1` in STORE, in the manifest's order. The first three steps are
not counted, nor is anything before them. Prints seconds, the useful tokens (those that are not padding) of the steps
counted, and losses. `traces` writes the traces for `rivals/trl_training.py`.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

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
Result = dict[str, Any]


def main() -> None:
    """Train and print, or write the traces."""
    what, store, steps, *file = sys.argv[1:]
    with tempfile.TemporaryDirectory() as temporary:
        prepared = _prepared(Path(store), Path(temporary))
        if what == "traces":
            tokens = _write_traces(prepared, int(steps), Path(file[0]))
            told = {"rows": SETTINGS.batch, "rank": SETTINGS.rank, "rate": SETTINGS.learning_rate}
            print(json.dumps({"tokens": tokens, **told}))
        else:
            run = {"ours": _ours, "stock": _stock}[what]
            print(json.dumps(run(prepared, int(steps), Path(temporary))))


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
        "seconds": counted[-1][0] - seen[NOT_COUNTED - 1][0],
        "units": useful,
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
        "seconds": seconds,
        "units": useful,
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


def _write_traces(prepared: Prepared, steps: int, path: Path) -> int:
    """The traces for TRL: as many as the steps of the padded run take. The number of their tokens."""
    lines, tokens = [], 0
    for sample in _samples(prepared)[: steps * SETTINGS.batch]:
        ids = prepared.encoded.tokens(sample).tolist()
        start, end = (
            int(part[sample - 1])
            for part in (prepared.encoded.sizes.loss_starts, prepared.encoded.sizes.loss_ends)
        )
        tokens += len(ids)
        mask = [int(start <= place < end) for place in range(len(ids))]
        lines.append(json.dumps({"input_ids": ids, "completion_mask": mask}) + "\n")
    path.write_text("".join(lines), encoding="ascii")
    return tokens


if __name__ == "__main__":
    main()
