"""One update of the adapter: the mean over all trained tokens of a batch, however it is cut into pieces. Pure JAX.

A batch is computed in micro-batches of rows, one after the other, so that a device need not hold all of it. Their
gradients of *sums* are added, and divided by the tokens of the whole batch once: a short micro-batch weighs no more
than its tokens. (Means of means, as gradient accumulation is often done, weigh them otherwise.)
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from training.loop.computation import (
    DENSE,
    EVERYWHERE,
    INTERPRETED,
    ROWS,
    SPLASH,
    Computation,
    on_each_device,
    sum_over_devices,
)
from training.loop.loss import LossSum, isolating_mask, token_losses, weighted_loss
from training.network.chunked import ChunkedMask
from training.network.gemma import Mask, Network
from training.network.sharding import base_specs
from training.network.splash import SplashMask, fits
from training.settings import Settings

State: TypeAlias = "nnx.State[Any, Any]"
Optimizer: TypeAlias = "nnx.Optimizer[Any]"


class Inputs(NamedTuple):
    """A step on the devices: the arrays of `training.batches.traces.Batch`, [B, L] each, and the learning rate []."""

    tokens: jax.Array
    segments: jax.Array
    targets: jax.Array
    weights: jax.Array
    rate: jax.Array


class Updated(NamedTuple):
    """What an update tells: the batch's loss before it, and the global norm of its gradient before clipping."""

    loss: LossSum
    gradient_norm: jax.Array


def batch_losses(
    network: Network, tokens: jax.Array, segments: jax.Array, targets: jax.Array, *, attention: str = DENSE
) -> jax.Array:
    """[B, L] float32: the loss at every place of a batch as `training.batches.traces.assemble_batch` lays it out."""
    hidden, embedding = _hidden(network, tokens, segments, attention)
    return token_losses(hidden, embedding, targets, network.final_logits_softcap)


def batch_loss(
    network: Network,
    tokens: jax.Array,
    segments: jax.Array,
    targets: jax.Array,
    weights: jax.Array,
    *,
    attention: str = DENSE,
) -> LossSum:
    """The sum of the losses of the batch's trained tokens, and their number."""
    hidden, embedding = _hidden(network, tokens, segments, attention)
    total = weighted_loss(hidden, embedding, targets, weights, network.final_logits_softcap)
    return LossSum(total, jnp.sum(weights))


def _hidden(
    network: Network, tokens: jax.Array, segments: jax.Array, attention: str
) -> tuple[jax.Array, jax.Array]:
    """[B, L, D] hidden states of packed rows, and the embedding that is the head too."""
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    kernel = attention in (SPLASH, INTERPRETED) and fits(tokens.shape[1], network.config.head_dim)
    if kernel:
        mask: Mask = SplashMask(segments, interpreted=attention == INTERPRETED)
    else:
        mask = isolating_mask(segments) if attention == DENSE else ChunkedMask(segments)
    hidden, _ = network(tokens, positions, None, mask)
    return hidden, network.embedder.input_embedding.get_value()


def in_precision(network: Network, precision: str) -> Network:
    """The network with its float32 adapter rounded to the precision of the computation."""
    graph, adapter, rest = split_network(network)
    rounded: Network = nnx.merge(graph, _rounded(adapter, precision), rest)
    return rounded


def update(network: Network, optimizer: Optimizer, inputs: Inputs, computation: Computation) -> Updated:
    """Update the adapter of `network` in place."""
    gradient, loss = summed_gradient(network, inputs, computation)
    gradient = jax.tree.map(lambda leaf: leaf / loss.tokens, gradient)
    norm = optax.global_norm(gradient)
    optimizer.update(network, gradient, rate=inputs.rate)
    return Updated(loss, norm)


def summed_gradient(network: Network, inputs: Inputs, computation: Computation) -> tuple[State, LossSum]:
    """The gradient of the sum of the trained tokens' losses by the float32 adapter, and that sum.

    Each device adds up its own rows' first; then the sums cross the links, once.
    """
    graph, adapter, rest = split_network(network)

    def total(adapter: State, rest: State, rows: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        whole = nnx.merge(graph, _rounded(adapter, computation.precision), rest)
        loss = batch_loss(whole, *rows, attention=computation.attention)
        return loss.total, loss.tokens

    differentiate = jax.value_and_grad(total, has_aux=True)

    def of_device(adapter: State, rest: State, rows: tuple[jax.Array, ...]) -> Any:
        if computation.micro_batches == 1:
            return sum_over_devices(differentiate(adapter, rest, rows))

        def add(sums: Any, piece: tuple[jax.Array, ...]) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, sums, differentiate(adapter, rest, piece)), None

        nothing = (jnp.float32(0), jnp.float32(0)), jax.tree.map(jnp.zeros_like, adapter)
        sums, _ = jax.lax.scan(add, nothing, _pieces(rows, computation.micro_batches))
        return sum_over_devices(sums)

    spread = on_each_device(
        of_device,
        computation.mesh,
        (EVERYWHERE, base_specs(rest, sharded=network.sharded), ROWS),
        EVERYWHERE,
    )
    (value, tokens), gradient = spread(adapter, rest, inputs[:-1])
    return gradient, LossSum(value, tokens)


def losses_in_pieces(network: Network, arrays: Sequence[jax.Array], computation: Computation) -> jax.Array:
    """`batch_losses` of a batch's tokens, segments and targets, computed one micro-batch after the other."""
    graph, adapter, rest = split_network(network)

    def of_device(adapter: State, rest: State, rows: tuple[jax.Array, ...]) -> jax.Array:
        def of_rows(rows: tuple[jax.Array, ...]) -> jax.Array:
            # Merged where it is called: qwix writes into a network that it runs.
            whole = nnx.merge(graph, adapter, rest)
            return batch_losses(whole, *rows, attention=computation.attention)

        if computation.micro_batches == 1:
            return of_rows(rows)
        losses = jax.lax.map(of_rows, _pieces(rows, computation.micro_batches))
        joined: jax.Array = losses.reshape(rows[0].shape)
        return joined

    spread = on_each_device(
        of_device, computation.mesh, (EVERYWHERE, base_specs(rest, sharded=network.sharded), ROWS), ROWS
    )
    losses: jax.Array = spread(adapter, rest, tuple(arrays))
    return losses


def build_optimizer(settings: Settings) -> optax.GradientTransformationExtraArgs:
    """AdamW (Loshchilov and Hutter, arXiv:1711.05101) behind a clip of the gradient's global norm.

    The learning rate is given at each update, as `rate`: what it is, and who decided it, is not the optimizer's.
    """

    def scale(updates: Any, state: Any, params: Any = None, *, rate: jax.Array, **_: Any) -> tuple[Any, Any]:
        del params
        return jax.tree.map(lambda leaf: -rate * leaf, updates), state

    return optax.chain(
        optax.clip_by_global_norm(settings.clip_norm),
        optax.scale_by_adam(settings.first_moment, settings.second_moment),
        optax.add_decayed_weights(settings.weight_decay),
        optax.GradientTransformationExtraArgs(lambda _: optax.EmptyState(), scale),
    )


def _pieces(arrays: Sequence[jax.Array], micro_batches: int) -> tuple[jax.Array, ...]:
    """Arrays [B, L] as [micro_batches, B / micro_batches, L]."""
    return tuple(array.reshape(micro_batches, -1, *array.shape[1:]) for array in arrays)


def split_network(network: Network) -> tuple[Any, State, State]:
    """The structure of a network, its adapter, and all else, which is frozen."""
    parts: Any = nnx.split(network, nnx.LoRAParam, nnx.Not(nnx.LoRAParam))
    graph, adapter, rest = parts
    return graph, adapter, rest


def _rounded(adapter: State, precision: str) -> State:
    rounded: State = jax.tree.map(lambda leaf: leaf.astype(precision), adapter)
    return rounded
