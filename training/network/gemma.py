"""The model that is trained: Tunix's Gemma with hidden states for output, and qwix LoRA.

Every tensor is put in by us, by name, from a `Base`: a folder of real weights, or a draw from a seed. Tunix would leave
norm scales and MLP kernels at zero, and with dead MLPs their LoRA never learns.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import qwix
from flax import nnx
from tunix.models.gemma import model as gemma2
from tunix.models.gemma3 import model as gemma3

from training.models import GEMMA2, Shape
from training.network.layers import SegmentsMask, become_ours
from training.network.quantization import CODES, SCALES, lora_rules, quantize
from training.network.remat import NONE, with_remat
from training.network.sharding import SHARDED, gathered
from training.network.tensors import Digest, Tensor, draw_uniform
from training.settings import Settings

NORM_DEVIATION = 0.1

Cache: TypeAlias = dict[str, dict[str, jax.Array]]
Mask: TypeAlias = jax.Array | SegmentsMask


class Base(Protocol):
    """The frozen weights of a model. `vocabulary` is the number of rows of its embedding."""

    vocabulary: int

    def tensor(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """The tensor `name` (a path in the network, joined by dots) in float32 or bfloat16, of exactly `shape`."""


class HiddenGemma2(gemma2.Gemma):
    """Gemma-2 whose call ends at the final norm, so that the loss can go through the head in chunks.

    It must be the class's own `__call__`: that is what qwix intercepts. A forward pass from outside trains nothing.

    remat    what its layers compute again (training/network/remat.py)
    sharded  whether its layers are cut over the devices (training/network/sharding.py)
    """

    remat = NONE
    sharded = False

    def __call__(
        self, last_tokens: jax.Array, positions: jax.Array, cache: Cache | None, attention_mask: Mask
    ) -> tuple[jax.Array, Cache | None]:
        """[B, L] tokens and absolute positions, [B, L, K] mask to ([B, L, D] hidden states, the cache).

        K = L without a cache, its length with one (`training.replies.generate` lays it out). Without one, a
        `SegmentsMask` says the same as a mask.
        """
        return _hidden_states(self, last_tokens, positions, cache, attention_mask)


class HiddenGemma3(gemma3.Gemma3):
    """Gemma-3 whose call ends at the final norm; see `HiddenGemma2`."""

    final_logits_softcap = None
    remat = NONE
    sharded = False

    def __call__(
        self, last_tokens: jax.Array, positions: jax.Array, cache: Cache | None, attention_mask: Mask
    ) -> tuple[jax.Array, Cache | None]:
        """See `HiddenGemma2.__call__`."""
        return _hidden_states(self, last_tokens, positions, cache, attention_mask)


Network: TypeAlias = HiddenGemma2 | HiddenGemma3


def _hidden_states(
    network: Network, tokens: jax.Array, positions: jax.Array, cache: Cache | None, mask: Mask
) -> tuple[jax.Array, Cache | None]:
    hidden = network.embedder.encode(tokens)
    if cache is None:
        for layer in network.layers:
            hidden = _layer(layer, network, positions, mask)(hidden)
        return network.final_norm(hidden), None
    written: Cache = {}
    for number, layer in enumerate(network.layers):
        name = f"layer_{number}"
        written[name], hidden = layer(hidden, positions, cache[name], mask)
    return network.final_norm(hidden), written


def _layer(
    layer: nnx.Module, network: Network, positions: jax.Array, mask: Mask
) -> Callable[[jax.Array], jax.Array]:
    """A decoder layer as a function of what comes in, without a cache."""
    if network.remat == NONE:  # the layer itself: qwix puts the adapter into it at its first call
        return lambda hidden: layer(hidden, positions, None, mask)[1]
    graph, state = nnx.split(layer)

    def pure(state: Any, hidden: jax.Array) -> jax.Array:
        whole = gathered(state) if network.sharded else state
        output: jax.Array = nnx.merge(graph, whole)(hidden, positions, None, mask)[1]
        return output

    return partial(with_remat(pure, network.remat), state)


def model_config(shape: Shape, vocabulary: int) -> gemma2.ModelConfig | gemma3.ModelConfig:
    """Tunix's configuration of a shape, with an embedding of `vocabulary` rows."""
    common = {
        "num_layers": shape.layers,
        "num_embed": vocabulary,
        "embed_dim": shape.embed,
        "hidden_dim": shape.hidden,
        "num_heads": shape.heads,
        "head_dim": shape.head,
        "num_kv_heads": shape.key_value_heads,
        "sliding_window_size": shape.sliding_window,
    }
    if shape.family != GEMMA2:
        frequencies = {
            "local_base_frequency": shape.local_base,
            "global_base_frequency": shape.global_base,
        }
        return gemma3.ModelConfig(**common, **frequencies, param_dtype=jnp.float32)
    types = (gemma2.AttentionType.LOCAL_SLIDING, gemma2.AttentionType.GLOBAL)
    return gemma2.ModelConfig(
        **common,
        final_logit_softcap=shape.logit_softcap,
        use_post_attn_norm=True,
        use_post_ffw_norm=True,
        attention_types=tuple(types[layer % 2] for layer in range(shape.layers)),
        attn_logits_soft_cap=shape.attention_softcap,
    )


def build_network(shape: Shape, base: Base, settings: Settings) -> tuple[Network, str]:
    """The model with its base, and a new adapter (A drawn with the settings' seed, B zero); and the base's digest.

    Of `settings` count rank, alpha, seed, precision and quantize. The digest is `tensors_digest` of the base as the
    folder has it, before any rounding to the precision of the run, and before it is quantized.
    """
    graph, state = nnx.split(nnx.eval_shape(lambda: _adapted(shape, base.vocabulary, settings)))
    digest = Digest()
    variables = {tensor_name(path): variable for path, variable in nnx.to_flat_state(state)}
    for name in sorted({name.removesuffix(CODES).removesuffix(SCALES) for name in variables}, key=str.encode):
        variable = variables.get(name) or variables[name + CODES]
        wanted = variable.get_value().shape
        if isinstance(variable, nnx.LoRAParam):
            variable.set_value(jnp.asarray(adapter_start(settings.seed, name, wanted)))
            continue
        tensor = base.tensor(name, wanted)
        digest.add(name, tensor)
        if name in variables:
            variable.set_value(jnp.asarray(tensor, dtype=settings.precision))
        else:
            scale = variables[name + SCALES]
            codes, scales = quantize(tensor, scale.get_value().shape, settings.precision)
            variable.set_value(codes)
            scale.set_value(scales)
    network: Network = nnx.merge(graph, state)
    return network, digest.hex()


def abstract_network(shape: Shape, vocabulary: int, settings: Settings) -> Network:
    """The network as `build_network` makes it, with a `jax.ShapeDtypeStruct` in the place of each array."""
    graph, state = nnx.split(nnx.eval_shape(lambda: _adapted(shape, vocabulary, settings)))
    for path, variable in nnx.to_flat_state(state):
        drawn = variable.get_value()
        kept = isinstance(variable, nnx.LoRAParam) or tensor_name(path).endswith(CODES)
        dtype = drawn.dtype if kept else jnp.dtype(settings.precision)
        variable.set_value(jax.ShapeDtypeStruct(drawn.shape, dtype))  # type: ignore[no-untyped-call]
    network: Network = nnx.merge(graph, state)
    return network


def _adapted(shape: Shape, vocabulary: int, settings: Settings) -> Network:
    config = model_config(shape, vocabulary)
    kind = HiddenGemma2 if shape.family == GEMMA2 else HiddenGemma3
    network: Network = kind(config, rngs=nnx.Rngs(0))
    become_ours(network.layers)
    provider = qwix.LoraProvider(lora_rules(shape, settings))
    # The call that quantizes a linear layer gives it no adapter (qwix 0.1.8): the next one does.
    for _ in range(1 if settings.quantize == "none" else 2):
        network = qwix.apply_lora_to_model(network, provider, rngs=nnx.Rngs(0), **network.get_model_input())
    network.remat = settings.remat
    network.sharded = settings.placement == SHARDED
    return network


class DrawnBase:
    """The base of a model without real weights: every tensor drawn from a seed, none of it dead.

    Scales around 0, all else with deviation 1/√(inputs).
    """

    def __init__(self, seed: int, vocabulary: int) -> None:
        self.vocabulary = vocabulary
        self._seed = seed

    def tensor(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """The tensor of that name; its bits depend on seed, name and shape alone."""
        if name.endswith("scale"):
            return draw_uniform(self._seed, name, shape, NORM_DEVIATION)
        if name.endswith("attn_vec_einsum.w"):
            inputs = shape[0] * shape[1]
        elif name.endswith("embedding"):
            inputs = shape[1]
        else:
            inputs = shape[-2]
        return draw_uniform(self._seed, name, shape, 1 / math.sqrt(inputs))


def adapter_start(seed: int, name: str, shape: tuple[int, ...]) -> Tensor:
    """A tensor of a new adapter (Hu et al., arXiv:2106.09685): B zero, A as He et al. (arXiv:1502.01852) draw it."""
    if name.endswith("_lora_b"):
        return np.zeros(shape, dtype=np.float32)
    return draw_uniform(seed, name, shape, math.sqrt(2 / math.prod(shape[:-1])))


def tensor_name(path: Iterable[object]) -> str:
    """The name of a variable: its path in the model, joined by dots."""
    return ".".join(map(str, path))


def adapter_tensors(network: nnx.Module) -> dict[str, Tensor]:
    """The adapter of a model, in float32, by name."""
    return _tensors(nnx.state(network, nnx.LoRAParam))


def base_tensors(network: nnx.Module) -> dict[str, Tensor]:
    """Everything of a model but its adapter, in float32, by name."""
    return _tensors(nnx.state(network, nnx.All(nnx.Param, nnx.Not(nnx.LoRAParam))))


def load_adapter(network: nnx.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put an adapter's tensors into a model. The names and shapes must be the model's."""
    state = nnx.state(network, nnx.LoRAParam)
    for path, variable in nnx.to_flat_state(state):
        variable.set_value(jnp.asarray(tensors[tensor_name(path)], dtype=variable.get_value().dtype))
    nnx.update(network, state)


def _tensors(state: "nnx.State[Any, Any]") -> dict[str, Tensor]:
    values = jax.device_get(
        {tensor_name(path): variable.get_value() for path, variable in nnx.to_flat_state(state)}
    )
    return {name: value.astype("float32") for name, value in values.items()}
