"""What session 1 costs on Kaggle's eight v5e chips: our step beside the stock one, both compiled by libtpu on a CPU.

    python benchmarks/tpu.py ID --store DIR --tokenizer FILE [--cache DIR] [--config FILE] [--stock-only | --ours-only]

`ID` is a manifest of the full mix; without the real sources, build it from `curation demo-sources DIR --scale full`,
which has their lengths. `--tokenizer` is Gemma's. Nothing is run on a TPU: memory and bytes over the links are read
from the compiled programs, operations are counted in the jaxprs, times are predicted from them.

- ours: the step of `training run` with the model's defaults, as `training preflight` compiles it.
- stock: Tunix's `PeftTrainer` step and default loss, 8 rows of 2,048, FSDP over 8 chips, remat NONE, one trace a row,
  longer ones cut, as its examples have it. From a CPU host Tunix's `shard()` does nothing, so here it is given the
  mesh that it finds on a TPU.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Run as a script, this folder comes first on the path, and what lies in it would hide packages of the same names.
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]

from training.preflight.target import GIB, Target, open_target, prepare_environment

prepare_environment()

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
import qwix
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from tunix.models.gemma import model as gemma
from tunix.sft import peft_trainer

from manifests.store import Store
from training.batches.planned import plan_manifest
from training.batches.tokenizer import Tokenizer
from training.loop.computation import EVERYWHERE
from training.models import model_of
from training.preflight.compiling import compile_program
from training.preflight.flight import Question, fly
from training.preflight.operations import count_operations
from training.preflight.programs import Program, bytes_of_a_device
from training.preflight.told import flight_lines
from training.settings import read_config
from training.watch.peak import token_operations

MODEL, TOPOLOGY = "gemma2-2b-it", "v5e:2x4"
STOCK_ROWS, STOCK_LENGTH, RANK = 8, 2048, 64
LORA = ".*q_einsum|.*kv_einsum|.*gate_proj|.*down_proj|.*up_proj|.*attn_vec_einsum"


def main() -> None:
    """Compile, count, print."""
    parser = argparse.ArgumentParser(description="Our train step and the stock one, compiled for v5e:2x4.")
    parser.add_argument("id", help="a manifest of the full mix")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("tpu-cache"))
    parser.add_argument("--config", type=Path, help="settings of our step, over the model's defaults")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--stock-only", action="store_true")
    only.add_argument("--ours-only", action="store_true")
    options = parser.parse_args()
    print(
        f"jax {version('jax')}, google-tunix {version('google-tunix')}, Python {sys.version.split()[0]}, CPU host"
    )
    model, tokenizer, target = model_of(MODEL), Tokenizer.open(options.tokenizer), open_target(TOPOLOGY)
    settings = model.defaults if options.config is None else read_config(options.config, model.defaults)
    store = Store.open(options.store)
    planned = plan_manifest(
        store, store.manifest(options.id), tokenizer, settings, options.cache / "tokens", _say
    )
    lengths = planned.plan.table.column("length").to_numpy().astype(np.int64)
    left = planned.plan.over_length
    print(
        f"{planned.plan.traces:,} traces, {planned.plan.tokens:,} tokens, {planned.characters_per_token:.2f} "
        f"characters a token; left out as longer than {settings.length:,}: "
        f"{sum(source.traces for source in left):,} traces, "
        f"{sum(source.tokens for source in left):,} tokens; longer than {STOCK_LENGTH:,}: "
        f"{(lengths > STOCK_LENGTH).mean():.1%} of the traces"
    )
    if not options.stock_only:
        question = Question(target, model.shape, tokenizer.vocabulary, settings, planned.plan, options.cache)
        print("ours")
        for line in flight_lines(fly(question, _say)):
            print(f"  {line}")
    if not options.ours_only:
        print(f"stock, {STOCK_ROWS} rows of {STOCK_LENGTH:,}, FSDP, remat NONE, default loss")
        for line in _stock_lines(target, tokenizer.vocabulary, lengths, options.cache):
            print(f"  {line}")


def _stock_lines(
    target: Target, vocabulary: int, lengths: npt.NDArray[np.int64], cache: Path
) -> Iterator[str]:
    began = time.monotonic()
    program = _stock_program(target, vocabulary)
    compiled, cached = compile_program(program, target.compiler, cache, _say)
    useful = STOCK_ROWS * float(np.minimum(lengths, STOCK_LENGTH).mean())
    operations = count_operations(program.jaxpr) / useful
    floor = token_operations(model_of(MODEL).shape, vocabulary, RANK, np.array([STOCK_LENGTH]))
    sent = sum(compiled.links.values()) * program.devices / useful
    yield f"{'from the cache' if cached else 'compiled'}, {time.monotonic() - began:.0f} s"
    yield f"memory      {compiled.bytes / GIB:.2f} GiB a chip, {compiled.temporaries / GIB:.2f} temporaries"
    yield f"useful      {useful:,.0f} tokens a step of {STOCK_ROWS * STOCK_LENGTH:,} places"
    yield f"operations  {operations / 1e9:.2f} GFLOP a useful token, {operations / floor:.2f} × the floor of its length"
    kinds = ", ".join(f"{kind} {bytes_sent / 1e6:,.0f} MB" for kind, bytes_sent in compiled.links.items())
    yield f"links       {sent / 1e3:,.0f} KB a useful token; a device sends in a step: {kinds}"


def _stock_program(target: Target, vocabulary: int) -> Program:
    """The stock step. Base, adapter and moments are bfloat16."""
    mesh = Mesh(np.array(target.devices).reshape(-1, 1), ("fsdp", "tp"))
    config = gemma.ModelConfig.gemma2_2b()
    config.num_embed = vocabulary
    unbound, gemma.shard = gemma.shard, lambda x, _spec: x  # the model is only shapes until it is traced
    model = nnx.eval_shape(lambda: _adapted(config))
    transform = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(2e-5))
    optimizer = nnx.eval_shape(lambda model: nnx.Optimizer(model, transform, wrt=nnx.LoRAParam), model)
    spread: Any = jax.lax.with_sharding_constraint
    gemma.shard = lambda x, spec: spread(x, NamedSharding(mesh, PartitionSpec(*spec)))  # type: ignore[no-untyped-call]
    graph, state = nnx.split((model, optimizer))
    leaves, tree = jax.tree.flatten(state)
    specs = jax.tree.leaves(
        nnx.get_partition_spec(state), is_leaf=lambda spec: isinstance(spec, PartitionSpec) or spec is None
    )
    state = jax.tree.unflatten(tree, [_placed(*pair, mesh) for pair in zip(leaves, specs, strict=True)])

    def step(state: Any, *batch: jax.Array) -> Any:
        model, optimizer = nnx.merge(graph, state)
        differentiate = nnx.value_and_grad(
            peft_trainer._default_loss_fn,  # noqa: SLF001 - the stock trainer's own
            argnums=nnx.DiffState(0, nnx.LoRAParam),
        )
        loss, gradient = differentiate(model, *batch)
        optimizer.update(model, gradient)
        return loss, nnx.state((model, optimizer))

    rows = NamedSharding(mesh, PartitionSpec("fsdp"))  # type: ignore[no-untyped-call]
    shapes: list[tuple[tuple[int, ...], Any]] = [
        ((STOCK_ROWS, STOCK_LENGTH), jnp.int32),
        ((STOCK_ROWS, STOCK_LENGTH), jnp.bool_),
        ((STOCK_ROWS, STOCK_LENGTH), jnp.int32),
        ((STOCK_ROWS, STOCK_LENGTH, STOCK_LENGTH), jnp.bool_),
    ]
    batch = [jax.ShapeDtypeStruct(shape, dtype, sharding=rows) for shape, dtype in shapes]  # type: ignore[no-untyped-call]
    with mesh:
        traced = jax.jit(step, donate_argnums=0).trace(state, *batch)
        lowered = traced.lower()
    gemma.shard = unbound
    return Program(traced.jaxpr.jaxpr, lowered, len(target.devices), bytes_of_a_device((state, batch)))


def _adapted(config: gemma.ModelConfig) -> gemma.Gemma:
    model = gemma.Gemma(config, rngs=nnx.Rngs(params=0))
    provider = qwix.LoraProvider(module_path=LORA, rank=RANK, alpha=float(RANK))
    return qwix.apply_lora_to_model(model, provider, rngs=nnx.Rngs(params=0), **model.get_model_input())


def _placed(leaf: Any, spec: Any, mesh: Mesh) -> Any:
    spec = spec if isinstance(spec, PartitionSpec) else EVERYWHERE
    dtype = jnp.bfloat16 if leaf.dtype == jnp.float32 else leaf.dtype
    return jax.ShapeDtypeStruct(leaf.shape, dtype, sharding=NamedSharding(mesh, spec))  # type: ignore[no-untyped-call]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
