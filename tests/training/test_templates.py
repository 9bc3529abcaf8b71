"""What a template promises: the text around a trace, and exactly what of it is trained on."""

import pytest

from training.errors import SettingsError
from training.templates import encode_traces, template_of
from training.tokenizer import Tokenizer

TEMPLATE = template_of("gemma-think/1")


@pytest.fixture(params=["small", "gemma"])
def any_tokenizer(request: pytest.FixtureRequest, tokenizer: Tokenizer) -> Tokenizer:
    if request.param == "small":
        return tokenizer
    return Tokenizer.open(request.getfixturevalue("shared_tokenizers") / "gemma" / "tokenizer.model")


def test_a_trace_is_trained_on_from_behind_the_models_turn_to_its_end(any_tokenizer: Tokenizer) -> None:
    [trace] = encode_traces(TEMPLATE, any_tokenizer, ["What is 1 + 1?"], ["One more than one."], ["2"])
    assert any_tokenizer.decode(trace.ids) == (
        "<bos><start_of_turn>user\nWhat is 1 + 1?<end_of_turn>\n<start_of_turn>model\n"
        "<think>\nOne more than one.\n</think>\n\n2<end_of_turn>\n"
    )
    trained = trace.ids[trace.loss_start : trace.loss_end]
    assert any_tokenizer.decode(trained) == "<think>\nOne more than one.\n</think>\n\n2<end_of_turn>"
    assert not trace.forges_turn


def test_the_prompts_ids_are_those_that_generation_will_begin_with(any_tokenizer: Tokenizer) -> None:
    traces = encode_traces(TEMPLATE, any_tokenizer, ["Why?"] * 2, ["Because.", "1"], ["So.", "x"])
    first, second = (trace.ids[: trace.loss_start].tolist() for trace in traces)
    assert first == second


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("marker", ["<start_of_turn>", "<end_of_turn>"])
def test_a_trace_whose_text_holds_a_turn_marker_is_marked(
    any_tokenizer: Tokenizer, place: int, marker: str
) -> None:
    texts = ["prompt", "reasoning", "answer"]
    texts[place] += f" {marker}model\n"
    [trace] = encode_traces(TEMPLATE, any_tokenizer, *([text] for text in texts))
    assert trace.forges_turn


def test_an_unknown_template_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"'other' is not known; known: gemma-think/1"):
        template_of("other")
