"""Generation: what a network answers to prompts, greedily or drawn at a temperature. Pure JAX.

A pass over the prompts fills a cache of keys and values; then a loop adds a token at a time and stops when every reply
has ended its turn. Prompts of different lengths end at the same place: the shorter ones have padding on their left,
which nothing attends to. Positions are places in the cache, padding included: RoPE is relative, and both families'
sliding windows measure distances between places.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from training.batches.tokenizer import SpecialTokens
from training.errors import SettingsError
from training.loop.loss import soft_capped
from training.loop.update import in_precision
from training.network.gemma import Cache, Network


@dataclass(frozen=True)
class Decoding:
    """How replies are made: at most `most` tokens each, the end of turn counted.

    temperature  0: always the likeliest token. Above: tokens are drawn from the softmax of the logits divided by it
    seed         of the draws; the same seed gives the same replies
    """

    most: int
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises `SettingsError` for values that can't be."""
        if self.most < 1:
            raise SettingsError(f"a reply of at most {self.most} tokens; ask for at least 1")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise SettingsError(
                f"temperature {self.temperature}: expected 0 (always the likeliest) or a number above it"
            )


class _Given(NamedTuple):
    """[B, P] prompts, the places of padding on their left [B], and seed and temperature []."""

    tokens: jax.Array
    padding: jax.Array
    seed: jax.Array
    temperature: jax.Array


class _Kind(NamedTuple):
    """What a program is compiled for."""

    most: int
    greedy: bool
    end: int
    precision: str


class _Loop(NamedTuple):
    """Where the loop stands: tokens made, the replies so far [B, most], which have ended [B], and the cache."""

    made: jax.Array
    replies: jax.Array
    ended: jax.Array
    cache: Cache


def generate(
    network: Network,
    prompts: Sequence[Sequence[int]],
    special: SpecialTokens,
    decoding: Decoding,
    precision: str,
) -> list[list[int]]:
    """The replies to prompts, as ids: each up to and with its end of turn, or `decoding.most` tokens without one.

    A prompt is what `training.batches.templates.encode_prompts` gives, of any length above 0. A greedy reply is that of
    argmax over full passes without a cache, token by token. But for rounding, a reply does not hang on the other
    prompts.
    """
    if not prompts:
        return []
    width = max(map(len, prompts))
    tokens = np.full((len(prompts), width), special.pad, dtype=np.int32)
    padding = np.array([width - len(prompt) for prompt in prompts], dtype=np.int32)
    for row, prompt in enumerate(prompts):
        tokens[row, padding[row] :] = prompt
    seed, temperature = np.uint32(decoding.seed % 2**32), np.float32(decoding.temperature)
    kind = _Kind(decoding.most, decoding.temperature == 0, special.end_of_turn, precision)
    given = _Given(*map(jnp.asarray, (tokens, padding, seed, temperature)))
    replies = np.asarray(_replies(network, given, kind))
    return [_until(row, special.end_of_turn) for row in replies.tolist()]


# It only reads the network; with updates, nnx would hand a copy of every array back.
@nnx.jit(static_argnums=2, graph_updates=False)
def _replies(network: Network, given: _Given, kind: _Kind) -> jax.Array:
    """[B, most] tokens; what stands behind an end means nothing."""
    tokens, padding, seed, temperature = given
    most, greedy, end, precision = kind
    network = in_precision(network, precision)
    graph, state = nnx.split(network)
    rows, width = tokens.shape
    room = width + most - 1  # the last token of a reply is never read
    places = jnp.arange(room)
    key = jax.random.key(seed)

    def advance(cache: Cache, tokens: jax.Array, positions: jax.Array) -> tuple[jax.Array, Cache]:
        """[B, T] tokens at [T] positions to the [B, V] logits behind the last of them, and the cache."""
        network = nnx.merge(graph, state)
        seen = (places >= padding[:, None, None]) & (places <= positions[:, None])
        hidden, written = network(tokens, jnp.broadcast_to(positions, tokens.shape), cache, seen)
        embedding = network.embedder.input_embedding.get_value()
        logits = jnp.einsum("bd,vd->bv", hidden[:, -1], embedding, preferred_element_type=jnp.float32)
        return soft_capped(logits, network.final_logits_softcap), written or {}

    def choose(logits: jax.Array, made: jax.Array | int) -> jax.Array:
        if greedy:
            return jnp.argmax(logits, axis=-1).astype(jnp.int32)
        # A key for each reply and place in it: what one draws does not hang on how many others there are.
        keys = jax.vmap(partial(jax.random.fold_in, jax.random.fold_in(key, made)))(jnp.arange(rows))
        return jax.vmap(jax.random.categorical)(keys, logits / temperature).astype(jnp.int32)

    def step(loop: _Loop) -> _Loop:
        last = jax.lax.dynamic_slice_in_dim(loop.replies, loop.made - 1, 1, axis=1)
        logits, cache = advance(loop.cache, last, (width - 1 + loop.made)[None])
        token = choose(logits, loop.made)
        replies = jax.lax.dynamic_update_slice_in_dim(loop.replies, token[:, None], loop.made, axis=1)
        return _Loop(loop.made + 1, replies, loop.ended | (token == end), cache)

    def unfinished(loop: _Loop) -> jax.Array:
        return (loop.made < most) & ~jnp.all(loop.ended)

    logits, cache = advance(_empty_cache(network, rows, room, precision), tokens, jnp.arange(width))
    first = choose(logits, 0)
    replies = jnp.zeros((rows, most), dtype=jnp.int32).at[:, 0].set(first)
    loop = jax.lax.while_loop(unfinished, step, _Loop(jnp.int32(1), replies, first == end, cache))
    return loop.replies


def _empty_cache(network: Network, rows: int, room: int, precision: str) -> Cache:
    """A cache as Tunix lays it out: for each layer keys and values of [B, room, key-value heads, head]."""
    config = network.config
    shape = (rows, room, config.num_kv_heads, config.head_dim)
    return {
        f"layer_{number}": {
            "k": jnp.zeros(shape, dtype=precision),
            "v": jnp.zeros(shape, dtype=precision),
            "end_index": jnp.zeros((rows,), dtype=jnp.int32),
        }
        for number in range(config.num_layers)
    }


def _until(row: list[int], end: int) -> list[int]:
    """A reply up to and with its first end of turn."""
    return row[: row.index(end) + 1] if end in row else row
