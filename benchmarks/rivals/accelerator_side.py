"""One side of `accelerator.py`, ours or stock Tunix, measured in this process.

    python rivals/accelerator_side.py ours|stock STEPS [--model NAME] [--length N] [--batch N] [--rows-per-device N]
                                      [--remat LEVEL] [--fitted LENGTH ROWS]

STEPS are those of ours that are counted: they say which traces there are, for both sides. The flags are those of
`accelerator.py`; `--fitted` gives stock shorter rows, or fewer, than the settings have. Prints one JSON object: what
was measured on what, and the figures of the side, or `died`: why there are none.

The attention of ours is what `training/loop/devices.py` takes on the platform: splash on a TPU for the shapes that
it takes, else chunked, as on a GPU; dense on a CPU. That of stock is dense everywhere.
"""

import argparse
import json
import math
import platform
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import qwix
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding
from tunix.models.gemma import model as gemma
from tunix.sft import peft_trainer
from tunix.sft import utils as sft_utils

from training.batches.packing import WINDOW, pack
from training.batches.traces import Batch
from training.errors import TrainingError
from training.loop.computation import EVERYWHERE
from training.loop.devices import Devices
from training.loop.step import Step
from training.loop.update import Inputs, build_optimizer
from training.models import MODELS, Shape
from training.network.gemma import NORM_DEVIATION, abstract_network, model_config, tensor_name
from training.network.quantization import lora_rules
from training.network.remat import LEVELS
from training.settings import Settings, with_values
from training.watch.peak import peak_of, token_operations

NOT_COUNTED = 2
CHANGED = ("length", "batch", "rows_per_device", "remat")
VOCABULARIES = {"gemma2-2b": 256_000, "tiny": 4_096}  # a real `tiny` has that of its tokenizer: here is none
PAD, PROMPT = 0, 8  # an eighth of a trace is not trained on
MIDDLE, SPREAD = 1 / 5, 0.7  # of the lengths: the median by the row's length, the deviation of the logarithm
GIB = 2**30
LIBRARIES = ("jax", "jaxlib", "google-tunix", "flax", "qwix", "optax")
Result = dict[str, Any]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="One side of accelerator.py, measured in this process.")
    parser.add_argument("side", choices=("ours", "stock"))
    parser.add_argument("steps", type=int, help="of ours, counted")
    parser.add_argument("--model", choices=tuple(VOCABULARIES))
    for name in ("--length", "--batch", "--rows-per-device"):
        parser.add_argument(name, type=int)
    parser.add_argument("--remat", choices=LEVELS, help="of ours")
    parser.add_argument("--fitted", type=int, nargs=2, metavar=("LENGTH", "ROWS"), help="of stock's batches")
    print(json.dumps(_measured(parser.parse_args())))


@dataclass(frozen=True)
class Work:
    """What both sides are given."""

    shape: Shape
    vocabulary: int
    settings: Settings
    devices: Devices
    traces: "Traces"


def _measured(options: argparse.Namespace) -> Result:
    """One side in this process."""
    name = options.model or ("tiny" if jax.default_backend() == "cpu" else "gemma2-2b")
    given = {key: getattr(options, key) for key in CHANGED if getattr(options, key) is not None}
    try:
        settings = with_values(MODELS[name].defaults, given)
        devices = Devices(settings, lambda line: print(line, file=sys.stderr))
    except TrainingError as error:
        sys.exit(str(error))
    traces = Traces(settings, VOCABULARIES[name], options.steps)
    work = Work(MODELS[name].shape, VOCABULARIES[name], settings, devices, traces)
    length, batch = options.fitted or (settings.length, settings.batch)
    first = jax.devices()[0]
    kind = {"platform": first.platform, "kind": first.device_kind, "peak": peak_of(first.device_kind)}
    told = {
        "device": {**kind, "count": devices.count, "memory_gib": _gib("bytes_limit")},
        "versions": {"Python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "model": name,
        "settings": {key: getattr(settings, key) for key in (*CHANGED, "precision", "rank")},
        "traces": traces.told(traces.samples),
        "length": length,
        "batch": batch,
        "not_counted": NOT_COUNTED,
    }
    try:
        result = _ours(work) if options.side == "ours" else _stock(work, length, batch)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error) and "out of memory" not in str(error).lower():
            raise
        return {**told, "died": str(error).strip().splitlines()[0]}
    return {**told, **result, "peak_gib": _gib("peak_bytes_in_use")}


class Traces:
    """Drawn traces: as many as fill the packed rows of the counted steps, and rows of stock's batches to the last."""

    def __init__(self, settings: Settings, vocabulary: int, steps: int) -> None:
        self._vocabulary = vocabulary
        rows = steps * settings.batch
        count = max(WINDOW, 8 * rows)  # about twice as many as are needed
        drawn = np.random.default_rng(0).lognormal(math.log(settings.length * MIDDLE), SPREAD, count + 1)
        self.lengths = np.clip(drawn, min(PROMPT, settings.length), settings.length).astype(np.int64)
        packed = pack(range(1, count + 1), self.lengths, settings.length)[:rows]
        every = [sample for row in packed for _, sample in row]
        kept = set(self.fitting(every, settings.length, settings.batch))
        self.rows = [[sample for _, sample in row if sample in kept] for row in packed]
        self.samples = [sample for row in self.rows for sample in row]

    def fitting(self, samples: Sequence[int], length: int, batch: int) -> list[int]:
        """Those that rows of `length` hold, without the few shortest that would begin a batch and not fill it."""
        fit = [sample for sample in samples if self.lengths[sample] <= length]
        surplus = set(sorted(fit, key=lambda sample: int(self.lengths[sample]))[: len(fit) % batch])
        return [sample for sample in fit if sample not in surplus]

    def batches(self, rows: Sequence[Sequence[int]], batch: int, length: int) -> list[Batch]:
        """The arrays of all steps: those that are not counted repeat the first that is."""
        steps = [self._laid_out(rows[first : first + batch], length) for first in range(0, len(rows), batch)]
        return [*steps[:1] * NOT_COUNTED, *steps]

    def _laid_out(self, rows: Sequence[Sequence[int]], length: int) -> Batch:
        shape = len(rows), length
        tokens, segments = np.full(shape, PAD, dtype=np.int32), np.zeros(shape, dtype=np.int32)
        trained, weights = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        for place, row in enumerate(rows):
            start = 0
            for number, sample in enumerate(row, 1):
                size = int(self.lengths[sample])
                drawn = np.random.default_rng(sample).integers(PAD + 1, self._vocabulary, size)
                tokens[place, start : start + size], segments[place, start : start + size] = drawn, number
                trained[place, start + size // PROMPT : start + size] = 1
                start += size
        weights[:, :-1] = trained[:, 1:]
        return Batch(tokens, segments, np.roll(tokens, -1, axis=1), weights)

    def told(self, samples: Sequence[int]) -> dict[str, int]:
        """How many they are, and how long."""
        lengths = self.lengths[list(samples)]
        middle = int(np.median(lengths))
        return {
            "count": len(lengths),
            "tokens": int(lengths.sum()),
            "median": middle,
            "longest": int(lengths.max()),
        }


def _ours(work: Work) -> Result:
    settings, devices = work.settings, work.devices
    network = abstract_network(work.shape, work.vocabulary, settings)
    everywhere = NamedSharding(devices.computation.mesh, EVERYWHERE)
    weights = _draw(network, lambda _path: everywhere)
    devices.place_network(network)
    optimizer: Any = nnx.Optimizer(network, build_optimizer(settings), wrt=nnx.LoRAParam)
    devices.replicate(optimizer)
    step = Step(network, optimizer, devices.computation)
    batches = work.traces.batches(work.traces.rows, settings.batch, settings.length)
    rate, losses, ended = np.float32(settings.learning_rate), list[float](), [time.perf_counter()]
    for batch in batches:
        updated = step(Inputs(*(devices.place(np.asarray(array)) for array in (*batch, rate))))
        # As the trainer does; it waits for the step.
        losses.append(float(updated.loss.total) / float(updated.loss.tokens))
        ended.append(time.perf_counter())
    return {**_told(work, work.traces.samples, batches, ended, losses), "weights": weights}


def _stock(work: Work, length: int, rows: int) -> Result:
    """As Tunix's examples do: `TrainingInput`, padded; positions and mask from the padding; loss on the completion."""
    samples = work.traces.fitting(work.traces.samples, length, rows)
    if not samples:
        return {"died": f"fewer than {rows} of its traces are so short"}
    batches = work.traces.batches([[sample] for sample in samples], rows, length)
    mesh = Mesh(np.asarray(jax.devices()[: work.devices.count]).reshape(-1, 1), ("fsdp", "tp"))
    network = _stock_network(work)
    laid = dict(nnx.to_flat_state(nnx.get_partition_spec(nnx.state(network))))
    everywhere = PartitionSpec()  # type: ignore[no-untyped-call]
    weights = _draw(network, lambda path: NamedSharding(mesh, laid[path].get_value() or everywhere))
    ended, losses = list[float](), list[Any]()

    def note() -> None:
        ended.append(time.perf_counter())

    def inputs() -> Iterator[peft_trainer.TrainingInput]:
        for batch in batches:
            if len(ended) <= NOT_COUNTED:  # later it goes ahead as far as it likes
                jax.block_until_ready(nnx.state(network, nnx.LoRAParam))  # type: ignore[no-untyped-call]
            note()
            yield peft_trainer.TrainingInput(batch.tokens, np.roll(batch.weights, 1, axis=1) > 0)
        jax.block_until_ready(nnx.state(network, nnx.LoRAParam))  # type: ignore[no-untyped-call]
        note()

    with mesh:
        config = peft_trainer.TrainingConfig(eval_every_n_steps=len(batches) + 1)
        trainer = peft_trainer.PeftTrainer(network, optax.adamw(work.settings.learning_rate), config)
        trainer.with_gen_model_input_fn(_stock_input)
        trainer._post_process_train_step = lambda _aux: losses.append(  # noqa: SLF001 - the hook for it
            trainer._buffered_train_metrics.losses[-1]  # noqa: SLF001
        )
        trainer.train(inputs())
    return {**_told(work, samples, batches, ended, losses), "weights": weights}


def _stock_input(batch: peft_trainer.TrainingInput) -> dict[str, jax.Array]:
    real = batch.input_tokens != PAD
    return {
        "input_tokens": batch.input_tokens,
        "input_mask": batch.input_mask,
        "positions": sft_utils.build_positions_from_mask(real),
        "attention_mask": sft_utils.make_causal_attn_mask(real),
    }


def _stock_network(work: Work) -> nnx.Module:
    """Tunix's own Gemma with LoRA in the precision of the base, as qwix gives it; without its arrays."""

    def adapted() -> Any:
        network = gemma.Gemma(model_config(work.shape, work.vocabulary), rngs=nnx.Rngs(0))
        rounded = jax.tree.map(lambda leaf: leaf.astype(work.settings.precision), nnx.state(network))
        nnx.update(network, rounded)
        provider = qwix.LoraProvider(lora_rules(work.shape, work.settings))
        return qwix.apply_lora_to_model(network, provider, rngs=nnx.Rngs(0), **network.get_model_input())

    network: nnx.Module = nnx.eval_shape(adapted)
    return network


def _draw(network: nnx.Module, sharding_of: Callable[[Any], Sharding]) -> float:
    """Put drawn arrays in the place of a network's shapes; the sum of its base's magnitudes."""
    state, sums = nnx.state(network), list[jax.Array]()
    for path, variable in nnx.to_flat_state(state):
        name, shaped = tensor_name(path), variable.get_value()
        draw = _drawing(shaped.shape, shaped.dtype, _deviation(name, shaped.shape), sharding_of(path))
        variable.set_value(draw(np.uint32(zlib.crc32(name.encode()))))
        if not isinstance(variable, nnx.LoRAParam):
            sums.append(jnp.sum(jnp.abs(variable.get_value()), dtype=jnp.float32))
    nnx.update(network, state)
    return math.fsum(map(float, sums))


def _deviation(name: str, shape: tuple[int, ...]) -> float:
    """As `training.network.gemma` draws base and adapter: none of it dead."""
    if name.endswith("_lora_b"):
        return 0.0
    if name.endswith("_lora_a"):
        return math.sqrt(2 / math.prod(shape[:-1]))
    if name.endswith("scale"):
        return NORM_DEVIATION
    if name.endswith("attn_vec_einsum.w"):
        return 1 / math.sqrt(shape[0] * shape[1])
    return 1 / math.sqrt(shape[1] if name.endswith("embedding") else shape[-2])


@cache
def _drawing(
    shape: tuple[int, ...], dtype: Any, deviation: float, sharding: Sharding
) -> Callable[[np.uint32], jax.Array]:
    edge = deviation * math.sqrt(3)

    def draw(seed: jax.Array) -> jax.Array:
        return jax.random.uniform(jax.random.key(seed), shape, jnp.float32, -edge, edge).astype(dtype)

    jitted: Callable[[np.uint32], jax.Array] = jax.jit(draw, out_shardings=sharding)
    return jitted


def _told(
    work: Work,
    samples: Sequence[int],
    batches: Sequence[Batch],
    ended: Sequence[float],
    losses: Sequence[Any],
) -> Result:
    """The figures of a side; `ended` has the beginning, then the end of each step."""
    trained, every = work.traces.told(samples), work.traces.told(work.traces.samples)
    counted = batches[NOT_COUNTED:]
    useful = sum(int(np.count_nonzero(batch.segments)) for batch in counted)
    lengths = work.traces.lengths[list(samples)]
    return {
        "useful": useful,
        "left_out": {key: every[key] - trained[key] for key in ("count", "tokens")},
        "steps": len(counted),
        "padding": 1 - useful / sum(batch.tokens.size for batch in counted),
        "seconds": ended[-1] - ended[NOT_COUNTED],
        "first_step_seconds": ended[1] - ended[0],
        "operations": token_operations(work.shape, work.vocabulary, work.settings.rank, lengths),
        "first_loss": float(losses[0]),
        "last_loss": float(losses[-1]),
    }


def _gib(statistic: str) -> float | None:
    """The largest of the devices' figures, None where they tell none."""
    told = [(device.memory_stats() or {}).get(statistic) for device in jax.devices()]
    return None if None in told else max(int(one or 0) for one in told) / GIB


if __name__ == "__main__":
    main()
