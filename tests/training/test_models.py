"""What the table of models says of a name."""

import pytest
from tunix.models.gemma import model as gemma2
from tunix.models.gemma3 import model as gemma3

from training.errors import ModelError
from training.models import MODELS, model_of
from training.network.gemma import model_config

STOCK = {
    "gemma2-2b": gemma2.ModelConfig.gemma2_2b(),
    "gemma2-2b-it": gemma2.ModelConfig.gemma2_2b_it(),
    "gemma3-270m": gemma3.ModelConfig.gemma3_270m(),
    "gemma3-270m-it": gemma3.ModelConfig.gemma3_270m_it(),
    "gemma3-1b": gemma3.ModelConfig.gemma3_1b_pt(),
    "gemma3-1b-it": gemma3.ModelConfig.gemma3_1b_it(),
}


def test_tiny_is_there() -> None:
    assert model_of("tiny").defaults.template == "gemma-think/1"


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match="'huge' is not known; known: tiny, gemma2-2b, gemma2-2b-it"):
        model_of("huge")


@pytest.mark.parametrize("name", STOCK)
def test_the_shapes_are_tunixs_own(name: str) -> None:
    stock = STOCK[name]
    ours = model_config(MODELS[name].shape, stock.num_embed)
    assert type(ours) is type(stock)
    fields = set(ours.__dataclass_fields__) - {"param_dtype", "shd_config"}
    assert len(fields) > 10
    for field in fields:
        assert getattr(ours, field) == getattr(stock, field), field


@pytest.mark.parametrize("name", [name for name in MODELS if name != "tiny"])
def test_a_real_models_rows_are_long_and_its_weights_come_from_a_folder(name: str) -> None:
    model = model_of(name)
    assert (model.defaults.length, model.defaults.batch, model.base_seed) == (8192, 8, None)
