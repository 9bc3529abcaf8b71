"""What a template promises: the text around a trace, and exactly what of it is trained on."""

import re
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training.batches.templates import TEMPLATES, Fault, Template, encode_prompts, encode_traces, template_of
from training.batches.tokenizer import Tokenizer
from training.errors import SettingsError

COMPLETIONS = {
    "gemma-think/1": "<think>\n{reasoning}\n</think>\n\n{answer}",
    "gemma-reasoning-answer/1": "<reasoning>\n{reasoning}\n</reasoning>\n<answer>\n{answer}\n</answer>",
}
TEXTS = [
    ("What is 1 + 1?", "One more than one.", "2"),
    ("日本語で 🎈 e\u0301 \u202e", "العربية, עברית, \u200b", "ﬁ Å Ω"),
    ("one\r\ntwo\ttabs   spaces", "a\r\n\r\nb\rc", "\r\n"),
    ("x", "", "y"),
    ("\n\nleading", "\n\n\n", "1\n\n"),
    ("<bos><eos><pad><unk>", "</s> <s> [INST] <start_of_image>", "\x00\x01\x7f"),
]


@pytest.fixture(params=["small", "demo", "tokenizer.model", "tokenizer_gemma3.model"])
def any_tokenizer(request: pytest.FixtureRequest, tokenizer: Tokenizer) -> Tokenizer:
    if request.param == "small":
        return tokenizer
    if request.param == "demo":
        return Tokenizer.demo()
    return Tokenizer.open(request.getfixturevalue("shared_tokenizers") / "gemma" / request.param)


@pytest.fixture(params=TEMPLATES)
def template(request: pytest.FixtureRequest) -> Template:
    return template_of(request.param)


@pytest.mark.parametrize("texts", TEXTS)
def test_a_trace_is_trained_on_from_behind_the_models_turn_to_its_end(
    any_tokenizer: Tokenizer, template: Template, texts: tuple[str, str, str]
) -> None:
    """The line feed behind the end of turn is in the tokens, and not trained on."""
    prompt, reasoning, answer = texts
    [trace] = encode_traces(template, any_tokenizer, [prompt], [reasoning], [answer])
    completion = COMPLETIONS[template.name].format(reasoning=reasoning, answer=answer)
    start, end = trace.loss_start, trace.loss_end
    assert any_tokenizer.decode(trace.ids[:start]) == (
        f"<bos><start_of_turn>user\n{prompt}<end_of_turn>\n<start_of_turn>model\n"
    )
    assert any_tokenizer.decode(trace.ids[start:end]) == f"{completion}<end_of_turn>"
    assert any_tokenizer.decode(trace.ids[end:]) == "\n"
    assert trace.ids.dtype == np.int32


@pytest.mark.parametrize("texts", TEXTS)
def test_each_special_is_one_id_that_stands_once_where_it_belongs(
    any_tokenizer: Tokenizer, template: Template, texts: tuple[str, str, str]
) -> None:
    [trace] = encode_traces(template, any_tokenizer, *([text] for text in texts))
    special = any_tokenizer.special
    expected = [special.bos, special.start_of_turn, special.end_of_turn]
    expected += [special.start_of_turn, special.end_of_turn]
    assert [token for token in trace.ids if token in special.ids] == expected
    assert trace.ids[:2].tolist() == expected[:2]
    assert trace.ids[trace.loss_end - 1] == special.end_of_turn
    assert trace.fault is Fault.NONE


def test_the_prompts_ids_are_those_that_generation_will_begin_with(
    any_tokenizer: Tokenizer, template: Template
) -> None:
    prompts = [prompt for prompt, _, _ in TEXTS]
    columns = ([texts[place] for texts in TEXTS] for place in (1, 2))
    traces = encode_traces(template, any_tokenizer, prompts, *columns)
    for trace, opening in zip(traces, encode_prompts(any_tokenizer, prompts), strict=True):
        assert trace.ids[: trace.loss_start].tolist() == opening.tolist()


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("marker", ["<start_of_turn>", "<end_of_turn>"])
def test_a_trace_whose_text_holds_a_turn_marker_is_marked(
    any_tokenizer: Tokenizer, template: Template, place: int, marker: str
) -> None:
    texts = ["prompt", "reasoning", "answer"]
    texts[place] += f" {marker}model\n"
    [trace] = encode_traces(template, any_tokenizer, *([text] for text in texts))
    assert trace.fault is Fault.FORGED_TURN


@pytest.mark.parametrize("place", [1, 2])
def test_a_trace_whose_reasoning_or_answer_holds_a_tag_of_the_template_is_marked(
    tokenizer: Tokenizer, template: Template, place: int
) -> None:
    """Nested, closed too early, or left there by a recipe: the completion could not be split at its tags again."""
    tags = re.findall(r"</?\w+>", COMPLETIONS[template.name])
    assert len(tags) in {2, 4}
    for tag in tags:
        texts = ["prompt", "reasoning", "answer"]
        texts[place] = f"so {tag} it is"
        [trace] = encode_traces(template, tokenizer, *([text] for text in texts))
        assert trace.fault is Fault.BROKEN_FORMAT


def test_a_tag_in_a_prompt_or_of_another_template_is_text(tokenizer: Tokenizer) -> None:
    think, answer = (template_of(name) for name in COMPLETIONS)
    prompts = ["What is </think> for?", "p"]
    [first, second] = encode_traces(think, tokenizer, prompts, ["r <reasoning>", "r"], ["a", "a </answer>"])
    assert first.fault is second.fault is Fault.NONE
    [third] = encode_traces(answer, tokenizer, ["p"], ["</think>"], ["a"])
    assert third.fault is Fault.NONE


def test_a_forged_turn_is_told_before_a_broken_format(tokenizer: Tokenizer, template: Template) -> None:
    [trace] = encode_traces(template, tokenizer, ["p"], [f"{template.tags[0]}<end_of_turn>"], ["a"])
    assert trace.fault is Fault.FORGED_TURN


def test_a_fault_is_of_its_own_trace_only(tokenizer: Tokenizer, template: Template) -> None:
    reasonings = ["", "<end_of_turn>", "", template.tags[1], ""]
    traces = encode_traces(template, tokenizer, [""] * 5, reasonings, [""] * 5)
    expected = [Fault.NONE, Fault.FORGED_TURN, Fault.NONE, Fault.BROKEN_FORMAT, Fault.NONE]
    assert [trace.fault for trace in traces] == expected


@given(texts=st.lists(st.tuples(st.text(), st.text(), st.text()), min_size=1, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_traces_encoded_together_are_the_same_as_apart(
    tokenizer: Tokenizer, texts: list[tuple[str, str, str]]
) -> None:
    template = template_of("gemma-think/1")
    together = encode_traces(template, tokenizer, *(list(column) for column in zip(*texts, strict=True)))
    for trace, apart in zip(together, texts, strict=True):
        [alone] = encode_traces(template, tokenizer, *([text] for text in apart))
        assert trace.ids.tolist() == alone.ids.tolist()
        assert (trace.loss_start, trace.loss_end, trace.fault) == (
            alone.loss_start,
            alone.loss_end,
            alone.fault,
        )


def test_a_text_of_a_million_characters_takes_seconds(any_tokenizer: Tokenizer, template: Template) -> None:
    started = time.monotonic()
    long = "so 12 + 34 is 46, and " * 50_000
    [trace] = encode_traces(template, any_tokenizer, ["p"], [long], ["a"])
    assert any_tokenizer.decode(trace.ids[trace.loss_start : trace.loss_end]).count("46") == 50_000
    assert time.monotonic() - started < 60


def test_an_unknown_template_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"'other' is not known; known: gemma-think/1, gemma-reasoning"):
        template_of("other")
