"""The configuration files say what the network does; that transformers takes them so, the parity gate shows."""

import pytest
from tunix.models.gemma3 import model as gemma3

from training.batches.tokenizer import SpecialTokens
from training.export.configuration import (
    PUBLIC_NAMES,
    adapter_configuration,
    generation_configuration,
    layer_types,
    model_configuration,
)
from training.models import GEMMA2, MODELS
from training.network.gemma import model_config

SPECIAL = SpecialTokens(pad=0, bos=2, start_of_turn=105, end_of_turn=106)


def test_every_model_with_real_weights_has_a_public_name_and_no_other() -> None:
    assert set(PUBLIC_NAMES) == {model.name for model in MODELS.values() if model.base_seed is None}
    assert all(name.startswith("google/gemma-") for name in PUBLIC_NAMES.values())


@pytest.mark.parametrize("name", MODELS)
def test_layers_attend_to_what_they_attend_to_in_the_network(name: str) -> None:
    shape = MODELS[name].shape
    if shape.family == GEMMA2:
        config = model_config(shape, 64)
        types = [kind.name for kind in config.attention_types]
    else:
        pattern = gemma3.GEMMA3_ATTENTION_PATTERN
        types = [pattern[layer % len(pattern)].name for layer in range(shape.layers)]
    words = {"LOCAL_SLIDING": "sliding_attention", "GLOBAL": "full_attention"}
    assert layer_types(shape) == [words[kind] for kind in types]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_described_by_its_own_numbers(name: str) -> None:
    shape = MODELS[name].shape
    told = model_configuration(shape, 1000, "bfloat16", SPECIAL, 1)
    assert (told["vocab_size"], told["dtype"], told["hidden_size"]) == (1000, "bfloat16", shape.embed)
    assert told["sliding_window"] == shape.sliding_window
    assert told["query_pre_attn_scalar"] == shape.head
    if shape.family == GEMMA2:
        assert told["model_type"] == "gemma2"
        assert (told["attn_logit_softcapping"], told["final_logit_softcapping"]) == (50.0, 30.0)
    else:
        assert told["model_type"] == "gemma3_text"
        assert (told["rope_theta"], told["rope_local_base_freq"]) == (1_000_000.0, 10_000.0)
        assert (told["attn_logit_softcapping"], told["final_logit_softcapping"]) == (None, None)


def test_a_text_ends_with_the_turn_or_with_the_text() -> None:
    assert generation_configuration(SPECIAL, 1) == {
        "bos_token_id": 2,
        "eos_token_id": [106, 1],
        "pad_token_id": 0,
    }


def test_an_adapter_names_its_public_base_rank_and_alpha() -> None:
    told = adapter_configuration("gemma2-2b-it", 64, 32.0)
    assert told["base_model_name_or_path"] == "google/gemma-2-2b-it"
    assert (told["r"], told["lora_alpha"], told["peft_type"], told["task_type"]) == (
        64,
        32,
        "LORA",
        "CAUSAL_LM",
    )
    assert isinstance(told["lora_alpha"], int)
    assert adapter_configuration("tiny", 4, 0.5)["lora_alpha"] == 0.5
    assert adapter_configuration("tiny", 4, 0.5)["base_model_name_or_path"] is None
