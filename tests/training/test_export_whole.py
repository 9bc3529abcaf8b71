"""Whole models: Tunix loads the Orbax checkpoint, transformers takes the configuration, bfloat16 stays bfloat16."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
import transformers
from flax import nnx
from tunix.models.gemma import model as gemma2
from tunix.models.gemma import params as gemma2_params
from tunix.models.gemma3 import params as gemma3_params

from tests.training.exports import drawn_base, network_logits, trained_run
from tests.training.helpers import TINY_GEMMA3
from training.export.exporting import write_export
from training.export.shards import INDEX
from training.export.trained import TrainedRun
from training.loop.loss import isolating_mask
from training.models import GEMMA2, TINY, Shape, model_of
from training.network.gemma import DrawnBase, model_config
from training.weights.folder import open_base
from training.weights.names import Array, network_names

SHAPES = {"gemma2": TINY.shape, "gemma3": TINY_GEMMA3}
LENGTH = 140  # behind both sliding windows


class RoundedBase(DrawnBase):
    """A drawn base in bfloat16."""

    def tensor(self, name: str, shape: tuple[int, ...]) -> Any:
        return super().tensor(name, shape).astype(ml_dtypes.bfloat16)


def quiet(_line: str) -> None:
    """Nobody looks on."""


def tunix_logits(run: TrainedRun, checkpoint: Path, tokens: npt.NDArray[np.int32]) -> Array:
    """What Tunix's own model gives with the weights of a checkpoint, loaded as Tunix loads Google's."""
    config = model_config(run.model.shape, run.vocabulary)
    if run.model.shape.family == GEMMA2:
        network = gemma2.module_from_linen_variables(
            lambda: gemma2.Gemma(config, rngs=nnx.Rngs(0)),
            gemma2_params.load_and_format_params(str(checkpoint))["transformer"],
            gemma2._map_linen_var_names,
            gemma2._assign_linen_params_to_nnx_state,
        )
    else:
        network = gemma3_params.create_model_from_checkpoint(str(checkpoint), config, dtype=jnp.float32)
    places = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    mask = isolating_mask(jnp.ones_like(tokens))
    logits, _ = nnx.jit(lambda model, *inputs: model(*inputs))(
        network, jnp.asarray(tokens), places, None, mask
    )
    return np.asarray(logits)


@pytest.mark.parametrize("family", SHAPES)
def test_tunix_loads_the_checkpoint_and_gives_the_logits_of_the_network_that_was_trained(
    family: str, tokenizer_file: Path, tmp_path: Path
) -> None:
    run = trained_run(SHAPES[family], tokenizer_file)
    base = drawn_base(run)
    write_export(run, "orbax", tmp_path / "out", base, quiet)
    tokens = np.random.default_rng(5).integers(4, run.vocabulary, (1, LENGTH), dtype=np.int32)
    expected = network_logits(run, base, tokens, list(range(LENGTH)))
    observed = tunix_logits(run, tmp_path / "out" / "small", tokens)
    np.testing.assert_allclose(observed, expected, atol=5e-5)


def test_a_bfloat16_base_gives_a_bfloat16_model_in_both_formats(tokenizer_file: Path, tmp_path: Path) -> None:
    base = RoundedBase(42, 512)
    run = trained_run(TINY_GEMMA3, tokenizer_file, base=base)
    write_export(run, "merged", tmp_path / "hf", base, quiet, shard_bytes=100_000)
    write_export(run, "orbax", tmp_path / "kaggle", base, quiet)
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["dtype"] == "bfloat16"
    assert len(json.loads((tmp_path / "hf" / INDEX).read_text())["weight_map"]) == 7 * 13 + 2
    assert len(list((tmp_path / "hf").glob("*.safetensors"))) > 2
    both = [open_base(tmp_path / name, run.model.shape, 512) for name in ("hf", "kaggle")]
    for name, size in network_names(run.model.shape, 512).items():
        one, other = (opened.tensor(name, size) for opened in both)
        assert one.dtype == other.dtype == ml_dtypes.bfloat16
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "shape", [TINY.shape, TINY_GEMMA3, *(model_of(n).shape for n in ("gemma2-2b", "gemma3-1b"))]
)
def test_transformers_takes_the_configuration_as_it_is_meant(
    shape: Shape, tokenizer_file: Path, tmp_path: Path
) -> None:
    small = replace(shape, layers=7, embed=8 * shape.heads, hidden=8, head=8)
    run = trained_run(small, tokenizer_file)
    write_export(run, "merged", tmp_path / "out", drawn_base(run), quiet)
    config = transformers.AutoConfig.from_pretrained(tmp_path / "out")
    written = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config.rope_parameters == written["rope_parameters"]
    for key in (
        "layer_types",
        "sliding_window",
        "head_dim",
        "query_pre_attn_scalar",
        "eos_token_id",
        "vocab_size",
    ):
        assert getattr(config, key) == written[key]
    assert config.tie_word_embeddings
    assert (
        transformers.GenerationConfig.from_pretrained(tmp_path / "out").eos_token_id
        == written["eos_token_id"]
    )
    assert type(config).__name__ == ("Gemma2Config" if shape.family == GEMMA2 else "Gemma3TextConfig")


def test_a_public_models_export_has_its_notice(tokenizer_file: Path, tmp_path: Path) -> None:
    run = trained_run(TINY_GEMMA3, tokenizer_file, name="gemma3-270m-it")
    write_export(run, "peft", tmp_path / "out", None, quiet)
    assert "Gemma Terms of Use" in (tmp_path / "out" / "NOTICE").read_text()
    told = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert told["base_model_name_or_path"] == "google/gemma-3-270m-it"
    assert (
        json.loads((tmp_path / "out" / "provenance.json").read_text())["base_model"]
        == "google/gemma-3-270m-it"
    )
