"""What the check of a reply's format promises: what is trained on keeps it, and every way to break it has its name."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from training.batches.templates import TEMPLATES, Template
from training.replies.reply import Lapse, kept_share, read_reply

THINK, BLOCKS = TEMPLATES["gemma-think/1"], TEMPLATES["gemma-reasoning-answer/1"]
TEXTS = st.text(st.sampled_from("ab <>/think\n\t\u00e9\u4e2d\u200b"), max_size=40) | st.text(max_size=20)
EVERY = st.sampled_from([THINK, BLOCKS])


def without_tags(template: Template, *texts: str) -> None:
    assume(not any(tag in text for tag in template.tags for text in texts))


@given(EVERY, TEXTS, TEXTS)
def test_what_a_template_makes_of_a_trace_keeps_the_format_and_comes_apart_again(
    template: Template, reasoning: str, answer: str
) -> None:
    without_tags(template, reasoning, answer)
    assume(answer.strip())
    text = template.completion(reasoning, answer)
    assume(all(text.count(tag) == 1 for tag in template.tags))  # nor does one arise where two parts meet
    reply = read_reply(template, text, ended=True)
    assert (reply.reasoning, reply.answer, reply.lapse) == (reasoning.strip(), answer.strip(), None)
    assert read_reply(template, text, ended=False).lapse is Lapse.NO_END


@given(EVERY, TEXTS, TEXTS, st.data())
def test_no_beginning_of_a_reply_that_was_cut_off_keeps_the_format(
    template: Template, reasoning: str, answer: str, data: st.DataObject
) -> None:
    text = template.completion(reasoning, answer)
    cut = data.draw(st.integers(0, len(text)))
    assert read_reply(template, text[:cut], ended=False).lapse is not None


@given(EVERY, TEXTS, st.booleans())
def test_any_text_at_all_gets_a_verdict_and_kept_means_one_block_and_an_answer(
    template: Template,
    text: str,
    ended: bool,  # noqa: FBT001 - drawn
) -> None:
    reply = read_reply(template, text, ended=ended)
    if reply.lapse is None:
        assert ended
        assert reply.answer
        assert all(text.count(tag) == 1 for tag in template.tags)
        assert text.strip().startswith(template.tags[0])


@given(EVERY, TEXTS, TEXTS, st.data())
def test_a_tag_more_anywhere_breaks_the_format(
    template: Template, reasoning: str, answer: str, data: st.DataObject
) -> None:
    text = template.completion(reasoning, answer)
    place, tag = data.draw(st.integers(0, len(text))), data.draw(st.sampled_from(template.tags))
    more = text[:place] + tag + text[place:]
    assume(more.count(tag) > 1)
    assert read_reply(template, more, ended=True).lapse is not None


@pytest.mark.parametrize(
    ("template", "text", "lapse"),
    [
        (THINK, "", Lapse.NEVER_OPENED),
        (THINK, "The answer is 2.", Lapse.NEVER_OPENED),
        (THINK, "2</think>3", Lapse.NEVER_OPENED),
        (THINK, "Well: <think>1</think>2", Lapse.TEXT_BEFORE),
        (THINK, "Well: <think>1", Lapse.TEXT_BEFORE),
        (THINK, "<think>\n1 and 1 and 1 and", Lapse.NEVER_CLOSED),
        (THINK, "<think><think>1</think>2", Lapse.TWICE),
        (THINK, "<think>1</think>2<think>3</think>4", Lapse.TWICE),
        (THINK, "<think>1</think>2</think>", Lapse.TWICE),
        (THINK, "<think>1</think>\n\n", Lapse.NO_ANSWER),
        (THINK, "<think></think>2", None),
        (THINK, " <think>1</think>2\n", None),
        (BLOCKS, "<think>1</think>2", Lapse.NEVER_OPENED),
        (BLOCKS, "<reasoning>1<answer>2</answer>", Lapse.NEVER_CLOSED),
        (BLOCKS, "<reasoning>1</reasoning>", Lapse.NO_ANSWER),
        (BLOCKS, "<reasoning>1</reasoning>2", Lapse.OUT_OF_PLACE),
        (BLOCKS, "<reasoning>1</reasoning>so<answer>2</answer>", Lapse.OUT_OF_PLACE),
        (BLOCKS, "<reasoning>1</reasoning><answer>2</answer>!", Lapse.OUT_OF_PLACE),
        (BLOCKS, "<reasoning>1</reasoning><answer> </answer>", Lapse.NO_ANSWER),
        (BLOCKS, "<reasoning>1</reasoning><answer>2", Lapse.ANSWER_NEVER_CLOSED),
        (BLOCKS, "<reasoning>1</reasoning><answer>2<answer>", Lapse.TWICE),
        (BLOCKS, "<reasoning>1<answer></reasoning>\n<answer>2</answer>", Lapse.TWICE),
        (BLOCKS, "<reasoning>1</reasoning>\n<answer>2</answer>", None),
    ],
)
def test_the_first_lapse_in_the_order_of_reading_is_told(
    template: Template, text: str, lapse: Lapse | None
) -> None:
    assert read_reply(template, text, ended=True).lapse is lapse


def test_what_could_be_read_is_given_even_when_the_format_is_broken() -> None:
    reply = read_reply(THINK, "<think>\n1 and", ended=False)
    assert (reply.reasoning, reply.answer) == ("1 and", None)
    reply = read_reply(THINK, "<think>1</think> 2", ended=False)
    assert (reply.reasoning, reply.answer) == ("1", "2")


def test_the_share_counts_the_replies_without_a_lapse() -> None:
    assert kept_share([None, "no answer", None, None]) == 0.75
