"""How far the attentions of accelerators are from dense attention: outputs and gradients, at the models' own windows.

    python benchmarks/attention.py [--length N] [--heads N]

One attention layer of each kind is taken: Gemma-2's sliding and global, Gemma-3's sliding and global, with their real
windows, head size, soft cap and normalisation, fewer heads, weights drawn. Two rows of packed traces go through it, one
trace longer than the window, float32: through Tunix's dense attention, through the splash kernel of TPUs (in Pallas'
interpreter, slowly), and through the chunked attention of GPUs. Printed is max |Δ| against dense: of the output, and
of the gradients by the layer's input and by its weights, each beside the largest entry of the dense one.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any

from training.preflight.target import prepare_environment

prepare_environment()

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from training.loop.loss import isolating_mask
from training.models import model_of
from training.network.chunked import ChunkedMask
from training.network.gemma import DrawnBase, Network, build_network
from training.network.splash import SplashMask

# The traces of two rows, as shares of their length: one trace longer than every window, and padding behind others.
ROWS = ((0.03, 0.6, 0.25), (0.3, 0.0005, 0.4, 0.2))
EMBED, SEED = 256, 7
LAYERS = (
    ("gemma2-2b-it", 0, "sliding"),
    ("gemma2-2b-it", 1, "global"),
    ("gemma3-1b-it", 0, "sliding"),
    ("gemma3-1b-it", 5, "global"),
)
ATTENTIONS: dict[str, Callable[[jax.Array], Any]] = {
    "splash": partial(SplashMask, interpreted=True),
    "chunked": ChunkedMask,
}


def main() -> None:
    """Compare layer by layer, and print."""
    parser = argparse.ArgumentParser(description="Splash and chunked attention beside dense attention.")
    parser.add_argument("--length", type=int, default=8192)
    parser.add_argument("--heads", type=int, default=2)
    options = parser.parse_args()
    print(f"jax {version('jax')}, google-tunix {version('google-tunix')}, Python {sys.version.split()[0]}")
    segments = _segments(options.length)
    generator = np.random.default_rng(SEED)
    hidden, weights = generator.standard_normal((2, *segments.shape, EMBED), dtype=np.float32)
    weights *= segments[..., None] > 0  # what padding gives is nobody's
    lengths = [np.unique(row[row > 0], return_counts=True)[1].tolist() for row in segments]
    print(f"{options.heads} heads, rows of {options.length:,} places with traces of {lengths}")
    for name, number, kind in LAYERS:
        network = _network(name, options.heads)
        layer = network.layers[number].attn
        numbers = jnp.asarray(segments)
        dense = _computed(layer, hidden, weights, numbers, isolating_mask)
        window = layer.sliding_window_size if kind == "sliding" else None
        for attention, masked in ATTENTIONS.items():
            began = time.monotonic()
            observed = _computed(layer, hidden, weights, numbers, masked)
            told = ", ".join(
                f"{what} {np.abs(observed[what] - expected).max():.1e} of {np.abs(expected).max():.3g}"
                for what, expected in dense.items()
            )
            print(
                f"{name:<13} {kind:<7} window {window or 'none'!s:<5} {attention:<8} max |Δ|: {told}"
                f"  ({time.monotonic() - began:.0f} s)",
                flush=True,
            )


def _segments(length: int) -> npt.NDArray[np.int32]:
    segments = np.zeros((len(ROWS), length), dtype=np.int32)
    for row, shares in zip(segments, ROWS, strict=True):
        ends = np.cumsum([max(int(share * length), 1) for share in shares])
        for number, (begin, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True), 1):
            row[begin:end] = number
    return segments


def _network(name: str, heads: int) -> Network:
    """A network with layers of both kinds, as the model has them, but narrow."""
    model = model_of(name)
    shape = replace(
        model.shape, layers=6, embed=EMBED, hidden=64, heads=heads, key_value_heads=max(heads // 2, 1)
    )
    settings = replace(model.defaults, precision="float32", remat="none", rank=8, alpha=8.0)
    network, _ = build_network(shape, DrawnBase(SEED, 256), settings)
    return network


def _computed(
    layer: Any, hidden: Any, weights: Any, segments: jax.Array, masked: Callable[[jax.Array], Any]
) -> dict[str, npt.NDArray[np.float32]]:
    """The output where there are traces, and the gradients of its weighted sum."""
    graph, kernels, *rest = nnx.split(layer, nnx.Param, ...)
    positions = jnp.broadcast_to(jnp.arange(hidden.shape[1]), hidden.shape[:2])

    @jax.jit
    def both(kernels: Any, rest: Any, hidden: jax.Array, weights: jax.Array, segments: jax.Array) -> Any:
        def weighted(kernels: Any, hidden: jax.Array) -> tuple[jax.Array, jax.Array]:
            output = nnx.merge(graph, kernels, *rest)(hidden, positions, None, masked(segments))[1]
            return (output * weights).sum(), output

        return jax.grad(weighted, argnums=(0, 1), has_aux=True)(kernels, hidden)

    (of_kernels, of_input), output = both(kernels, rest, jnp.asarray(hidden), jnp.asarray(weights), segments)
    entries = [np.asarray(leaf).ravel() for leaf in jax.tree.leaves(of_kernels)]
    return {
        "output": np.asarray(output) * (np.asarray(weights) != 0),
        "by input": np.asarray(of_input),
        "by weights": np.concatenate(entries),
    }


if __name__ == "__main__":
    main()
