"""Runs to export without a training: drawn bases, drawn adapters, whatever shape a test wants."""

import hashlib
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from training.export.lora import adapter_shapes
from training.export.trained import Loss, MixSource, TrainedRun
from training.loop.loss import isolating_mask, soft_capped
from training.models import TINY, Model, Shape
from training.network.gemma import Base, DrawnBase, Network, build_network, load_adapter
from training.network.tensors import Digest, Tensor, draw_uniform, tensors_digest
from training.weights.names import network_names

SEED = 42


def drawn_adapter(shape: Shape, rank: int, deviation: float) -> dict[str, Tensor]:
    """An adapter as if it had learnt: B is not zero."""
    sizes = adapter_shapes(shape, rank)
    return {name: draw_uniform(7, name, size, deviation) for name, size in sizes.items()}


def drawn_base(run: TrainedRun) -> Base:
    return DrawnBase(SEED, run.vocabulary)


def trained_run(
    shape: Shape, tokenizer: Path, *, base: Base | None = None, name: str = "small", deviation: float = 0.1
) -> TrainedRun:
    """A run of a model of that shape; its base is drawn where none is given."""
    data = tokenizer.read_bytes()
    base = DrawnBase(SEED, 512) if base is None else base
    digest = Digest()
    for tensor, size in network_names(shape, base.vocabulary).items():
        digest.add(tensor, base.tensor(tensor, size))
    adapter = drawn_adapter(shape, 4, deviation)
    return TrainedRun(
        model=Model(name, shape, TINY.defaults, SEED),
        manifest_name="drawn",
        digests={
            "manifest": "1" * 64,
            "plan": "2" * 64,
            "tokenizer": hashlib.sha256(data).hexdigest(),
            "base_digest": digest.hex(),
            "adapter_digest": tensors_digest(adapter),
        },
        settings=replace(TINY.defaults, rank=4, alpha=8.0),
        cursor=3,
        steps=5,
        continued_from=None,
        mix=(MixSource("sums", 10, 6, 1),),
        losses=(Loss("training, first and last step", 2.0, 1.0),),
        adapter=adapter,
        tokenizer=data,
        vocabulary=base.vocabulary,
        record={"sessions": []},
    )


def network_logits(
    run: TrainedRun, base: Base, tokens: npt.NDArray[np.int32], positions: list[int]
) -> npt.NDArray[np.float32]:
    """[rows, positions, vocabulary]: what the network that was trained gives, in float32."""
    network, _ = build_network(run.model.shape, base, run.settings)
    load_adapter(network, run.adapter)
    places = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    mask = isolating_mask(jnp.ones_like(tokens))

    def logits(network: Network) -> jax.Array:
        hidden, _ = network(jnp.asarray(tokens), places, None, mask)
        embedding = network.embedder.input_embedding.get_value()
        found = jnp.einsum("bld,vd->blv", hidden[:, jnp.asarray(positions)], embedding)
        return soft_capped(found, network.final_logits_softcap)

    return np.asarray(jax.device_get(nnx.jit(logits)(network)))
