"""Folders of weights for the tests: small ones with values, large ones that are nothing but holes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import orbax.checkpoint as ocp

from training.models import GEMMA2, Shape
from training.network.gemma import DrawnBase
from training.weights.names import EMBEDDING, huggingface_names, huggingface_shapes, network_names, take_apart

Arrays = Mapping[str, npt.NDArray[Any]]

KINDS = {
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int8": "I8",
    "float64": "F64",
}
VOCABULARY = 512


def drawn(shape: Shape, kind: str = "float32", rows: int = VOCABULARY) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a network that was drawn, rounded to `kind`; an embedding of more rows begins with the same."""
    base = DrawnBase(42, VOCABULARY)
    tensors = {name: base.tensor(name, size) for name, size in network_names(shape, VOCABULARY).items()}
    more = np.full((rows - VOCABULARY, shape.embed), 7.0, dtype=np.float32)
    tensors[EMBEDDING] = np.concatenate([tensors[EMBEDDING], more])
    return {name: tensor.astype(_type(kind)) for name, tensor in tensors.items()}


def huggingface(shape: Shape, tensors: Arrays, prefix: str = "model.") -> dict[str, npt.NDArray[Any]]:
    """A network's tensors as Hugging Face has them."""
    return {
        name.replace("model.", prefix, 1): part
        for network_name, tensor in tensors.items()
        for name, part in take_apart(shape, network_name, tensor).items()
    }


def write_safetensors(path: Path, tensors: Arrays) -> Path:
    """A safetensors file of tensors of any type."""
    header, data = dict[str, object](), b""
    for name, tensor in tensors.items():
        values = np.ascontiguousarray(tensor).tobytes()
        header[name] = {
            "dtype": KINDS[str(tensor.dtype)],
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(values)],
        }
        data += values
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_framed(header) + data)
    return path


def write_hollow(path: Path, shape: Shape, vocabulary: int) -> Path:
    """The safetensors file of a real model, of its full size, all zeros that take no place on the disk."""
    header, end = dict[str, object](), 0
    for name in network_names(shape, vocabulary):
        for written, size in huggingface_shapes(shape, name, vocabulary).items():
            start, end = end, end + 2 * int(np.prod(size))
            header[written] = {"dtype": "BF16", "shape": list(size), "data_offsets": [start, end]}
    path.parent.mkdir(parents=True, exist_ok=True)
    framed = _framed(header)
    with path.open("wb") as file:
        file.write(framed)
        file.truncate(len(framed) + end)
    return path


def write_shards(folder: Path, tensors: Arrays, shards: int, *, index: bool) -> Path:
    """The tensors spread over files, as the Hub has large models."""
    places = dict[str, str]()
    for number in range(shards):
        file = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        part = {name: tensors[name] for name in list(tensors)[number::shards]}
        write_safetensors(folder / file, part)
        places |= dict.fromkeys(part, file)
    if index:
        write_index(folder, places)
    return folder


def write_index(folder: Path, places: Mapping[str, object]) -> None:
    """An index of which tensor is in which file."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"metadata": {"total_size": 0}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(content))


def kaggle(shape: Shape, tensors: Arrays) -> dict[str, dict[str, npt.NDArray[Any]]]:
    """A network's tensors as Google's checkpoints nest them, written out by hand from their documentation."""
    tree = {
        "transformer/embedder": {"input_embedding": tensors[EMBEDDING]},
        "transformer/final_norm": {"scale": tensors["final_norm.scale"]},
        # What a model that also sees has more.
        "SigLiPFromPatches_0/siglip_encoder": {"pos_embedding": np.zeros((1, 4, 4), np.float32)},
    }
    post = "post_attn_norm" if shape.family == GEMMA2 else "post_attention_norm"
    for layer in range(shape.layers):
        ours, theirs = f"layers.{layer}", f"transformer/layer_{layer}"
        gating = np.stack([tensors[f"{ours}.mlp.{part}.kernel"] for part in ("gate_proj", "up_proj")])
        if shape.family != GEMMA2:
            gating = gating.swapaxes(1, 2)
        tree[f"{theirs}/mlp/gating_einsum"] = {"w": np.ascontiguousarray(gating)}
        tree[f"{theirs}/mlp/linear"] = {"w": tensors[f"{ours}.mlp.down_proj.kernel"]}
        for einsum in ("q_einsum", "kv_einsum", "attn_vec_einsum"):
            tree[f"{theirs}/attn/{einsum}"] = {"w": tensors[f"{ours}.attn.{einsum}.w"]}
        for norm in ("pre_attention_norm", "pre_ffw_norm", "post_ffw_norm"):
            tree[f"{theirs}/{norm}"] = {"scale": tensors[f"{ours}.{norm}.scale"]}
        tree[f"{theirs}/post_attention_norm"] = {"scale": tensors[f"{ours}.{post}.scale"]}
        if shape.family != GEMMA2:
            for norm in ("_query_norm", "_key_norm"):
                tree[f"{theirs}/attn/{norm}"] = {"scale": tensors[f"{ours}.attn.{norm}.scale"]}
    return tree


def write_checkpoint(path: Path, tree: Mapping[str, object]) -> Path:
    """An Orbax checkpoint."""
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(path, tree)
    return path


def name_of(shape: Shape, name: str) -> str:
    """The first Hugging Face tensor of a network's tensor."""
    return huggingface_names(shape, name)[0]


def _framed(header: Mapping[str, object]) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text


def _type(kind: str) -> npt.DTypeLike:
    return ml_dtypes.bfloat16 if kind == "bfloat16" else np.dtype(kind)
