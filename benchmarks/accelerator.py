"""Useful tokens a second and share of peak on a GPU or TPU: our step beside stock Tunix, in one run.

    python benchmarks/accelerator.py [--model NAME] [--length N] [--batch N] [--rows-per-device N] [--remat LEVEL]
                                     [--steps N] [--rounds N] [--json]

The settings are those of the model's row in `training/models.py`, where no flag says otherwise; the model is
`gemma2-2b`, or `tiny` on a CPU. Weights are drawn on the device, the same on both sides, and so are the traces: their
lengths are log-normal, a fifth of a row in the middle and one in a hundred as long as the row, as those of reasoning
traces are for rows of 8,192. A *useful* token is one that is not padding.

- ours: `training.loop.step.Step` on all devices, over packed rows: what `training run` executes;
- stock: `PeftTrainer` with its own loss and Gemma, sharded over the devices as Tunix's examples do (FSDP), the same
  traces a row each, padded to the same length. Where memory does not hold that, it gets half the rows, and half again;
  then half the length, without the traces that are longer. It is told what it died of, and what it had to do.

They run in turn, `--rounds` times, each in a process of its own. The first steps are compiled while they run: they are
told apart and not counted. Medians are reported. The share of peak is that of `training/watch/peak.py`, `unknown` where
the device's peak is; padding, masked attention and what is computed again count for nothing.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
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
HALVINGS = 3  # of the rival's length, at most
GIB, KILLED = 2**30, -9
LIBRARIES = ("jax", "jaxlib", "google-tunix", "flax", "qwix", "optax")
Result = dict[str, Any]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Tokens a second and share of peak, ours and stock Tunix.")
    parser.add_argument("--model", choices=tuple(VOCABULARIES))
    for name in ("--length", "--batch", "--rows-per-device"):
        parser.add_argument(name, type=int)
    parser.add_argument("--remat", choices=LEVELS, help="of ours")
    parser.add_argument("--steps", type=int, default=5, help="of ours, counted; stock gets the same traces")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=("ours", "stock"), help=argparse.SUPPRESS)
    parser.add_argument("--fitted", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if min(options.steps, options.rounds) < 1:
        parser.error("--steps and --rounds: at least 1")
    if options.only is not None:
        print(json.dumps(_measured(options)))
        return
    report = _compared(options.rounds)
    print(json.dumps(report) if options.json else "\n".join(_lines(report)))
    if "died" in report["ours"]:
        sys.exit("ours does not fit: try another --remat, or fewer --rows-per-device")


def _compared(rounds: int) -> Result:
    """Both sides in turn; what they come to."""
    with tempfile.TemporaryDirectory() as compiled:
        ours, attempts = [_in_a_process(compiled, "ours")], list[Result]()
        for size in _ever_smaller(ours[0]["length"], ours[0]["batch"], ours[0]["device"]["count"]):
            attempts.append(_in_a_process(compiled, "stock", *size))
            if "died" not in attempts[-1]:
                break
        stock = attempts[-1:]
        for _ in range(1, rounds):
            if "died" not in ours[-1]:
                ours.append(_in_a_process(compiled, "ours"))
            if "died" not in stock[-1]:
                stock.append(_in_a_process(compiled, "stock", stock[0]["length"], stock[0]["batch"]))
    weights = [run["weights"] for run in (*ours, *stock) if "weights" in run]
    if any(not math.isclose(one, weights[0], rel_tol=1e-5) for one in weights):
        sys.exit(f"the two sides have not the same weights: {weights}")
    told = {key: ours[0][key] for key in ("device", "versions", "model", "settings", "traces")}
    died = [{key: run[key] for key in ("length", "batch", "died")} for run in attempts if "died" in run]
    sides = {"ours": _side(ours), "stock": {**_side(stock), "attempts": died}}
    return {**told, "rounds": rounds, "not_counted": NOT_COUNTED, **sides}


def _side(runs: Sequence[Result]) -> Result:
    """What the rounds of a side come to."""
    first, died = runs[0], [run["died"] for run in runs if "died" in run]
    size = {key: first[key] for key in ("length", "batch")}
    if died:
        return {**size, "died": died[0]}
    rates = sorted(run["useful"] / run["seconds"] for run in runs)
    rate, peak = statistics.median(rates), first["device"]["peak"]
    memory = [run["peak_gib"] for run in runs]
    same = ("useful", "left_out", "steps", "padding", "operations", "weights", "first_loss", "last_loss")
    return {
        **size,
        **{key: first[key] for key in same},
        "tokens_per_second": rate,
        "slowest": rates[0],
        "fastest": rates[-1],
        "share_of_peak": peak and rate * first["operations"] / (peak * first["device"]["count"]),
        "seconds": [run["seconds"] for run in runs],
        "first_step_seconds": [run["first_step_seconds"] for run in runs],
        "peak_gib": None if None in memory else max(memory),
    }


def _ever_smaller(length: int, batch: int, devices: int) -> Iterator[tuple[int, int]]:
    """Lengths and rows to try: fewer rows as long as each device has one, then shorter ones."""
    for _ in range(HALVINGS + 1):
        rows = batch
        while rows and rows % devices == 0:
            yield length, rows
            rows //= 2
        length //= 2


def _in_a_process(compiled: str, side: str, *fitted: int) -> Result:
    """A side's result, or that it died of memory. What one process has compiled, the next finds."""
    command = [sys.executable, __file__, *sys.argv[1:], "--only", side]
    command += ["--fitted", *map(str, fitted)] if fitted else []
    # Of itself JAX takes three quarters of a GPU's memory.
    settings = {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.95", "JAX_COMPILATION_CACHE_DIR": compiled}
    environment = {**settings, **os.environ}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)  # noqa: S603 - this script
    if done.returncode == KILLED and fitted:
        result = {"length": fitted[0], "batch": fitted[1], "died": "killed, as a system out of memory does"}
    elif done.returncode:
        sys.exit(f"{side}: exit {done.returncode}: {done.stderr[-2000:]}")
    else:
        result = json.loads(done.stdout.splitlines()[-1])
    ended = result["died"] if "died" in result else f"{result['seconds']:.1f} s"
    print(f"{side}, {result['batch']} × {result['length']:,}: {ended}", file=sys.stderr, flush=True)
    return result


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
    }
    try:
        result = _ours(work) if options.only == "ours" else _stock(work, length, batch)
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


ROWS: tuple[tuple[str, Callable[[Result], str]], ...] = (
    ("useful tokens/s, median", lambda side: f"{side['tokens_per_second']:,.0f}"),
    ("  slowest and fastest round", lambda side: f"{side['slowest']:,.0f} to {side['fastest']:,.0f}"),
    ("share of peak", lambda side: _or_unknown(side["share_of_peak"], "{:.1%}")),
    ("useful GFLOP a token", lambda side: f"{side['operations'] / 1e9:,.3f}"),
    ("useful tokens, steps", lambda side: f"{side['useful']:,}, {side['steps']:,}"),
    ("padding", lambda side: f"{side['padding']:.1%}"),
    ("peak memory of a device", lambda side: _or_unknown(side["peak_gib"], "{:.1f} GiB")),
    ("first step, by round", lambda side: ", ".join(f"{one:.1f} s" for one in side["first_step_seconds"])),
    ("loss, first and last", lambda side: f"{side['first_loss']:.3f}, {side['last_loss']:.3f}"),
)


def _lines(report: Result) -> Iterator[str]:
    """The report for people."""
    device, settings, traces = report["device"], report["settings"], report["traces"]
    peak = "unknown" if device["peak"] is None else f"{device['peak'] / 1e12:,.0f} TFLOP/s in bfloat16"
    memory = _or_unknown(device["memory_gib"], "{:.1f} GiB")
    yield f"{device['count']} × {device['kind']} ({device['platform']}), memory {memory}, peak of one {peak}"
    if device["platform"] == "cpu":
        yield "this is a CPU: it shows that the benchmark works, and tells nothing of an accelerator"
    yield ", ".join(f"{library} {number}" for library, number in report["versions"].items())
    at_once = settings["rows_per_device"]
    yield f"{report['model']} with drawn weights, {settings['precision']}, rank {settings['rank']}"
    yield f"ours: remat {settings['remat']}, up to {at_once} rows of a device at once"
    lengths = f"median {traces['median']:,}, longest {traces['longest']:,}"
    yield f"{traces['count']:,} traces, {traces['tokens']:,} useful tokens, {lengths}"
    yield f"{report['rounds']} rounds, the first {report['not_counted']} steps of each not counted"
    sides = [report["ours"], report["stock"]]
    sizes = [f"{side['batch']} × {side['length']:,}" for side in sides]
    yield ""
    yield f"{'':<28}{'ours':>20}{'stock Tunix':>20}"
    yield f"{'rows × length of a batch':<28}{sizes[0]:>20}{sizes[1]:>20}"
    for label, cell in ROWS:
        cells = ["-" if "died" in side else cell(side) for side in sides]
        yield f"{label:<28}{cells[0]:>20}{cells[1]:>20}"
    yield ""
    yield from _notes(report)


def _notes(report: Result) -> Iterator[str]:
    """What a reader of the table must know."""
    ours, stock = report["ours"], report["stock"]
    if "died" in ours:
        yield f"ours died of memory: {ours['died']}"
    for attempt in stock["attempts"]:
        yield f"stock died of memory with {attempt['batch']} × {attempt['length']:,}: {attempt['died']}"
    if "died" in stock:
        yield "stock: nothing that was tried fits"
    elif stock["attempts"]:
        left = f"{stock['left_out']['count']:,} traces with {stock['left_out']['tokens']:,} tokens"
        yield f"so stock had to take {stock['batch']} × {stock['length']:,}, and left out {left}"
    if "died" not in ours and "died" not in stock:
        yield f"ours is {ours['tokens_per_second'] / stock['tokens_per_second']:.2f} × as fast"
    yield "useful operations by training/watch/peak.py; no padding, masked attention, or what is computed again"
    if report["device"]["peak"] is None:
        yield f"the peak of {report['device']['kind']!r} is unknown, and so is the share of it"


def _or_unknown(value: float | None, shown: str) -> str:
    return "unknown" if value is None else shown.format(value)


if __name__ == "__main__":
    main()
