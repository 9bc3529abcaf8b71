"""The models that can be trained, and their defaults. Pure, and free of JAX.

A default that a run does not override is recorded in its `run.json` like one that it does.
"""

from dataclasses import dataclass

from training.errors import ModelError
from training.settings import Settings

LATER = ("gemma2-2b-it", "gemma3-270m", "gemma3-1b-it")


@dataclass(frozen=True)
class Shape:
    """A Gemma-2 decoder: layers alternate local (sliding window) and global attention, the first one local."""

    layers: int
    embed: int
    hidden: int
    heads: int
    key_value_heads: int
    head: int
    sliding_window: int
    attention_softcap: float
    logit_softcap: float


@dataclass(frozen=True)
class Model:
    """A row of the table. `base_seed` draws every base tensor of a model that has no real weights."""

    name: str
    shape: Shape
    defaults: Settings
    base_seed: int


TINY = Model(
    name="tiny",
    shape=Shape(
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
        epochs=1,
        template="gemma-think/1",
        rank=16,
        alpha=16.0,
        learning_rate=1e-2,
        warmup=4,
        checkpoint_every=10,
        evaluate_every=0,
        held_out="0.05",
        seed=42,
    ),
    base_seed=42,
)

MODELS = {model.name: model for model in (TINY,)}


def model_of(name: str) -> Model:
    """The model called `name`. Raises `ModelError` with the names there are."""
    if name in MODELS:
        return MODELS[name]
    if name in LATER:
        raise ModelError(
            f"model {name!r} is not supported yet: models with real weights come next; "
            f"this version trains {', '.join(MODELS)}"
        )
    raise ModelError(f"model {name!r} is not known; this version trains {', '.join(MODELS)}")
