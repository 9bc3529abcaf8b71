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

from training.loop.loss import LossSum, isolating_mask, token_losses
from training.network.gemma import Network
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


def batch_losses(network: Network, tokens: jax.Array, segments: jax.Array, targets: jax.Array) -> jax.Array:
    """[B, L] float32: the loss at every place of a batch as `training.batches.traces.assemble_batch` lays it out."""
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    hidden, _ = network(tokens, positions, None, isolating_mask(segments))
    embedding = network.embedder.input_embedding.get_value()
    return token_losses(hidden, embedding, targets, network.final_logits_softcap)


def batch_loss(
    network: Network, tokens: jax.Array, segments: jax.Array, targets: jax.Array, weights: jax.Array
) -> LossSum:
    """The sum of the losses of the batch's trained tokens, and their number."""
    losses = batch_losses(network, tokens, segments, targets)
    return LossSum(jnp.sum(losses * weights), jnp.sum(weights))


def in_precision(network: Network, precision: str) -> Network:
    """The network with its float32 adapter rounded to the precision of the computation."""
    graph, adapter, rest = _split(network)
    rounded: Network = nnx.merge(graph, _rounded(adapter, precision), rest)
    return rounded


def update(
    network: Network, optimizer: Optimizer, inputs: Inputs, micro_batches: int, precision: str
) -> Updated:
    """Update the adapter of `network` in place. `micro_batches` divides the rows of the batch."""
    gradient, loss = summed_gradient(network, inputs, micro_batches, precision)
    gradient = jax.tree.map(lambda leaf: leaf / loss.tokens, gradient)
    norm = optax.global_norm(gradient)
    optimizer.update(network, gradient, rate=inputs.rate)
    return Updated(loss, norm)


def summed_gradient(
    network: Network, inputs: Inputs, micro_batches: int, precision: str
) -> tuple[State, LossSum]:
    """The gradient of the sum of the trained tokens' losses by the float32 adapter, and that sum."""
    graph, adapter, rest = _split(network)

    def total(adapter: State, rows: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        loss = batch_loss(nnx.merge(graph, _rounded(adapter, precision), rest), *rows)
        return loss.total, loss.tokens

    differentiate = jax.value_and_grad(total, has_aux=True)
    arrays = inputs[:-1]
    if micro_batches == 1:
        (value, tokens), gradient = differentiate(adapter, arrays)
        return gradient, LossSum(value, tokens)

    def add(sums: Any, rows: tuple[jax.Array, ...]) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, sums, differentiate(adapter, rows)), None

    pieces = _pieces(arrays, micro_batches)
    nothing = (jnp.float32(0), jnp.float32(0)), jax.tree.map(jnp.zeros_like, adapter)
    ((value, tokens), gradient), _ = jax.lax.scan(add, nothing, pieces)
    return gradient, LossSum(value, tokens)


def losses_in_pieces(network: Network, arrays: Sequence[jax.Array], micro_batches: int) -> jax.Array:
    """`batch_losses` of a batch's tokens, segments and targets, computed one micro-batch after the other."""
    if micro_batches == 1:
        return batch_losses(network, *arrays)
    graph, adapter, rest = _split(network)
    losses = jax.lax.map(
        lambda rows: batch_losses(nnx.merge(graph, adapter, rest), *rows), _pieces(arrays, micro_batches)
    )
    whole: jax.Array = losses.swapaxes(0, 1).reshape(arrays[0].shape)
    return whole


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
    """Arrays [B, L] as [micro_batches, B / micro_batches, L].

    A device's rows stay on it: micro-batch m takes every row whose number is m modulo their number.
    """
    return tuple(array.reshape(-1, micro_batches, *array.shape[1:]).swapaxes(0, 1) for array in arrays)


def _split(network: Network) -> tuple[Any, State, State]:
    """Structure, adapter, and all else."""
    parts: Any = nnx.split(network, nnx.LoRAParam, nnx.Not(nnx.LoRAParam))
    graph, adapter, rest = parts
    return graph, adapter, rest


def _rounded(adapter: State, precision: str) -> State:
    rounded: State = jax.tree.map(lambda leaf: leaf.astype(precision), adapter)
    return rounded
