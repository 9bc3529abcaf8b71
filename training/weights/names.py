"""Between the network's tensors and Hugging Face's: names, shapes, layouts. Pure, and free of JAX.

The network has `layers.0.attn.q_einsum.w`, with its inputs before its outputs and heads on an axis of their own.
Hugging Face has `model.layers.0.self_attn.q_proj.weight`, always [outputs, inputs], the heads joined. Values are only
moved, never changed. The models' own code lays both down: tunix.models.gemma and gemma3, transformers.models.gemma2 and
gemma3.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from training.models import GEMMA2, Shape

Array: TypeAlias = npt.NDArray[Any]

EMBEDDING = "embedder.input_embedding"
_OUTSIDE = {EMBEDDING: "model.embed_tokens", "final_norm.scale": "model.norm"}
_QUERY, _KEY_VALUE, _OUTPUT = "attn.q_einsum.w", "attn.kv_einsum.w", "attn.attn_vec_einsum.w"
_PROJECTIONS = {
    _QUERY: ("self_attn.q_proj",),
    _KEY_VALUE: ("self_attn.k_proj", "self_attn.v_proj"),
    _OUTPUT: ("self_attn.o_proj",),
    "mlp.gate_proj.kernel": ("mlp.gate_proj",),
    "mlp.up_proj.kernel": ("mlp.up_proj",),
    "mlp.down_proj.kernel": ("mlp.down_proj",),
}
_NORMS = {
    "pre_attention_norm.scale": "input_layernorm",
    "pre_ffw_norm.scale": "pre_feedforward_layernorm",
    "post_ffw_norm.scale": "post_feedforward_layernorm",
}
_GEMMA2_NORMS = {**_NORMS, "post_attn_norm.scale": "post_attention_layernorm"}
_GEMMA3_HEAD_NORMS = {
    "attn._query_norm.scale": "self_attn.q_norm",
    "attn._key_norm.scale": "self_attn.k_norm",
}
_GEMMA3_NORMS = {
    **_NORMS,
    **_GEMMA3_HEAD_NORMS,
    "post_attention_norm.scale": "post_attention_layernorm",
}


def network_names(shape: Shape, vocabulary: int) -> dict[str, tuple[int, ...]]:
    """Every tensor of the base of a network with `vocabulary` rows of embedding, and its shape, in byte order."""
    shapes: dict[str, tuple[int, ...]] = {
        EMBEDDING: (vocabulary, shape.embed),
        "final_norm.scale": (shape.embed,),
    }
    for layer in range(shape.layers):
        for part, size in _layer_shapes(shape):
            shapes[f"layers.{layer}.{part}"] = size
    return dict(sorted(shapes.items(), key=lambda item: item[0].encode()))


def huggingface_names(shape: Shape, name: str) -> tuple[str, ...]:
    """The Hugging Face tensors that make up the network's tensor `name`, in the order that `assemble` takes them.

    One for most; keys, then values for `kv_einsum`. Raises `KeyError` for a name that such a network has not.
    """
    if name in _OUTSIDE:
        return (f"{_OUTSIDE[name]}.weight",)
    layer, part = _in_layer(shape, name)
    modules = _PROJECTIONS.get(part) or (_norms(shape)[part],)
    return tuple(f"model.layers.{layer}.{module}.weight" for module in modules)


def huggingface_shapes(shape: Shape, name: str, vocabulary: int) -> dict[str, tuple[int, ...]]:
    """The shape that each of `huggingface_names` must have."""
    names = huggingface_names(shape, name)
    if name == EMBEDDING:
        return {names[0]: (vocabulary, shape.embed)}
    size = dict(_layer_shapes(shape)).get(_part(name), (shape.embed,))
    match _part(name):
        case part if part == _QUERY:
            heads, inputs, head = size
            size = (heads * head, inputs)
        case part if part == _KEY_VALUE:
            _, heads, inputs, head = size
            size = (heads * head, inputs)
        case part if part == _OUTPUT:
            heads, head, outputs = size
            size = (outputs, heads * head)
        case part if part in _PROJECTIONS:
            size = size[::-1]
    return dict.fromkeys(names, size)


def assemble(shape: Shape, name: str, parts: Sequence[Array]) -> Array:
    """The network's tensor `name` from its Hugging Face tensors, of `huggingface_shapes`; a view where there is one.

    The type of the values is kept.
    """
    first = parts[0]
    part = _part(name)
    if part == _QUERY:
        return first.reshape(shape.heads, shape.head, shape.embed).transpose(0, 2, 1)
    if part == _KEY_VALUE:
        heads = (shape.key_value_heads, shape.head, shape.embed)
        return np.stack([each.reshape(heads).transpose(0, 2, 1) for each in parts])
    if part == _OUTPUT:
        return first.T.reshape(shape.heads, shape.head, shape.embed)
    return first.T if part in _PROJECTIONS else first


def take_apart(shape: Shape, name: str, tensor: Array) -> dict[str, Array]:
    """The Hugging Face tensors of the network's tensor `name`, in the order of their names: `assemble` undone."""
    names = huggingface_names(shape, name)
    part = _part(name)
    if part == _QUERY:
        return {names[0]: tensor.transpose(0, 2, 1).reshape(-1, shape.embed)}
    if part == _KEY_VALUE:
        parts = (each.transpose(0, 2, 1).reshape(-1, shape.embed) for each in tensor)
        return dict(zip(names, parts, strict=True))
    if part == _OUTPUT:
        return {names[0]: tensor.reshape(-1, shape.embed).T}
    return {names[0]: tensor.T if part in _PROJECTIONS else tensor}


def _layer_shapes(shape: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield _QUERY, (shape.heads, shape.embed, shape.head)
    yield _KEY_VALUE, (2, shape.key_value_heads, shape.embed, shape.head)
    yield _OUTPUT, (shape.heads, shape.head, shape.embed)
    yield "mlp.gate_proj.kernel", (shape.embed, shape.hidden)
    yield "mlp.up_proj.kernel", (shape.embed, shape.hidden)
    yield "mlp.down_proj.kernel", (shape.hidden, shape.embed)
    for norm in _norms(shape):
        yield norm, (shape.head if norm in _GEMMA3_HEAD_NORMS else shape.embed,)


def _norms(shape: Shape) -> dict[str, str]:
    return _GEMMA2_NORMS if shape.family == GEMMA2 else _GEMMA3_NORMS


def _in_layer(shape: Shape, name: str) -> tuple[int, str]:
    """The number of the layer and the name within it."""
    found = re.fullmatch(r"layers\.([0-9]+)\.(.+)", name)
    if found is None or int(found[1]) >= shape.layers:
        raise KeyError(name)
    return int(found[1]), found[2]


def _part(name: str) -> str:
    return name.split(".", 2)[-1] if name.startswith("layers.") else name
