"""What the names of weights promise: every tensor of the network, there and back, in the layout that computes alike."""

from dataclasses import replace

import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from tests.training.helpers import TINY_GEMMA3
from training.models import GEMMA2, GEMMA3, MODELS, TINY, Shape
from training.network.gemma import DrawnBase, base_tensors, build_network
from training.weights.kaggle_names import assemble_kaggle, kaggle_names, kaggle_shapes
from training.weights.names import (
    assemble,
    huggingface_names,
    huggingface_shapes,
    network_names,
    take_apart,
)

ROWS = 5
SHAPES = st.builds(
    replace,
    st.sampled_from([TINY.shape, TINY_GEMMA3]),
    layers=st.integers(1, 12),
    embed=st.integers(1, 6),
    hidden=st.integers(1, 6),
    heads=st.integers(1, 4),
    key_value_heads=st.integers(1, 4),
    head=st.integers(1, 6),
)


@pytest.mark.parametrize("shape", [TINY.shape, TINY_GEMMA3], ids=[GEMMA2, GEMMA3])
def test_the_names_and_shapes_are_those_of_the_network(shape: Shape) -> None:
    network, _ = build_network(shape, DrawnBase(1, ROWS), replace(TINY.defaults, rank=2))
    tensors = {name: tensor.shape for name, tensor in base_tensors(network).items()}
    assert tensors == network_names(shape, ROWS)
    assert list(network_names(shape, ROWS)) == sorted(tensors, key=str.encode)
    assert nnx.state(network, nnx.LoRAParam)


@given(SHAPES, st.data())
def test_a_tensor_taken_apart_and_put_together_is_the_same(shape: Shape, data: st.DataObject) -> None:
    name, size = data.draw(st.sampled_from(list(network_names(shape, ROWS).items())))
    tensor = np.random.default_rng(0).random(size, dtype=np.float32)
    parts = take_apart(shape, name, tensor)
    assert tuple(parts) == huggingface_names(shape, name)
    assert {each: part.shape for each, part in parts.items()} == huggingface_shapes(shape, name, ROWS)
    again = assemble(shape, name, list(parts.values()))
    assert again.dtype == np.float32
    assert np.array_equal(again, tensor)


@given(SHAPES)
def test_no_two_tensors_of_a_network_are_made_of_the_same(shape: Shape) -> None:
    written = [each for name in network_names(shape, ROWS) for each in huggingface_names(shape, name)]
    assert len(set(written)) == len(written)
    assert len(written) == 2 + shape.layers * (11 if shape.family == GEMMA2 else 13)


@given(SHAPES)
def test_the_layouts_compute_what_hugging_face_computes(shape: Shape) -> None:
    """There every projection is x · Wᵀ, with the heads side by side in the outputs."""
    draw = np.random.default_rng(0).random
    x = draw((3, shape.embed))
    size = network_names(shape, ROWS)

    [(_, weight)] = take_apart(shape, name := "layers.0.attn.q_einsum.w", q := draw(size[name])).items()
    expected = np.einsum("td,ndh->tnh", x, q)
    np.testing.assert_allclose((x @ weight.T).reshape(expected.shape), expected)

    pair = take_apart(shape, name := "layers.0.attn.kv_einsum.w", kv := draw(size[name]))
    assert [each.split(".")[-2] for each in pair] == ["k_proj", "v_proj"]
    for number, weight in enumerate(pair.values()):
        expected = np.einsum("td,kdh->tkh", x, kv[number])
        np.testing.assert_allclose((x @ weight.T).reshape(expected.shape), expected)

    [(_, weight)] = take_apart(
        shape, name := "layers.0.attn.attn_vec_einsum.w", o := draw(size[name])
    ).items()
    heads = draw((3, shape.heads, shape.head))
    expected = np.einsum("tnh,nhd->td", heads, o)
    np.testing.assert_allclose(heads.reshape(3, -1) @ weight.T, expected)

    [(_, weight)] = take_apart(shape, name := "layers.0.mlp.gate_proj.kernel", w := draw(size[name])).items()
    np.testing.assert_allclose(x @ weight.T, x @ w)


@pytest.mark.parametrize(
    ("family", "name"),
    [
        (GEMMA2, "layers.0.post_attention_norm.scale"),
        (GEMMA2, "layers.0.attn._query_norm.scale"),
        (GEMMA3, "layers.0.post_attn_norm.scale"),
        (GEMMA3, "layers.99.pre_ffw_norm.scale"),
        (GEMMA3, "layers.x.pre_ffw_norm.scale"),
        (GEMMA3, "layers.0"),
        (GEMMA3, "lm_head"),
    ],
)
def test_a_name_that_the_network_has_not_is_refused(family: str, name: str) -> None:
    shape = TINY.shape if family == GEMMA2 else TINY_GEMMA3
    with pytest.raises(KeyError):
        huggingface_names(shape, name)


def test_the_names_are_hugging_faces() -> None:
    gemma3 = MODELS["gemma3-1b"].shape
    assert huggingface_names(gemma3, "embedder.input_embedding") == ("model.embed_tokens.weight",)
    assert huggingface_names(gemma3, "final_norm.scale") == ("model.norm.weight",)
    expected = {
        "q_einsum.w": ["q_proj"],
        "kv_einsum.w": ["k_proj", "v_proj"],
        "attn_vec_einsum.w": ["o_proj"],
        "_query_norm.scale": ["q_norm"],
        "_key_norm.scale": ["k_norm"],
    }
    for name, parts in expected.items():
        written = tuple(f"model.layers.25.self_attn.{part}.weight" for part in parts)
        assert huggingface_names(gemma3, f"layers.25.attn.{name}") == written
    assert huggingface_shapes(gemma3, "layers.0.attn.q_einsum.w", 9) == {
        "model.layers.0.self_attn.q_proj.weight": (1024, 1152)
    }
    assert huggingface_shapes(gemma3, "layers.0.attn.kv_einsum.w", 9) == {
        f"model.layers.0.self_attn.{part}_proj.weight": (256, 1152) for part in "kv"
    }
    assert huggingface_shapes(gemma3, "layers.0.attn.attn_vec_einsum.w", 9) == {
        "model.layers.0.self_attn.o_proj.weight": (1152, 1024)
    }


@given(SHAPES, st.data())
def test_googles_gate_and_up_come_out_of_one_tensor(shape: Shape, data: st.DataObject) -> None:
    draw = np.random.default_rng(0).random
    gate, up = (draw((shape.embed, shape.hidden)) for _ in range(2))
    stacked = np.stack([gate, up]) if shape.family == GEMMA2 else np.stack([gate.T, up.T])
    for name, expected in (("gate_proj", gate), ("up_proj", up)):
        full = f"layers.0.mlp.{name}.kernel"
        assert kaggle_names(shape, full) == ("layer_0/mlp/gating_einsum/w",)
        assert kaggle_shapes(shape, full, ROWS) == {"layer_0/mlp/gating_einsum/w": stacked.shape}
        assert np.array_equal(assemble_kaggle(shape, full, [stacked]), expected)
    name, size = data.draw(st.sampled_from(list(network_names(shape, ROWS).items())))
    if "gate" not in name and "up_proj" not in name:
        assert list(kaggle_shapes(shape, name, ROWS).values()) == [size]
