"""What `open_base` says to Orbax checkpoints that are wrong, damaged or hostile."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
import pytest

from tests.training.helpers import TINY_GEMMA3
from tests.training.weight_folders import VOCABULARY, drawn, kaggle, write_checkpoint
from training.errors import BaseError
from training.models import TINY
from training.weights.folder import open_base
from training.weights.names import network_names

SHAPE = TINY.shape
# A process of its own: when Orbax gives up, its other reads end later, and complain in whatever runs by then.
DIGESTS = """
import json, sys
from pathlib import Path
from training.commands.chosen import quiet_libraries
quiet_libraries()
from training.errors import BaseError
from training.models import TINY
from training.tensors import tensors_digest
from training.weights.folder import open_base
from training.weights.names import network_names

said = {}
for folder in sys.argv[2:]:
    names = network_names(TINY.shape, int(sys.argv[1]))
    try:
        base = open_base(Path(folder), TINY.shape, int(sys.argv[1]))
        said[folder] = tensors_digest({name: base.tensor(name, size) for name, size in names.items()})
    except BaseError as error:
        said[folder] = str(error)
print(json.dumps(said))
"""


def digests(folders: list[Path]) -> dict[Path, str]:
    """The digest of each folder's tensors, or the error that it ends with."""
    command = [sys.executable, "-c", DIGESTS, str(VOCABULARY), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=120, text=True)
    said: dict[str, str] = json.loads(done.stdout)
    assert all(line.isprintable() for line in said.values())
    return {Path(folder): line for folder, line in said.items()}


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
    whole = write_checkpoint(tmp_path / "whole", tree())
    chunks = write_unbundled(tmp_path / "chunks")
    copies: list[Path] = []
    for source, kept in ((whole, "*"), (chunks, "transformer/layer_1*/**/*")):
        for file in sorted(path for path in source.rglob(kept) if path.is_file()):
            for damage in ("gone", "half"):
                copies.append(shutil.copytree(source, tmp_path / f"{len(copies)}"))
                place = copies[-1] / file.relative_to(source)
                content = place.read_bytes()
                place.unlink()
                if damage == "half":
                    place.write_bytes(content[: len(content) // 2])
    good, *said = digests([whole, chunks, *copies]).values()
    assert said[0] == good
    refused = [line for line in said[1:] if line != good]
    assert all("download it again" in line or "no weights in it" in line for line in refused), refused
    assert len(refused) > len(copies) / 2
    assert any("final_norm/scale can't be read" in line or "/w can't be read" in line for line in refused)


def test_metadata_that_lies_about_an_array_is_refused(tmp_path: Path) -> None:
    def changed(name: str, **fields: object) -> Path:
        folder = write_unbundled(tmp_path / name)
        file = folder / "transformer" / "final_norm.scale" / ".zarray"
        file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))
        return folder

    assert "final_norm/scale of shape (192,) is stored in chunks of (68719476736,)" in refusal(
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
