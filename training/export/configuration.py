"""The configuration files that transformers and PEFT read beside weights. Pure.

Keys and their meaning are those of transformers 5 (`Gemma2Config`, `Gemma3TextConfig`, `GenerationConfig`) and of PEFT
(`LoraConfig`). The base frequencies of the rotary positions stand there twice, as 4 reads them and as 5 does.
"""

from training.batches.tokenizer import SpecialTokens
from training.models import GEMMA2, Shape

Json = dict[str, object]

# Where the weights of the models are found; `tiny` is drawn and has no such place.
PUBLIC_NAMES = {
    "gemma2-2b": "google/gemma-2-2b",
    "gemma2-2b-it": "google/gemma-2-2b-it",
    "gemma3-270m": "google/gemma-3-270m",
    "gemma3-270m-it": "google/gemma-3-270m-it",
    "gemma3-1b": "google/gemma-3-1b-pt",
    "gemma3-1b-it": "google/gemma-3-1b-it",
}
TARGET_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
GEMMA2_POSITIONS, GEMMA3_POSITIONS = 8_192, 32_768
LOCAL, GLOBAL = "sliding_attention", "full_attention"
GEMMA3_PATTERN = 6  # every sixth layer is global
NORM_EPSILON = 1e-6


def layer_types(shape: Shape) -> list[str]:
    """What each layer attends to, from the first."""
    period = 2 if shape.family == GEMMA2 else GEMMA3_PATTERN
    return [LOCAL if (layer + 1) % period else GLOBAL for layer in range(shape.layers)]


def model_configuration(
    shape: Shape, vocabulary: int, precision: str, special: SpecialTokens, end_of_text: int
) -> Json:
    """`config.json` of a model of that shape, with an embedding of `vocabulary` rows."""
    is_gemma2 = shape.family == GEMMA2
    configuration: Json = {
        "architectures": ["Gemma2ForCausalLM" if is_gemma2 else "Gemma3ForCausalLM"],
        "model_type": "gemma2" if is_gemma2 else "gemma3_text",
        "dtype": precision,
        "vocab_size": vocabulary,
        "hidden_size": shape.embed,
        "intermediate_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_value_heads,
        "head_dim": shape.head,
        "hidden_activation": "gelu_pytorch_tanh",
        "rms_norm_eps": NORM_EPSILON,
        "max_position_embeddings": GEMMA2_POSITIONS if is_gemma2 else GEMMA3_POSITIONS,
        # Scores are divided by its root.
        "query_pre_attn_scalar": shape.head,
        "sliding_window": shape.sliding_window,
        "layer_types": layer_types(shape),
        "attn_logit_softcapping": shape.attention_softcap,
        "final_logit_softcapping": shape.logit_softcap,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": True,
        "use_cache": True,
        "rope_theta": float(shape.global_base),
        **generation_configuration(special, end_of_text),
    }
    if is_gemma2:
        configuration["rope_parameters"] = _rope(shape.global_base)
    else:
        configuration["sliding_window_pattern"] = GEMMA3_PATTERN
        configuration["rope_local_base_freq"] = float(shape.local_base)
        configuration["rope_parameters"] = {LOCAL: _rope(shape.local_base), GLOBAL: _rope(shape.global_base)}
    return configuration


def generation_configuration(special: SpecialTokens, end_of_text: int) -> Json:
    """`generation_config.json`: a text ends with the turn, as trained, or with the end of the text."""
    return {
        "bos_token_id": special.bos,
        "eos_token_id": [special.end_of_turn, end_of_text],
        "pad_token_id": special.pad,
    }


def adapter_configuration(model: str, rank: int, alpha: float) -> Json:
    """`adapter_config.json` of an adapter on the model called `model` in the table."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": PUBLIC_NAMES.get(model),
        "r": rank,
        "lora_alpha": int(alpha) if alpha.is_integer() else alpha,
        "lora_dropout": 0.0,
        "target_modules": list(TARGET_MODULES),
        "bias": "none",
        "fan_in_fan_out": False,
        "use_rslora": False,
        "use_dora": False,
        "modules_to_save": None,
        "inference_mode": True,
    }


def _rope(base: int) -> Json:
    return {"rope_type": "default", "rope_theta": float(base)}
