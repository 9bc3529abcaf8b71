"""The models that can be trained, and their defaults. Pure, and free of JAX.

A default that a run does not override is recorded in its `run.json` like one that it does.
"""

from dataclasses import dataclass, replace

from training.errors import ModelError
from training.settings import Settings

GEMMA2, GEMMA3 = "gemma2", "gemma3"


@dataclass(frozen=True)
class Shape:
    """A Gemma decoder of a `family`, which fixes what the numbers do not.

    gemma2  layers alternate local (sliding window) and global attention, the first one local
    gemma3  five local layers, then a global one; queries and keys are normalised; no softcaps

    `local_base` and `global_base` are the base frequencies of the rotary positions (RoPE).
    """

    family: str
    layers: int
    embed: int
    hidden: int
    heads: int
    key_value_heads: int
    head: int
    sliding_window: int
    attention_softcap: float | None
    logit_softcap: float | None
    local_base: int = 10_000
    global_base: int = 10_000


@dataclass(frozen=True)
class Model:
    """A row of the table.

    `base_seed` draws every base tensor of a model that has no real weights; None: its weights are read from a folder.
    """

    name: str
    shape: Shape
    defaults: Settings
    base_seed: int | None


TINY = Model(
    name="tiny",
    shape=Shape(
        family=GEMMA2,
        layers=2,
        embed=192,
        hidden=768,
        heads=4,
        key_value_heads=2,
        head=48,
        sliding_window=128,
        attention_softcap=50.0,
        logit_softcap=30.0,
    ),
    defaults=Settings(
        length=768,
        batch=4,
        rows_per_device=4,
        epochs=1,
        template="gemma-think/1",
        precision="float32",
        quantize="none",
        remat="none",
        placement="replicated",
        rank=16,
        alpha=16.0,
        learning_rate=1e-2,
        warmup=4,
        final_rate=0.1,
        clip_norm=1.0,
        weight_decay=0.01,
        first_moment=0.9,
        second_moment=0.95,
        checkpoint_every=10,
        evaluate_every=0,
        sample_every=0,
        held_out="0.05",
        seed=42,
    ),
    base_seed=42,
)

_REAL = replace(
    TINY.defaults,
    length=8192,
    batch=8,
    rows_per_device=1,
    precision="bfloat16",
    remat="projections",  # fits eight v5e chips at this length, with room to spare (README)
    rank=64,
    alpha=64.0,
    learning_rate=2e-4,
    warmup=50,
    checkpoint_every=50,
    evaluate_every=500,
    sample_every=500,
    held_out="0.005",
)
_GEMMA2_2B = Shape(
    family=GEMMA2,
    layers=26,
    embed=2304,
    hidden=9216,
    heads=8,
    key_value_heads=4,
    head=256,
    sliding_window=4096,
    attention_softcap=50.0,
    logit_softcap=30.0,
)
_GEMMA3_270M = Shape(
    family=GEMMA3,
    layers=18,
    embed=640,
    hidden=2048,
    heads=4,
    key_value_heads=1,
    head=256,
    sliding_window=512,
    attention_softcap=None,
    logit_softcap=None,
    global_base=1_000_000,
)
_GEMMA3_1B = replace(_GEMMA3_270M, layers=26, embed=1152, hidden=6912)
_SMALL = replace(_REAL, precision="float32", remat="none", rank=32, alpha=32.0, learning_rate=5e-4)

MODELS = {
    model.name: model
    for model in (
        TINY,
        Model("gemma2-2b", _GEMMA2_2B, _REAL, None),
        Model("gemma2-2b-it", _GEMMA2_2B, _REAL, None),
        Model("gemma3-270m", _GEMMA3_270M, _SMALL, None),
        Model("gemma3-270m-it", _GEMMA3_270M, _SMALL, None),
        Model("gemma3-1b", _GEMMA3_1B, _REAL, None),
        Model("gemma3-1b-it", _GEMMA3_1B, _REAL, None),
    )
}


def model_of(name: str) -> Model:
    """The model called `name`. Raises `ModelError` with the names there are."""
    try:
        return MODELS[name]
    except KeyError:
        raise ModelError(f"model {name!r} is not known; known: {', '.join(MODELS)}") from None
