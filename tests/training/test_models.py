"""What the table of models says of a name."""

import pytest

from training.errors import ModelError
from training.models import LATER, model_of


def test_tiny_is_there() -> None:
    assert model_of("tiny").defaults.template == "gemma-think/1"


@pytest.mark.parametrize("name", LATER)
def test_a_model_with_real_weights_is_refused_as_not_yet_supported(name: str) -> None:
    with pytest.raises(ModelError, match="not supported yet: models with real weights come next"):
        model_of(name)


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match="'huge' is not known; this version trains tiny"):
        model_of("huge")
