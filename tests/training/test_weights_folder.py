"""What `open_base` promises of good folders: every way that a model is shipped gives the same base."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.training.helpers import TINY_GEMMA3
from tests.training.weight_folders import (
    VOCABULARY,
    drawn,
    huggingface,
    kaggle,
    write_checkpoint,
    write_safetensors,
    write_shards,
)
from training.errors import SettingsError
from training.models import GEMMA2, GEMMA3, MODELS, TINY, Shape
from training.network.gemma import DrawnBase, build_network
from training.network.tensors import tensors_digest
from training.weights.folder import base_of, open_base
from training.weights.names import EMBEDDING, network_names

BOTH = pytest.mark.parametrize("shape", [TINY.shape, TINY_GEMMA3], ids=[GEMMA2, GEMMA3])


def digest_of(folder: Path, shape: Shape) -> str:
    base = open_base(folder, shape, VOCABULARY)
    assert base.vocabulary == VOCABULARY
    names = network_names(shape, VOCABULARY)
    return tensors_digest({name: base.tensor(name, size) for name, size in names.items()})


def one_file(folder: Path, shape: Shape, kind: str) -> None:
    write_safetensors(folder / "model.safetensors", huggingface(shape, drawn(shape, kind)))


def indexed(folder: Path, shape: Shape, kind: str) -> None:
    write_shards(folder, huggingface(shape, drawn(shape, kind)), 3, index=True)


def without_index(folder: Path, shape: Shape, kind: str) -> None:
    write_shards(folder, huggingface(shape, drawn(shape, kind)), 2, index=False)


def that_also_sees(folder: Path, shape: Shape, kind: str) -> None:
    tensors = huggingface(shape, drawn(shape, kind), "language_model.model.")
    tensors["vision_tower.vision_model.post_layernorm.bias"] = np.zeros(3, dtype=np.float32)
    write_safetensors(folder / "model.safetensors", tensors)


def that_also_sees_by_its_newer_names(folder: Path, shape: Shape, kind: str) -> None:
    tensors = huggingface(shape, drawn(shape, kind), "model.language_model.")
    tensors["model.vision_tower.vision_model.post_layernorm.bias"] = np.zeros(3, dtype=np.int8)
    write_safetensors(folder / "model.safetensors", tensors)


def with_its_head(folder: Path, shape: Shape, kind: str) -> None:
    tensors = huggingface(shape, drawn(shape, kind, rows=VOCABULARY + 64))
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.zeros(3, dtype=np.float32)
    write_safetensors(folder / "model.safetensors", tensors)


def as_links(folder: Path, shape: Shape, kind: str) -> None:
    """As the Hub's cache has it: the files are links to blobs elsewhere."""
    blobs = folder.parent / "blobs"
    one_file(blobs, shape, kind)
    folder.mkdir()
    (folder / "model.safetensors").symlink_to(blobs / "model.safetensors")


def checkpoint(folder: Path, shape: Shape, kind: str) -> None:
    write_checkpoint(folder, kaggle(shape, drawn(shape, kind)))


def checkpoint_with_more_rows(folder: Path, shape: Shape, kind: str) -> None:
    write_checkpoint(folder, kaggle(shape, drawn(shape, kind, rows=VOCABULARY + 128)))


def checkpoint_beside_its_tokenizer(folder: Path, shape: Shape, kind: str) -> None:
    write_checkpoint(folder / "gemma", kaggle(shape, drawn(shape, kind)))
    (folder / "tokenizer.model").write_bytes(b"")


WAYS = (
    one_file,
    indexed,
    without_index,
    that_also_sees,
    that_also_sees_by_its_newer_names,
    with_its_head,
    as_links,
    checkpoint,
    checkpoint_with_more_rows,
    checkpoint_beside_its_tokenizer,
)


@pytest.mark.parametrize(
    ("shape", "kind"), [(TINY.shape, "float32"), (TINY_GEMMA3, "bfloat16")], ids=[GEMMA2, GEMMA3]
)
@pytest.mark.parametrize("write", WAYS)
def test_every_way_that_a_model_is_shipped_gives_the_same_base(
    tmp_path: Path, write: Callable[[Path, Shape, str], None], shape: Shape, kind: str
) -> None:
    write(tmp_path / "folder", shape, kind)
    assert digest_of(tmp_path / "folder", shape) == tensors_digest(drawn(shape, kind))


@pytest.mark.parametrize("write", [one_file, checkpoint])
def test_float16_is_widened_and_bfloat16_is_kept(
    tmp_path: Path, write: Callable[[Path, Shape, str], None]
) -> None:
    for kind, expected in (("float16", "float32"), ("bfloat16", "bfloat16"), ("float32", "float32")):
        write(tmp_path / kind, TINY.shape, kind)
        base = open_base(tmp_path / kind, TINY.shape, VOCABULARY)
        for name, size in network_names(TINY.shape, VOCABULARY).items():
            tensor = base.tensor(name, size)
            assert (str(tensor.dtype), tensor.shape) == (expected, size)
            assert np.array_equal(tensor, drawn(TINY.shape, kind)[name].astype(expected))


@BOTH
def test_the_network_gets_exactly_what_the_folder_holds(tmp_path: Path, shape: Shape) -> None:
    one_file(tmp_path / "folder", shape, "float32")
    settings = TINY.defaults
    _, digest = build_network(shape, open_base(tmp_path / "folder", shape, VOCABULARY), settings)
    _, expected = build_network(shape, DrawnBase(42, VOCABULARY), settings)
    assert digest == expected


def test_rows_behind_the_last_piece_are_cut_off(tmp_path: Path) -> None:
    checkpoint_with_more_rows(tmp_path / "folder", TINY.shape, "float32")
    base = open_base(tmp_path / "folder", TINY.shape, VOCABULARY)
    assert np.array_equal(
        base.tensor(EMBEDDING, (VOCABULARY, TINY.shape.embed)), drawn(TINY.shape)[EMBEDDING]
    )


def test_a_model_that_draws_its_base_takes_no_folder(tmp_path: Path) -> None:
    assert isinstance(base := base_of(TINY, None, 420), DrawnBase)
    assert base.vocabulary == 512
    with pytest.raises(SettingsError, match="model tiny draws its weights from a seed; leave --base out"):
        base_of(TINY, tmp_path, 420)


def test_any_other_model_needs_a_folder() -> None:
    with pytest.raises(
        SettingsError, match=r"--base is missing; model gemma2-2b-it takes its weights from a"
    ):
        base_of(MODELS["gemma2-2b-it"], None, 256_000)


@pytest.mark.parametrize("at_once", [1, 100, 1000])
def test_a_digest_does_not_depend_on_how_much_is_widened_at_once(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    whole = tensors_digest(drawn(TINY_GEMMA3, "bfloat16"))
    monkeypatch.setattr("training.network.tensors.DIGESTED_AT_ONCE", at_once)
    assert tensors_digest(drawn(TINY_GEMMA3, "bfloat16")) == whole
