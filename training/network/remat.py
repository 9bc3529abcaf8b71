"""What a layer computes again in the backward pass, so that a device need not keep it: memory against operations.

Each level keeps less than the one before. "none" leaves it all to the compiler; "elementwise" keeps what every matrix
product gave, and computes norms and activations again: hardly an operation more. The levels after it give up the
products that cost least for the memory they free, and "layer" keeps a layer's input alone (Chen et al.,
arXiv:1604.06174).
"""

import math
from collections.abc import Callable

import jax

from training.models import Shape
from training.network.layers import ATTENDED, FED, GATE, KEY, MIXED, QUERY, UP, VALUE

NONE = "none"
KEPT = {
    "elementwise": (QUERY, KEY, VALUE, ATTENDED, MIXED, GATE, UP, FED),
    "up": (QUERY, KEY, VALUE, ATTENDED, MIXED, GATE, FED),
    "projections": (ATTENDED, MIXED, GATE, FED),
    "feed-forward": (ATTENDED, MIXED, FED),
    "layer": (),
}
LEVELS = (NONE, *KEPT)


def kept_bytes(shape: Shape, level: str, precision: str) -> float:
    """Bytes that a layer keeps for each token until its backward pass; infinite where the compiler decides."""
    if level == NONE:
        return math.inf
    queries, keys = shape.heads * shape.head, shape.key_value_heads * shape.head
    widths = {
        QUERY: queries,
        KEY: keys,
        VALUE: keys,
        ATTENDED: queries,
        MIXED: shape.embed,
        GATE: shape.hidden,
        UP: shape.hidden,
        FED: shape.embed,
    }
    width = shape.embed + sum(widths[name] for name in KEPT[level])
    return width * {"float32": 4, "bfloat16": 2}[precision]


def with_remat(layer: Callable[..., jax.Array], level: str) -> Callable[..., jax.Array]:
    """`layer`, a pure function, which keeps for its backward pass what the level says and no more."""
    policy = jax.checkpoint_policies.save_only_these_names(*KEPT[level])
    again: Callable[..., jax.Array] = jax.checkpoint(layer, policy=policy)
    return again
