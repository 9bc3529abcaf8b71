"""What session 1 costs on Kaggle's eight v5e chips: our step beside the stock one, both compiled by libtpu on a CPU.

    python benchmarks/tpu.py ID --store DIR --tokenizer FILE [--cache DIR] [--config FILE] [--out FILE]
                             [--stock-only | --ours-only] [--frontier]

`ID` is a manifest of the full mix; without the real sources, build it from `curation demo-sources DIR --scale full`,
which has their lengths. `--tokenizer` is Gemma's. Nothing is run on a TPU: memory and bytes over the links are read
from the compiled programs, operations are counted in the jaxprs, times are predicted from them.

- ours: the step of `training run` with the model's defaults, as `training preflight` compiles it.
- stock: Tunix's `PeftTrainer` step and default loss, 8 rows of 2,048, FSDP over 8 chips, remat NONE, one trace a row,
  longer ones cut, as its examples have it. From a CPU host Tunix's `shard()` does nothing, so here it is given the
  mesh that it finds on a TPU.
- `--frontier` asks besides, by doubling, for the longest row and for the most rows at once that each of them can
  compute on a chip; ours with `remat = "layer"`, stock as it is. Each answer is a compilation of minutes.

`--out` writes all of it as JSON, with the rows that `benchmarks/RESULTS.md` shows. What compilations told is kept in
`--cache`.
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

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
from training.loop.budget import duration
from training.loop.computation import EVERYWHERE
from training.loop.devices import Devices
from training.models import model_of
from training.network.remat import LEVELS
from training.preflight.compiling import compile_program
from training.preflight.flight import RESERVED, Question, fly
from training.preflight.operations import count_operations
from training.preflight.programs import Program, bytes_of_a_device, step_program
from training.preflight.told import flight_json, flight_lines
from training.settings import Settings, read_config
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
    parser.add_argument("--out", type=Path, help="write the figures there, as JSON")
    parser.add_argument("--frontier", action="store_true", help="also the longest row, the most rows at once")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--stock-only", action="store_true")
    only.add_argument("--ours-only", action="store_true")
    options = parser.parse_args()
    model, tokenizer, target = model_of(MODEL), Tokenizer.open(options.tokenizer), open_target(TOPOLOGY)
    settings = model.defaults if options.config is None else read_config(options.config, model.defaults)
    store = Store.open(options.store)
    planned = plan_manifest(
        store, store.manifest(options.id), tokenizer, settings, options.cache / "tokens", _say
    )
    plan, vocabulary = planned.plan, tokenizer.vocabulary
    lengths = plan.table.column("length").to_numpy().astype(np.int64)
    versions = {name: version(name) for name in ("jax", "google-tunix", "libtpu")}
    figures: dict[str, Any] = {
        "versions": {"python": platform.python_version(), **versions},
        "mix": {
            "traces": plan.traces,
            "tokens": plan.tokens,
            "characters_per_token": round(planned.characters_per_token, 2),
            "left_out": {
                "traces": sum(source.traces for source in plan.over_length),
                "tokens": sum(source.tokens for source in plan.over_length),
            },
            "longer_than_stock": round(float((lengths > STOCK_LENGTH).mean()), 4),
        },
    }
    print(json.dumps(figures))
    if not options.stock_only:
        flight = fly(Question(target, model.shape, vocabulary, settings, plan, options.cache), _say)
        figures["ours"] = flight_json(flight)
        print("ours", *flight_lines(flight), sep="\n  ")
    if not options.ours_only:
        figures["stock"] = _stock(target, vocabulary, lengths, options.cache)
        print(f"stock, {STOCK_ROWS} rows of {STOCK_LENGTH:,}, FSDP, remat NONE, default loss")
        print(json.dumps(figures["stock"], indent=1))
    if options.frontier:
        figures["frontier"] = {}
        if not options.stock_only:
            figures["frontier"]["ours"] = _our_frontier(target, vocabulary, settings, options.cache)
        if not options.ours_only:
            figures["frontier"]["stock"] = _stock_frontier(target, vocabulary, options.cache)
        print(json.dumps(figures["frontier"], indent=1))
    if options.out is not None:
        options.out.write_text(json.dumps(_page(figures), indent=1) + "\n", encoding="utf-8")


def _page(figures: Mapping[str, Any]) -> dict[str, object]:
    """The figures, and what the page of results shows of them."""
    ours, stock = figures.get("ours"), figures.get("stock")
    frontier = figures.get("frontier", {})
    told: dict[str, list[str]] = {
        "rows": ["", f"{STOCK_ROWS} of {STOCK_LENGTH:,}, FSDP, remat NONE"],
        "GiB of a chip": ["", ""],
        "executed for a useful token": ["", ""],
        "over the links for a useful token": ["", ""],
        "longest row that fits": ["", ""],
        "most rows at once that fit": ["", ""],
        "compiled in": ["", ""],
        "session 1, predicted, at 30, 40, 50, 60 % of peak": ["", ""],
        "traces left out": ["", "none, but longer ones are cut"],
    }
    for column, one in enumerate((ours, stock)):
        if one is None:
            continue
        told["GiB of a chip"][column] = f"{one['gib_per_chip']:.2f}"
        told["over the links for a useful token"][column] = (
            f"{one['link_bytes_per_useful_token'] / 1e3:,.0f} KB"
        )
        told["compiled in"][column] = f"{one['compiled_seconds']:.0f} s"
        floor = one.get("times_the_floor")
        if floor is None:
            floor = one["executed_flops_per_useful_token"] / one["operations"]["floor_of_the_length"]
        told["executed for a useful token"][column] = (
            f"{one['executed_flops_per_useful_token'] / 1e9:.2f} GFLOP, {floor:.2f} × the floor of its length"
        )
    if ours is not None:
        settings = ours["settings"]
        told["rows"][0] = f"{settings['batch']} of {settings['length']:,}, packed, remat {settings['remat']}"
        sessions = [duration(session["seconds"]) for session in ours["sessions"]]
        told["session 1, predicted, at 30, 40, 50, 60 % of peak"][0] = ", ".join(sessions)
        left = figures["mix"]["left_out"]
        told["traces left out"][0] = f"{left['traces']:,}, with {left['tokens']:,} tokens"
    for column, name in enumerate(("ours", "stock")):
        if name in frontier:
            told["longest row that fits"][column] = f"{frontier[name]['longest']:,}"
            told["most rows at once that fit"][column] = (
                f"{frontier[name]['most_at_once']} of {frontier[name]['length']:,}"
            )
    return {
        "taken": datetime.now(UTC).date().isoformat(),
        "command": "python benchmarks/tpu.py ID --store DIR --tokenizer FILE --frontier --out benchmarks/tpu.json",
        "target": TOPOLOGY,
        "versions": figures["versions"],
        "columns": ["our step", "stock step"],
        "rows": [[name, *cells] for name, cells in told.items()],
        "figures": dict(figures),
    }


def _stock(target: Target, vocabulary: int, lengths: npt.NDArray[np.int64], cache: Path) -> dict[str, object]:
    program = _stock_program(target, vocabulary, STOCK_ROWS, STOCK_LENGTH)
    compiled, cached = compile_program(program, target, cache, _say)
    useful = STOCK_ROWS * float(np.minimum(lengths, STOCK_LENGTH).mean())
    operations = count_operations(program.jaxpr) / useful
    floor = token_operations(model_of(MODEL).shape, vocabulary, RANK, np.array([STOCK_LENGTH]))
    return {
        "gib_per_chip": round(compiled.bytes / GIB, 3),
        "useful_tokens_a_step": round(useful),
        "places_a_step": STOCK_ROWS * STOCK_LENGTH,
        "executed_flops_per_useful_token": operations,
        "times_the_floor": round(operations / floor, 3),
        "link_bytes_per_useful_token": sum(compiled.links.values()) * program.devices / useful,
        "link_bytes_a_device_and_step": compiled.links,
        "compiled_seconds": round(compiled.seconds, 1),
        "cached": cached,
    }


def _our_frontier(target: Target, vocabulary: int, settings: Settings, cache: Path) -> dict[str, object]:
    """With a batch of as many rows as the chips compute at once."""
    shape, chips = model_of(MODEL).shape, len(target.devices)

    def program(rows: int, length: int) -> Program:
        asked = replace(settings, remat=LEVELS[-1], length=length, rows_per_device=rows, batch=rows * chips)
        return step_program(shape, vocabulary, asked, Devices(asked, _say, target.devices))

    return _frontier(target, cache, program, settings.length)


def _stock_frontier(target: Target, vocabulary: int, cache: Path) -> dict[str, object]:
    def program(rows: int, length: int) -> Program:
        return _stock_program(target, vocabulary, rows * len(target.devices), length)

    return _frontier(target, cache, program, STOCK_LENGTH)


def _frontier(
    target: Target, cache: Path, program: Callable[[int, int], Program], length: int
) -> dict[str, object]:
    """The longest row and the most rows at once that fit, found by doubling, and what each that was tried needs."""
    tried = []

    def fits(rows: int, length: int) -> bool:
        _say(f"{rows} at once of {length:,}")
        compiled, _ = compile_program(program(rows, length), target, cache, _say)
        fitting = not compiled.over and compiled.bytes <= target.chip.memory - RESERVED
        gib = round(compiled.bytes / GIB, 2)
        tried.append({"rows_at_once": rows, "length": length, "gib_per_chip": gib, "fits": fitting})
        return fitting

    longest, most = length, 1
    while fits(1, 2 * longest):
        longest *= 2
    while fits(2 * most, length):
        most *= 2
    return {"longest": longest, "length": length, "most_at_once": most, "tried": tried}


def _stock_program(target: Target, vocabulary: int, batch_rows: int, length: int) -> Program:
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
        ((batch_rows, length), jnp.int32),
        ((batch_rows, length), jnp.bool_),
        ((batch_rows, length), jnp.int32),
        ((batch_rows, length, length), jnp.bool_),
    ]
    batch = [jax.ShapeDtypeStruct(shape, dtype, sharding=rows) for shape, dtype in shapes]  # type: ignore[no-untyped-call]
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
