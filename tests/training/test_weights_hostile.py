"""What `open_base` says to folders that are wrong, damaged or hostile: one line of a `BaseError`, always."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.weight_folders import (
    VOCABULARY,
    drawn,
    huggingface,
    write_hollow,
    write_index,
    write_safetensors,
    write_shards,
)
from training.errors import BaseError
from training.models import MODELS, TINY
from training.weights.folder import open_base
from training.weights.names import network_names

Tensors = dict[str, npt.NDArray[Any]]
SHAPE = TINY.shape
INDEX = "model.safetensors.index.json"
ONE = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture(scope="module")
def whole() -> Tensors:
    return huggingface(SHAPE, drawn(SHAPE))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, whole: Tensors) -> bytes:
    """The bytes of a good file, which each test damages in its own way."""
    return write_safetensors(tmp_path_factory.mktemp("small") / "model.safetensors", whole).read_bytes()


def refusal(folder: Path, vocabulary: int = VOCABULARY) -> str:
    """The line that reading every tensor of a folder ends with."""
    with pytest.raises(BaseError) as caught:
        read_all(folder, vocabulary)
    message = str(caught.value)
    assert message.isprintable(), message
    assert caught.value.exit_status == 2
    return message


def read_all(folder: Path, vocabulary: int = VOCABULARY) -> None:
    base = open_base(folder, SHAPE, vocabulary)
    for name, size in network_names(SHAPE, vocabulary).items():
        assert base.tensor(name, size).shape == size


def test_a_folder_that_is_not_there_or_a_file_is_refused(tmp_path: Path, small: bytes) -> None:
    assert refusal(tmp_path / "nowhere") == f"base {tmp_path / 'nowhere'}: no such folder"
    (file := tmp_path / "model.safetensors").write_bytes(small)
    assert refusal(file) == f"base {file}: a file; give the folder that it is in"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "no weights in it; expected .safetensors files, or an Orbax checkpoint as Kaggle ships it"),
        (["config.json", "README.md"], "no weights in it; expected .safetensors files"),
        (["gemma-3-270m-Q4_K_M.gguf"], "GGUF, made for inference; expected .safetensors files"),
        (
            ["pytorch_model.bin", "x.gguf"],
            "only pickled weights (.bin), which can run code when they are read; ",
        ),
        (["model.ckpt", "consolidated.00.pth"], "take the model as safetensors"),
        (["adapter_model.bin"], "only pickled weights (.bin)"),
    ],
)
def test_a_folder_without_weights_that_can_be_read_is_refused(
    tmp_path: Path, files: list[str], said: str
) -> None:
    for name in files:
        (tmp_path / name).write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    assert said in refusal(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["base_model.model.model.layers.0.mlp.up_proj.lora_A.weight", "layers.0.mlp.up_proj.kernel_lora_a"],
)
def test_an_adapter_is_no_base(tmp_path: Path, name: str) -> None:
    write_safetensors(tmp_path / "adapter_model.safetensors", {name: np.zeros((2, 2), np.float32)})
    assert f"an adapter ({name!r}), expected the model that it was trained on" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("found", "rows", "asked", "said"),
    [
        (
            "gemma3-1b",
            262_144,
            "gemma3-270m-it",
            "gemma3-1b or gemma3-1b-it, asked for gemma3-270m or gemma3-270m-it",
        ),
        (
            "gemma3-270m",
            262_144,
            "gemma2-2b",
            "gemma3-270m or gemma3-270m-it, asked for gemma2-2b or gemma2-2b-it",
        ),
        ("gemma2-2b", 256_000, "gemma3-1b", "gemma2-2b or gemma2-2b-it, asked for gemma3-1b or gemma3-1b-it"),
    ],
)
def test_another_model_is_recognised(tmp_path: Path, found: str, rows: int, asked: str, said: str) -> None:
    write_hollow(tmp_path / "model.safetensors", MODELS[found].shape, rows)
    with pytest.raises(BaseError) as caught:
        open_base(tmp_path, MODELS[asked].shape, rows)
    assert f"looks like {said}; give its folder, or the other --model" in str(caught.value)
    assert open_base(tmp_path, MODELS[found].shape, rows).vocabulary == rows


def test_a_model_with_more_layers_is_another_model(tmp_path: Path, whole: Tensors) -> None:
    more = {**whole, "model.layers.2.mlp.up_proj.weight": whole[ONE]}
    write_safetensors(tmp_path / "model.safetensors", more)
    assert "holds 'model.layers.2.mlp.up_proj.weight', which the model has not; give the folder of tiny" in (
        refusal(tmp_path)
    )


def test_a_tensor_that_would_change_the_computation_is_not_passed_over(
    tmp_path: Path, whole: Tensors
) -> None:
    bias = "model.layers.0.self_attn.q_proj.bias"
    write_safetensors(tmp_path / "model.safetensors", {**whole, bias: np.zeros(4, np.float32)})
    assert f"holds {bias!r}, which the model has not" in refusal(tmp_path)


def test_a_missing_tensor_is_told_by_both_its_names(tmp_path: Path, whole: Tensors) -> None:
    write_safetensors(tmp_path / "model.safetensors", {k: v for k, v in whole.items() if k != ONE})
    assert f"lacks {ONE!r}, which the model's layers.1.mlp.up_proj.kernel is made of" in refusal(tmp_path)


def test_a_misshapen_tensor_is_told_with_both_shapes(tmp_path: Path, whole: Tensors) -> None:
    write_safetensors(tmp_path / "model.safetensors", {**whole, ONE: whole[ONE].T})
    said = f"{ONE!r} (layers.1.mlp.up_proj.kernel) has the shape [192, 768], expected [768, 192]"
    assert said in refusal(tmp_path)
    embedding = {"model.embed_tokens.weight": whole["model.embed_tokens.weight"].reshape(-1, 96)}
    write_safetensors(tmp_path / "model.safetensors", {**whole, **embedding})
    assert "has the shape [1024, 96], expected [rows, 192]" in refusal(tmp_path)


@pytest.mark.parametrize(("kind", "shown"), [("int8", "I8"), ("float64", "F64")])
def test_values_of_another_type_are_refused(tmp_path: Path, whole: Tensors, kind: str, shown: str) -> None:
    write_safetensors(tmp_path / "model.safetensors", {**whole, ONE: whole[ONE].astype(kind)})
    assert f"has values of type {shown}, expected float32, bfloat16, float16" in refusal(tmp_path)


def test_a_head_of_its_own_is_refused(tmp_path: Path, whole: Tensors) -> None:
    head = whole["model.embed_tokens.weight"].copy()
    head[7, 7] += 1
    write_safetensors(tmp_path / "model.safetensors", {**whole, "lm_head.weight": head})
    assert "lm_head.weight is not the embedding, as in every Gemma" in refusal(tmp_path)


@pytest.mark.parametrize("vocabulary", [VOCABULARY + 1, VOCABULARY - 129])
def test_a_tokenizer_of_another_vocabulary_is_refused(
    tmp_path: Path, whole: Tensors, vocabulary: int
) -> None:
    write_safetensors(tmp_path / "model.safetensors", whole)
    said = (
        f"an embedding of 512 rows, but the tokenizer has {vocabulary} pieces; give the model's own tokenizer"
    )
    assert said in refusal(tmp_path, vocabulary)
    read_all(tmp_path, VOCABULARY - 128)


def test_a_tensor_that_stands_twice_is_refused(tmp_path: Path, whole: Tensors) -> None:
    write_safetensors(tmp_path / "a.safetensors", whole)
    write_safetensors(tmp_path / "b.safetensors", {ONE: whole[ONE]})
    assert f"b.safetensors: holds {ONE!r}, which the folder holds twice" in refusal(tmp_path)
    write_index(tmp_path, dict.fromkeys(whole, "a.safetensors"))
    read_all(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "../model.safetensors",
        "/etc/model.safetensors",
        "sub/model.safetensors",
        "..",
        "",
        "model.bin",
        7,
        None,
        [],
    ],
)
def test_an_index_can_not_name_what_is_outside_its_folder(
    tmp_path: Path, whole: Tensors, name: object
) -> None:
    write_safetensors(tmp_path / "model.safetensors", whole)
    shutil.copytree(tmp_path, tmp_path / "folder" / "sub")
    write_safetensors(tmp_path / "folder" / "model.safetensors", whole)
    write_index(tmp_path / "folder", {**dict.fromkeys(whole, "model.safetensors"), ONE: name})
    message = refusal(tmp_path / "folder")
    assert "expected a .safetensors file next to the index" in message or "not an index" in message


def test_an_index_that_names_a_missing_file_or_tensor_is_refused(tmp_path: Path, whole: Tensors) -> None:
    write_shards(tmp_path, whole, 2, index=True)
    moved = tmp_path / "model-00002-of-00002.safetensors"
    kept = moved.read_bytes()
    moved.unlink()
    assert f"{moved}: named in {INDEX}, but not there" in refusal(tmp_path)
    moved.write_bytes(kept)
    places = json.loads((tmp_path / INDEX).read_bytes())["weight_map"]
    other = {"model-00001-of-00002.safetensors", moved.name} - {places[ONE]}
    write_index(tmp_path, {**places, ONE: other.pop()})
    assert f"lacks {ONE!r}" in refusal(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"weight_map": 3}', b'{"weight_map": [1]}', b"\xff\xfe", b"[" * 100_000]
)
def test_an_index_that_is_none_is_refused(tmp_path: Path, small: bytes, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(small)
    (tmp_path / INDEX).write_bytes(content)
    assert f"{INDEX}: not an index of safetensors" in refusal(tmp_path)


def test_an_index_that_is_too_large_is_not_read(tmp_path: Path, small: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(small)
    with (tmp_path / INDEX).open("wb") as file:
        file.truncate(1 << 40)
    assert "larger than 100,000,000 bytes" in refusal(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content[:100],
        lambda content: content[:7],
        lambda _: b"",
        lambda content: content + b"\0",
        lambda content: (1 << 62).to_bytes(8, "little") + content[8:],
        lambda content: (100_000_001).to_bytes(8, "little") + content[8:],
        lambda content: (len(content)).to_bytes(8, "little") + content[8:],
        lambda content: content[:8] + b"[" * (len(content) - 8),
        lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    ],
)
def test_a_file_that_is_not_whole_is_refused(
    tmp_path: Path, small: bytes, damage: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "model.safetensors").write_bytes(damage(small))
    assert f"{tmp_path / 'model.safetensors'}: not a whole safetensors file (" in refusal(tmp_path)


def test_a_header_larger_than_any_model_needs_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.write((1 << 30).to_bytes(8, "little") + b"{")
        file.truncate(2 << 30)
    assert "not a whole safetensors file" in refusal(tmp_path)


@given(st.data())
def test_a_changed_header_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, small: bytes, data: st.DataObject
) -> None:
    """Nothing but a `BaseError` comes out, and tensors that come out have their shapes."""
    header = 8 + int.from_bytes(small[:8], "little")
    place = data.draw(st.integers(0, header - 1))
    length = data.draw(st.integers(1, 4))
    other = data.draw(st.binary(min_size=length, max_size=length))
    folder = tmp_path_factory.mktemp("changed")
    (folder / "model.safetensors").write_bytes(small[:place] + other + small[place + length :])
    try:
        read_all(folder)
    except BaseError as error:
        assert str(error).isprintable()  # noqa: PT017 (both ends are good ones)
    shutil.rmtree(folder)
