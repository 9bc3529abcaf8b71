"""What `open_base` says to Orbax checkpoints that are wrong, damaged or hostile."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
import pytest

from tests.training.helpers import TINY_GEMMA3
from tests.training.weight_folders import VOCABULARY, drawn, kaggle, write_checkpoint
from training.errors import BaseError
from training.models import TINY
from training.network.tensors import tensors_digest
from training.weights.folder import open_base
from training.weights.names import network_names

SHAPE = TINY.shape


def outcome(folder: Path) -> str:
    """The digest of a folder's tensors, or the error that it ends with."""
    names = network_names(SHAPE, VOCABULARY)
    try:
        base = open_base(folder, SHAPE, VOCABULARY)
        return tensors_digest({name: base.tensor(name, size) for name, size in names.items()})
    except BaseError as error:
        return str(error)


def refusal(folder: Path) -> str:
    with pytest.raises(BaseError) as caught:
        open_base(folder, SHAPE, VOCABULARY)
    assert str(caught.value).isprintable()
    return str(caught.value)


def tree() -> dict[str, dict[str, Any]]:
    return kaggle(SHAPE, drawn(SHAPE))


def write_unbundled(folder: Path) -> Path:
    """The same as one folder of chunks an array, as older checkpoints are."""
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler(use_ocdbt=False)) as checkpointer:
        checkpointer.save(folder, args=ocp.args.PyTreeSave(tree()))
    return folder


def test_files_that_are_cut_or_gone_are_refused_unless_nothing_in_them_is_used(tmp_path: Path) -> None:
    """Above all, no array is quietly read as zeros where its data is missing."""
    bundled, unbundled = (
        write_checkpoint(tmp_path / "bundled", tree()),
        write_unbundled(tmp_path / "unbundled"),
    )
    good = outcome(bundled)
    assert outcome(unbundled) == good == tensors_digest(drawn(SHAPE))
    said = []
    for source, damaged in ((bundled, "**/*"), (unbundled, "transformer/layer_1*/**/*")):
        for file in sorted(path for path in source.glob(damaged) if path.is_file()):
            content = file.read_bytes()
            file.unlink()
            said.append(outcome(source))
            file.write_bytes(content[: len(content) // 2])
            said.append(outcome(source))
            file.write_bytes(content)
    refused = [line for line in said if line != good]
    assert all(
        line.isprintable() and line.startswith((f"base {tmp_path}", str(tmp_path))) for line in refused
    )
    assert sum("/w' can't be read" in line and "missing" in line for line in refused) >= 4
    assert sum("lacks 'layer_1/" in line for line in refused) >= 4
    assert 0 < len(said) - len(refused) < len(said) / 2
    assert outcome(bundled) == outcome(unbundled) == good


@pytest.mark.parametrize("sign", ["checkpoint", "_METADATA"])
def test_a_checkpoint_of_any_age_is_read(tmp_path: Path, sign: str) -> None:
    """Old ones tell of their tree in `checkpoint`, new ones in `_METADATA`: neither is needed."""
    for folder in (write_checkpoint(tmp_path / "bundled", tree()), write_unbundled(tmp_path / "unbundled")):
        for told in ("_METADATA", "_CHECKPOINT_METADATA", "commit_success.txt"):
            (folder / told).unlink()
        (folder / sign).write_bytes(b"")
        assert outcome(folder) == tensors_digest(drawn(SHAPE))


def test_metadata_that_lies_about_an_array_is_refused(tmp_path: Path) -> None:
    def changed(name: str, **fields: object) -> Path:
        folder = write_unbundled(tmp_path / name)
        file = folder / "transformer" / "final_norm.scale" / ".zarray"
        file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))
        return folder

    assert "'final_norm/scale' of shape (192,) is stored in chunks of (68719476736,)" in refusal(
        changed("bomb", chunks=[1 << 36])
    )
    assert "(final_norm.scale) has the shape [1099511627776], expected [192]" in refusal(
        changed("large", shape=[1 << 40])
    )


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "other", {"params": {"dense": {"kernel": np.zeros((2, 2), np.float32)}}})
    said = "lacks 'embedder/input_embedding', which the model's embedder.input_embedding is made of"
    assert said in refusal(tmp_path / "other")
    write_checkpoint(tmp_path / "numbers", {"step": 3, "params": {}})
    assert said in refusal(tmp_path / "numbers")


def test_a_layer_that_the_model_has_not_is_refused(tmp_path: Path) -> None:
    more = {**tree(), "transformer/layer_2/mlp/linear": {"w": np.zeros((768, 192), np.float32)}}
    write_checkpoint(tmp_path / "more", more)
    assert "holds 'layer_2/mlp/linear/w', which the model has not" in refusal(tmp_path / "more")


@pytest.mark.parametrize("kind", ["int8", "float64"])
def test_values_of_another_type_are_refused(tmp_path: Path, kind: str) -> None:
    changed = tree()
    linear = changed["transformer/layer_1/mlp/linear"]
    linear["w"] = linear["w"].astype(kind)
    write_checkpoint(tmp_path / "flax", changed)
    said = (
        f"'layer_1/mlp/linear/w' (layers.1.mlp.down_proj.kernel) has values of type {kind}, expected float32"
    )
    assert said in refusal(tmp_path / "flax")


def test_gemma_3s_checkpoint_is_not_read_as_gemma_2s(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "gemma3", kaggle(TINY_GEMMA3, drawn(TINY_GEMMA3)))
    said = (
        "'embedder/input_embedding' (embedder.input_embedding) has the shape [512, 64], expected [rows, 192]"
    )
    assert said in refusal(tmp_path / "gemma3")
    turned = tree()
    gating = turned["transformer/layer_0/mlp/gating_einsum"]
    gating["w"] = np.ascontiguousarray(gating["w"].swapaxes(1, 2))
    write_checkpoint(tmp_path / "turned", turned)
    assert "has the shape [2, 768, 192], expected [2, 192, 768]" in refusal(tmp_path / "turned")


def test_a_folder_with_two_checkpoints_below_it_is_none(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_checkpoint(tmp_path / name, tree())
    assert "no weights in it" in refusal(tmp_path)
    names = network_names(SHAPE, VOCABULARY)
    base = open_base(tmp_path / "one", SHAPE, VOCABULARY)
    assert base.tensor("final_norm.scale", names["final_norm.scale"]).shape == (192,)
