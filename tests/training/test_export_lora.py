"""An adapter in Hugging Face's layout does what it does in the network, and a merge rounds once."""

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from flax import nnx

from tests.training.exports import drawn_adapter
from tests.training.helpers import TINY_GEMMA3, drawn_network
from training.errors import RunFolderError
from training.export.lora import (
    adapter_shapes,
    check_adapter_shapes,
    lora_pairs,
    merged_tensors,
    peft_tensors,
)
from training.models import TINY, Shape
from training.network.gemma import DrawnBase, adapter_tensors
from training.network.tensors import Tensor
from training.weights.names import Array, huggingface_names, network_names

SHAPES = [TINY.shape, TINY_GEMMA3]
RANK = 3


@pytest.mark.parametrize("shape", SHAPES)
def test_the_tensors_of_an_adapter_are_the_networks(shape: Shape) -> None:
    network, _ = drawn_network(shape)
    assert isinstance(network, nnx.Module)
    assert adapter_shapes(shape, 4) == {name: each.shape for name, each in adapter_tensors(network).items()}


def added(name: str, x: Tensor, a: Tensor, b: Tensor) -> list[Tensor]:
    """What the network's LoRA gives for inputs [T, inputs], by projection, its outputs flat."""
    heads = x.reshape(len(x), *a.shape[:-1])
    if name.endswith("kv_einsum.w"):
        return list(np.tensordot(x @ a, b, 1).transpose(1, 0, 2, 3).reshape(2, len(x), -1))
    if name.endswith("attn_vec_einsum.w"):
        return [np.tensordot(heads, a, 2) @ b]
    return [np.tensordot(x @ a, b, 1).reshape(len(x), -1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_projection_adds_what_it_adds_in_the_network(shape: Shape) -> None:
    adapter = drawn_adapter(shape, RANK, 0.1)
    peft = peft_tensors(shape, adapter)
    draw = np.random.default_rng(1)
    seen = 0
    for name in network_names(shape, 32):
        pairs = lora_pairs(shape, adapter, name)
        assert bool(pairs) == (name.endswith(("einsum.w", "kernel")))
        if not pairs:
            continue
        assert tuple(pairs) == huggingface_names(shape, name)
        x = draw.standard_normal((5, next(iter(pairs.values())).a.shape[1]), dtype=np.float32)
        expected = added(name, x, adapter[f"{name}_lora_a"], adapter[f"{name}_lora_b"])
        for module, outputs in zip(pairs, expected, strict=True):
            prefix = f"base_model.model.{module.removesuffix('.weight')}"
            a, b = peft[f"{prefix}.lora_A.weight"], peft[f"{prefix}.lora_B.weight"]
            np.testing.assert_allclose(x @ a.T @ b.T, outputs, rtol=1e-4, atol=1e-5)
            seen += 1
    assert seen == 7 * shape.layers
    assert len(peft) == 2 * seen


def test_a_merge_is_the_sum_in_float32_rounded_once_to_the_bases_precision() -> None:
    shape, name = TINY.shape, "layers.1.attn.q_einsum.w"
    adapter = drawn_adapter(shape, RANK, 0.1)
    exact = DrawnBase(42, 64).tensor(name, network_names(shape, 64)[name])
    base = exact.astype(ml_dtypes.bfloat16)
    [(module, pair)] = lora_pairs(shape, adapter, name).items()
    merged = merged_tensors(shape, adapter, 2.0, name, base)[module]
    assert merged.dtype == base.dtype
    [whole] = merged_tensors(shape, adapter, 2.0, name, base.astype(np.float32)).values()
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(merged, whole.astype(ml_dtypes.bfloat16))
    # Rounded before the sum it is another one.
    update = (2 * pair.b @ pair.a).astype(ml_dtypes.bfloat16)
    [plain] = merged_tensors(shape, {}, 2.0, name, base).values()
    assert (merged != plain + update).any()


def test_without_a_lora_a_tensor_goes_on_as_it_is() -> None:
    shape = TINY.shape
    norm = np.ones(shape.embed, dtype=ml_dtypes.bfloat16)
    [(name, tensor)] = merged_tensors(
        shape, drawn_adapter(shape, RANK, 0.1), 1.0, "final_norm.scale", norm
    ).items()
    assert name == "model.norm.weight"
    np.testing.assert_array_equal(tensor, norm)


def test_an_adapter_of_another_shape_rank_or_type_is_refused_with_the_first_that_differs() -> None:
    shape = TINY.shape
    adapter = drawn_adapter(shape, RANK, 0.1)
    check_adapter_shapes("file", shape, RANK, adapter)
    name = "layers.0.attn.attn_vec_einsum.w_lora_a"
    others: list[tuple[dict[str, Array], str]] = [
        (
            {**adapter, name: adapter[name][:-1]},
            f"file: {name} is float32 .3, 48, 3., expected float32 .4, 48, 3.",
        ),
        ({**adapter, name: adapter[name].astype(np.float64)}, f"{name} is float64"),
        ({key: value for key, value in adapter.items() if key != name}, f"{name} is missing"),
        ({**adapter, "more": adapter[name]}, "more is float32 .4, 48, 3., expected no such tensor"),
    ]
    for other, message in others:
        with pytest.raises(RunFolderError, match=message):
            check_adapter_shapes("file", shape, RANK, other)
    with pytest.raises(RunFolderError, match="the run is damaged"):
        check_adapter_shapes("file", replace(shape, layers=3), RANK, adapter)
