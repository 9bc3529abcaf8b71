"""What a token costs, and what a device can do: the two sides of the share of peak. Pure.

Operations needed for a trained token, forward and backward (Chowdhery et al., arXiv:2204.02311, appendix B, here for a
frozen base and attention inside a trace):

    4·W + 6·A + 12·heads·head·Σ keys

W  weights of the base that a token is multiplied with, the tied head among them: 2 operations each forward, 2 for the
   gradient of what came in; they have no gradient of their own
A  weights of the adapter: 2 forward, 4 backward
Σ  over the layers; keys is the mean number of tokens that a token sees: those before it in its trace, itself counted,
   and no more than a sliding window

What is computed again to save memory, padding and attention that a mask throws away do not count: they are no use.
"""

import numpy as np
import numpy.typing as npt

from training.models import GEMMA2, Shape

GLOBAL_EVERY = 6  # layers of Gemma-3

# Dense bfloat16 operations a second of one JAX device, by the beginning of its kind, from the makers' data sheets.
PEAKS = {
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5e": 197e12,
    "TPU v5": 459e12,
    "TPU v5p": 459e12,
    "TPU v6 lite": 918e12,
    "TPU v6e": 918e12,
    "NVIDIA A100": 312e12,
    "NVIDIA H100": 989e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H200": 989e12,
}


def peak_of(device_kind: str) -> float | None:
    """Operations a second of a device; None for one that is not known. `TPU v4 lite` is no `TPU v4`."""
    exact = PEAKS.get(device_kind)
    if exact is not None or not device_kind.startswith("NVIDIA"):
        return exact
    # NVIDIA's kinds go on with memory and socket: "NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-40GB".
    known = [kind for kind in PEAKS if device_kind.startswith((f"{kind} ", f"{kind}-"))]
    return PEAKS[max(known, key=len)] if known else None


def token_operations(shape: Shape, vocabulary: int, rank: int, lengths: npt.NDArray[np.int64]) -> float:
    """Operations for a token, on average over traces of `lengths` tokens, as the module says."""
    queries, keys_and_values = shape.heads * shape.head, 2 * shape.key_value_heads * shape.head
    base = shape.embed * (2 * queries + keys_and_values + 3 * shape.hidden)
    adapter = rank * (
        2 * (shape.embed + queries) + shape.embed + keys_and_values + 3 * (shape.embed + shape.hidden)
    )
    windows = windows_of(shape)
    seen = {window: mean_keys(lengths, window) for window in set(windows)}
    return (
        4.0 * (shape.layers * base + vocabulary * shape.embed)
        + 6.0 * shape.layers * adapter
        + 12.0 * queries * sum(seen[window] for window in windows)
    )


def mean_keys(lengths: npt.NDArray[np.int64], window: int | None) -> float:
    """How many tokens of its trace a token sees, on average over traces of `lengths` tokens."""
    within = lengths if window is None else np.minimum(lengths, window)
    total = within * (within + 1) // 2 + (lengths - within) * within
    return float(total.sum()) / float(lengths.sum())


def windows_of(shape: Shape) -> list[int | None]:
    """The sliding window of each layer; None for a global one."""
    return [shape.sliding_window if _local(shape, layer) else None for layer in range(shape.layers)]


def _local(shape: Shape, layer: int) -> bool:
    return layer % 2 == 0 if shape.family == GEMMA2 else layer % GLOBAL_EVERY != GLOBAL_EVERY - 1
