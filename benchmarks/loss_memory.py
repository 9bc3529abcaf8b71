"""The loss at Gemma's vocabulary: memory in chunks, beside Tunix's stock loss.

    python benchmarks/loss_memory.py [--rows N] [--length N] [--vocabulary N] [--width N]

Each loss runs in a process of its own: final hidden states and the tied embedding to a loss and its gradient by the
hidden states, in float32. Printed: the highest resident memory above what the process had before it ran, and what XLA
says its temporary buffers take. The stock one is `_default_loss_fn` of Tunix (full logits, a one-hot of the whole
vocabulary, log-softmax), called on a head alone. Both losses must be the same number.
"""

import argparse
import json
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tunix.sft import peft_trainer

from training.loop.loss import weighted_loss

SOFTCAP = 30.0


def main() -> None:
    """Measure both in turn, and print."""
    parser = argparse.ArgumentParser(description="Peak memory of the loss, beside Tunix's own.")
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--vocabulary", type=int, default=256_000)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--only", choices=("ours", "stock"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only is not None:
        print(json.dumps(_measured(options)))
        return
    print(f"jax {version('jax')}, google-tunix {version('google-tunix')}, Python {sys.version.split()[0]}")
    print(
        f"{options.rows} × {options.length:,} places, vocabulary {options.vocabulary:,}, width {options.width}, float32"
    )
    results = {name: _in_a_process(name) for name in ("ours", "stock")}
    for name, result in results.items():
        print(
            f"{name:<6} peak {result['peak_mib']:>8,.0f} MiB above {result['before_mib']:,.0f}, temporaries by XLA "
            f"{result['temporary_mib']:>8,.0f} MiB, {result['seconds']:.1f} s, loss {result['loss']:.6f}"
        )
    ratio = results["stock"]["peak_mib"] / results["ours"]["peak_mib"]
    print(f"stock / ours: {ratio:.1f} × the memory")
    if not np.isclose(results["ours"]["loss"], results["stock"]["loss"], rtol=1e-5):
        sys.exit("the two losses differ")


def _in_a_process(name: str) -> dict[str, float]:
    command = [sys.executable, __file__, *sys.argv[1:], "--only", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - this script
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _measured(options: argparse.Namespace) -> dict[str, float]:
    draw = np.random.default_rng(0)
    shape = (options.rows, options.length)
    hidden = jnp.asarray(draw.normal(size=(*shape, options.width)), dtype=jnp.float32)
    embedding = jnp.asarray(draw.normal(size=(options.vocabulary, options.width)), dtype=jnp.float32) / 25
    tokens = jnp.asarray(draw.integers(0, options.vocabulary, size=shape))
    loss = {"ours": _ours, "stock": _stock}[options.only]
    compiled = jax.jit(jax.value_and_grad(loss)).lower(hidden, embedding, tokens).compile()
    before = _peak_mib(anew=True)
    started = time.perf_counter()
    value, gradient = compiled(hidden, embedding, tokens)
    value.block_until_ready()
    gradient.block_until_ready()
    memory: Any = compiled.memory_analysis()
    return {
        "seconds": time.perf_counter() - started,
        "before_mib": before,
        "peak_mib": _peak_mib() - before,
        "temporary_mib": memory.temp_size_in_bytes / 2**20,
        "loss": float(value),
    }


def _ours(hidden: jax.Array, embedding: jax.Array, tokens: jax.Array) -> jax.Array:
    targets = tokens[:, 1:]
    weights = jnp.ones(targets.shape, dtype=jnp.float32)
    return weighted_loss(hidden[:, :-1], embedding, targets, weights, SOFTCAP) / targets.size


def _stock(hidden: jax.Array, embedding: jax.Array, tokens: jax.Array) -> jax.Array:
    def head(*_: Any) -> tuple[jax.Array, None]:
        return jnp.tanh(jnp.dot(hidden, embedding.T) / SOFTCAP) * SOFTCAP, None

    ones = jnp.ones_like(tokens)
    loss: jax.Array = peft_trainer._default_loss_fn(head, tokens, ones, ones, ones)  # noqa: SLF001 - it is the rival
    return loss


def _peak_mib(*, anew: bool = False) -> float:
    """The most memory that this process had; `anew`: what it has now, from where the peak is watched again."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) / 1024


if __name__ == "__main__":
    main()
