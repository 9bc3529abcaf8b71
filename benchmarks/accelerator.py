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
  then half the length, without the traces that are longer. Told is what it died of, and what it had to do.

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
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Run as a script, this folder comes first on the path, and what lies in it would hide packages of the same names.
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
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
from training.models import MODELS, Model
from training.network.gemma import NORM_DEVIATION, abstract_network, model_config, tensor_name
from training.network.quantization import lora_rules
from training.network.remat import LEVELS
from training.settings import Settings, with_values
from training.watch.peak import peak_of, token_operations

NOT_COUNTED = 2
CHANGED = ("length", "batch", "rows_per_device", "remat")
VOCABULARIES = {"gemma2-2b": 256_000, "tiny": 4_096}  # a real `tiny` has that of its tokenizer: here is none
SHORTEST = 64
PAD, PROMPT = 0, 8  # an eighth of a trace is not trained on
MIDDLE, SPREAD = 1 / 5, 0.7  # of the lengths: the median by the row's length, the deviation of the logarithm
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
    print(json.dumps(report) if options.json else _table(report))
    if "died" in report["ours"]:
        sys.exit("ours did not fit: try --remat, or fewer --rows-per-device")


def _compared(rounds: int) -> Result:
    with tempfile.TemporaryDirectory() as compiled:
        ours, attempts = [_in_a_process(compiled, "ours")], list[Result]()
        sizes = _ever_smaller(ours[0]["length"], ours[0]["batch"], ours[0]["device"]["count"])
        for length, batch in sizes:
            attempts.append(_in_a_process(compiled, "stock", length, batch))
            if "died" not in attempts[-1]:
                break
        stock = attempts[-1:]
        for _ in range(1, rounds):
            for runs, arguments in ((ours, ()), (stock, (stock[0]["length"], stock[0]["batch"]))):
                if "died" not in runs[-1]:
                    runs.append(_in_a_process(compiled, "ours" if runs is ours else "stock", *arguments))
    told = ("device", "versions", "model", "settings", "traces")
    report = {key: ours[0][key] for key in told} | {"rounds": rounds, "not_counted": NOT_COUNTED}
    weights = {run["weights"] for run in (*ours, *stock) if "weights" in run}
    if any(not math.isclose(one, min(weights), rel_tol=1e-5) for one in weights):
        sys.exit(f"the two sides have not the same weights: {weights}")
    died = [{key: run[key] for key in ("length", "batch", "died")} for run in attempts if "died" in run]
    return report | {"ours": _side(ours), "stock": _side(stock) | {"attempts": died}}


def _side(runs: Sequence[Result]) -> Result:
    """What the rounds of a side come to."""
    common = {key: runs[0][key] for key in ("length", "batch")}
    if died := [run for run in runs if "died" in run]:
        return common | {"died": died[0]["died"]}
    rates = sorted(run["useful"] / run["seconds"] for run in runs)
    device, rate = runs[0]["device"], statistics.median(rates)
    full = None if device["peak"] is None else device["peak"] * device["count"]
    same = (
        "useful",
        "traces_trained",
        "left_out",
        "steps",
        "padding",
        "first_loss",
        "last_loss",
        "operations",
    )
    peaks = [run["peak_gib"] for run in runs]
    return {
        **common,
        **{key: runs[0][key] for key in same},
        "tokens_per_second": rate,
        "slowest": rates[0],
        "fastest": rates[-1],
        "share_of_peak": None if full is None else rate * runs[0]["operations"] / full,
        "seconds": [run["seconds"] for run in runs],
        "first_step_seconds": [run["first_step_seconds"] for run in runs],
        "peak_gib": None if None in peaks else max(peaks),
    }


def _ever_smaller(length: int, batch: int, devices: int) -> Iterator[tuple[int, int]]:
    """Lengths and rows to try: fewer rows as long as each device has one, then shorter ones."""
    while length >= SHORTEST:
        rows = batch
        while rows and rows % devices == 0:
            yield length, rows
            rows //= 2
        length //= 2


def _in_a_process(compiled: str, side: str, *fitted: int) -> Result:
    """A side's result, or that it died of memory; rounds find what an earlier one compiled."""
    command = [sys.executable, __file__, *sys.argv[1:], "--only", side]
    command += ["--fitted", *map(str, fitted)] if fitted else []
    # JAX would take three quarters of a GPU's memory, and the rival with it.
    environment = {
        "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.95",
        "JAX_COMPILATION_CACHE_DIR": compiled,
        **os.environ,
    }
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)  # noqa: S603 - this script
    if done.returncode == KILLED and fitted:
        return {"length": fitted[0], "batch": fitted[1], "died": "killed, as a system out of memory does"}
    if done.returncode:
        sys.exit(f"{side}: {done.stderr[-2000:]}")
    result: Result = json.loads(done.stdout.splitlines()[-1])
    ended = result["died"] if "died" in result else f"{result['seconds']:.1f} s"
    print(f"{side}, {result['batch']} rows of {result['length']:,}: {ended}", file=sys.stderr, flush=True)
    return result


def _measured(options: argparse.Namespace) -> Result:
    """One side in this process."""
    model = MODELS[options.model or ("tiny" if jax.default_backend() == "cpu" else "gemma2-2b")]
    given = {name: getattr(options, name) for name in CHANGED if getattr(options, name) is not None}
    try:
        settings = with_values(model.defaults, given)
        devices = Devices(settings, lambda line: print(line, file=sys.stderr))
    except TrainingError as error:
        sys.exit(str(error))
    traces = Traces(settings, VOCABULARIES[model.name], options.steps)
    length, batch = options.fitted or (settings.length, settings.batch)
    first = jax.devices()[0]
    told = {
        "device": {
            "platform": first.platform,
            "kind": first.device_kind,
            "count": devices.count,
            "peak": peak_of(first.device_kind),
            "memory_gib": _gib("bytes_limit"),
        },
        "versions": {
            **{library: version(library) for library in LIBRARIES},
            "Python": platform.python_version(),
        },
        "model": model.name,
        "settings": {name: getattr(settings, name) for name in (*CHANGED, "precision", "rank")},
        "traces": traces.told(traces.samples),
        "length": length,
        "batch": batch,
    }
    try:
        side = {"ours": _ours, "stock": _stock}[options.only]
        return (
            told
            | side(model, settings, devices, traces, (length, batch))
            | {"peak_gib": _gib("peak_bytes_in_use")}
        )
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error) and "out of memory" not in str(error).lower():
            raise
        return told | {"died": str(error).strip().splitlines()[0]}


class Traces:
    """Drawn traces: as many as fill the packed rows of the counted steps, and rows of stock's batches to the last."""

    def __init__(self, settings: Settings, vocabulary: int, steps: int) -> None:
        self._vocabulary = vocabulary
        rows = steps * settings.batch
        count = max(WINDOW, 8 * rows)  # about twice as many as are needed
        drawn = np.random.default_rng(0).lognormal(math.log(settings.length * MIDDLE), SPREAD, count + 1)
        self.lengths = np.clip(drawn, PROMPT, settings.length).astype(np.int64)
        packed = pack(range(1, count + 1), self.lengths, settings.length)[:rows]
        kept = set(
            self.fitting([sample for row in packed for _, sample in row], settings.length, settings.batch)
        )
        self.rows = [[sample for _, sample in row if sample in kept] for row in packed]
        self.samples = [sample for row in self.rows for sample in row]

    def fitting(self, samples: Sequence[int], length: int, batch: int) -> list[int]:
        """Those that rows of `length` hold, without the few shortest that would begin a batch and not fill it."""
        fit = [sample for sample in samples if self.lengths[sample] <= length]
        surplus = set(sorted(fit, key=lambda sample: int(self.lengths[sample]))[: len(fit) % batch])
        return [sample for sample in fit if sample not in surplus]

    def laid_out(self, rows: Sequence[Sequence[int]], length: int) -> Batch:
        """The arrays of a step: its rows, the traces of each one behind the other."""
        shape = len(rows), length
        tokens, segments = np.full(shape, PAD, dtype=np.int32), np.zeros(shape, dtype=np.int32)
        trained, weights = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        for place, row in enumerate(rows):
            start = 0
            for number, sample in enumerate(row, 1):
                end = start + int(self.lengths[sample])
                draw = np.random.default_rng(sample)
                tokens[place, start:end] = draw.integers(PAD + 1, self._vocabulary, end - start)
                segments[place, start:end] = number
                trained[place, start + (end - start) // PROMPT : end] = 1
                start = end
        targets = np.roll(tokens, -1, axis=1)
        weights[:, :-1] = trained[:, 1:]
        return Batch(tokens, segments, targets, weights)

    def told(self, samples: Sequence[int]) -> dict[str, int]:
        """How many they are, and how long."""
        lengths = self.lengths[list(samples)]
        longest, median = (int(lengths.max()), int(np.median(lengths))) if len(lengths) else (0, 0)
        return {"count": len(lengths), "tokens": int(lengths.sum()), "longest": longest, "median": median}


def _ours(
    model: Model, settings: Settings, devices: Devices, traces: Traces, _size: tuple[int, int]
) -> Result:
    everywhere = NamedSharding(devices.computation.mesh, EVERYWHERE)
    network = abstract_network(model.shape, VOCABULARIES[model.name], settings)
    weights = _draw(network, lambda _path: everywhere)
    optimizer: Any = nnx.Optimizer(network, build_optimizer(settings), wrt=nnx.LoRAParam)
    devices.replicate(optimizer)
    step = Step(network, optimizer, devices.computation)
    rows = [
        traces.rows[first : first + settings.batch] for first in range(0, len(traces.rows), settings.batch)
    ]
    batches = [traces.laid_out(batch, settings.length) for batch in rows]
    rate, losses, ended = np.float32(settings.learning_rate), list[float](), [time.perf_counter()]
    for batch in (*batches[:1] * NOT_COUNTED, *batches):
        updated = step(Inputs(*(devices.place(np.asarray(array)) for array in (*batch, rate))))
        losses.append(
            float(updated.loss.total) / float(updated.loss.tokens)
        )  # as the trainer: it waits for the step
        ended.append(time.perf_counter())
    return _told(model, settings, traces, traces.samples, batches, ended, losses) | {"weights": weights}


def _stock(
    model: Model, settings: Settings, devices: Devices, traces: Traces, size: tuple[int, int]
) -> Result:
    """As Tunix's examples do: `TrainingInput`, padded; positions and mask from the padding; loss on the completion."""
    length, rows = size
    samples = traces.fitting(traces.samples, length, rows)
    batches = [
        traces.laid_out([[sample] for sample in samples[first : first + rows]], length)
        for first in range(0, len(samples), rows)
    ]
    mesh = Mesh(np.asarray(jax.devices()[: devices.count]).reshape(-1, 1), ("fsdp", "tp"))
    network = _stock_network(model, settings)
    specifications = dict(nnx.to_flat_state(nnx.get_partition_spec(nnx.state(network))))
    weights = _draw(
        network,
        lambda path: NamedSharding(mesh, specifications[path].get_value() or PartitionSpec()),  # type: ignore[no-untyped-call]
    )
    ended, losses = list[float](), list[Any]()

    def inputs() -> Iterator[peft_trainer.TrainingInput]:
        for batch in (*batches[:1] * NOT_COUNTED, *batches):
            if len(ended) <= NOT_COUNTED:  # later it goes ahead as far as it likes
                jax.block_until_ready(nnx.state(network, nnx.LoRAParam))  # type: ignore[no-untyped-call]
            ended.append(time.perf_counter())
            yield peft_trainer.TrainingInput(batch.tokens, np.roll(batch.weights, 1, axis=1) > 0)
        jax.block_until_ready(nnx.state(network, nnx.LoRAParam))  # type: ignore[no-untyped-call]
        ended.append(time.perf_counter())

    with mesh:
        config = peft_trainer.TrainingConfig(eval_every_n_steps=len(batches) + NOT_COUNTED + 1)
        trainer = peft_trainer.PeftTrainer(network, optax.adamw(settings.learning_rate), config)
        trainer.with_gen_model_input_fn(_stock_input)
        trainer._post_process_train_step = lambda _aux: losses.append(  # noqa: SLF001 - the hook for it
            trainer._buffered_train_metrics.losses[-1]  # noqa: SLF001
        )
        trainer.train(inputs())
    return _told(model, settings, traces, samples, batches, ended, [float(loss) for loss in losses]) | {
        "weights": weights
    }


def _stock_input(batch: peft_trainer.TrainingInput) -> dict[str, jax.Array]:
    real = batch.input_tokens != PAD
    return {
        "input_tokens": batch.input_tokens,
        "input_mask": batch.input_mask,
        "positions": sft_utils.build_positions_from_mask(real),
        "attention_mask": sft_utils.make_causal_attn_mask(real),
    }


def _stock_network(model: Model, settings: Settings) -> nnx.Module:
    """Tunix's own Gemma with LoRA in the precision of the base, as qwix gives it, without its arrays."""

    def adapted() -> nnx.Module:
        network = gemma.Gemma(model_config(model.shape, VOCABULARIES[model.name]), rngs=nnx.Rngs(0))
        nnx.update(network, jax.tree.map(lambda leaf: leaf.astype(settings.precision), nnx.state(network)))
        provider = qwix.LoraProvider(lora_rules(model.shape, settings))
        with_lora: nnx.Module = qwix.apply_lora_to_model(
            network, provider, rngs=nnx.Rngs(0), **network.get_model_input()
        )
        return with_lora

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
    def draw(seed: jax.Array) -> jax.Array:
        edge = deviation * math.sqrt(3)
        return jax.random.uniform(jax.random.key(seed), shape, jnp.float32, -edge, edge).astype(dtype)

    jitted: Callable[[np.uint32], jax.Array] = jax.jit(draw, out_shardings=sharding)
    return jitted


def _told(
    model: Model,
    settings: Settings,
    traces: Traces,
    samples: Sequence[int],
    batches: Sequence[Batch],
    ended: Sequence[float],
    losses: Sequence[float],
) -> Result:
    """The figures of a side; `ended` has the beginning, then the end of each step."""
    trained, everything = traces.told(samples), traces.told(traces.samples)
    useful = sum(int(np.count_nonzero(batch.segments)) for batch in batches)
    lengths: npt.NDArray[np.int64] = traces.lengths[list(samples)]
    vocabulary = VOCABULARIES[model.name]
    return {
        "useful": useful,
        "traces_trained": trained["count"],
        "left_out": {key: everything[key] - trained[key] for key in ("count", "tokens")},
        "steps": len(batches),
        "padding": 1 - useful / sum(batch.tokens.size for batch in batches),
        "seconds": ended[-1] - ended[NOT_COUNTED],
        "first_step_seconds": ended[1] - ended[0],
        "operations": token_operations(model.shape, vocabulary, settings.rank, lengths),
        "first_loss": losses[0],
        "last_loss": losses[-1],
    }


def _gib(statistic: str) -> float | None:
    """The largest of the devices' figures, None where they tell none."""
    told = [(device.memory_stats() or {}).get(statistic) for device in jax.devices()]
    return None if None in told else max(int(one or 0) for one in told) / GIB


def _table(report: Result) -> str:
    """The report for people."""
    device, settings, traces, sides = (
        report["device"], report["settings"], report["traces"], [report["ours"], report["stock"]]
    )  # fmt: skip
    memory = "memory unknown" if device["memory_gib"] is None else f"{device['memory_gib']:.1f} GiB"
    peak = "unknown" if device["peak"] is None else f"{device['peak'] / 1e12:,.0f} TFLOP/s in bfloat16"
    lines = [
        f"device: {device['count']} × {device['kind']} ({device['platform']}), {memory}, peak of one {peak}",
        *(
            ["  On a CPU this shows that it works; it tells nothing of an accelerator."]
            * (device["platform"] == "cpu")
        ),
        ", ".join(f"{library} {number}" for library, number in report["versions"].items()),
        f"{report['model']} with drawn weights, {settings['precision']}, rank {settings['rank']}; ours with remat "
        f"{settings['remat']}, {settings['rows_per_device']} rows at once on a device",
        f"{traces['count']:,} traces with {traces['tokens']:,} useful tokens, median {traces['median']:,}, longest "
        f"{traces['longest']:,}; {report['rounds']} rounds, the first {report['not_counted']} steps not counted",
        "",
    ]
    rows: list[tuple[str, Callable[[Result], str]]] = [
        ("rows × length of a batch", lambda side: f"{side['batch']} × {side['length']:,}"),
        ("useful tokens/s, median", lambda side: f"{side['tokens_per_second']:,.0f}"),
        ("  slowest and fastest round", lambda side: f"{side['slowest']:,.0f} to {side['fastest']:,.0f}"),
        ("share of peak", lambda side: _or_unknown(side["share_of_peak"], "{:.1%}")),
        ("useful GFLOP a token", lambda side: f"{side['operations'] / 1e9:,.3f}"),
        ("useful tokens, steps", lambda side: f"{side['useful']:,}, {side['steps']:,}"),
        ("padding", lambda side: f"{side['padding']:.1%}"),
        ("peak memory of a device", lambda side: _or_unknown(side["peak_gib"], "{:.1f} GiB")),
        (
            "first step, by round",
            lambda side: ", ".join(f"{one:.1f} s" for one in side["first_step_seconds"]),
        ),
        ("loss, first and last", lambda side: f"{side['first_loss']:.3f}, {side['last_loss']:.3f}"),
    ]
    lines.append(f"{'':<28}{'ours':>20}{'stock Tunix':>20}")
    for label, cell in rows:
        cells = [cell(side) if "died" not in side or label.startswith("rows") else "-" for side in sides]
        lines.append(f"{label:<28}{cells[0]:>20}{cells[1]:>20}")
    lines += ["", *_notes(report)]
    return "\n".join(lines)


def _notes(report: Result) -> Iterator[str]:
    """What a reader of the table must know."""
    ours, stock = report["ours"], report["stock"]
    if "died" in ours:
        yield f"ours died of memory: {ours['died']}"
    for attempt in stock["attempts"]:
        yield f"stock, {attempt['batch']} rows of {attempt['length']:,}: died of memory: {attempt['died']}"
    if "died" in stock:
        yield "stock fits with no length and no rows that were tried"
    elif stock["attempts"]:
        left = stock["left_out"]
        yield (
            f"so stock had to take {stock['batch']} rows of {stock['length']:,}, and left out {left['count']:,} traces "
            f"with {left['tokens']:,} tokens"
        )
    if "died" not in ours and "died" not in stock:
        yield f"ours is {ours['tokens_per_second'] / stock['tokens_per_second']:.2f} × as fast"
    if report["device"]["peak"] is None:
        yield f"the peak of {report['device']['kind']!r} is unknown, and with it the share (training/watch/peak.py)"


def _or_unknown(value: float | None, shown: str) -> str:
    return "unknown" if value is None else shown.format(value)


if __name__ == "__main__":
    main()
