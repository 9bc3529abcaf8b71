import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.recipe import Tags
from curation.traces import Fault, parse, split_response
from manifests.keys import Trace

THINK = Tags()
BOTH = Tags(("<think>", "</think>"), ("<answer>", "</answer>"))
ANSWER = Tags(None, ("<answer>", "</answer>"))
GSM8K = Tags(None, ("####", ""))
OPEN_ENDED = Tags(("<think>", "</think>"), ("<answer>", ""))
WHITESPACE = " \t\n\v\f\r"


@pytest.mark.parametrize(
    ("response", "tags", "expected"),
    [
        # The default: a pair for the reasoning, all that follows is the answer.
        ("<think>Because.</think>Yes.", THINK, ("Because.", "Yes.")),
        ("\n <think>\n Because. \n</think>\n\nYes.\n", THINK, ("Because.", "Yes.")),
        ("<think>a < b</think>c </thin> d", THINK, ("a < b", "c </thin> d")),
        ("Yes.", THINK, Fault.NO_REASONING),
        ("Because.</think>Yes.", THINK, Fault.TAG_UNOPENED),
        ("<think>Because. Yes.", THINK, Fault.TAG_UNCLOSED),
        ("</think>Because.<think>Yes.", THINK, Fault.TAG_UNCLOSED),
        ("</think><think>Because.</think>Yes.", THINK, Fault.TAG_UNCLOSED),
        ("<think>a<think>b</think>c", THINK, Fault.TAG_REPEATED),
        ("<think>a</think>b<think>c", THINK, Fault.TAG_REPEATED),
        ("<think>a</think>b</think>c", THINK, Fault.TAG_REPEATED),
        ("Well: <think>a</think>b", THINK, Fault.TEXT_BEFORE_REASONING),
        ("\u00a0<think>a</think>b", THINK, Fault.TEXT_BEFORE_REASONING),
        ("<think> \n</think>b", THINK, ("", "b")),
        ("<think>a</think> \n", THINK, ("a", "")),
        ("<Think>a</Think>b", THINK, Fault.NO_REASONING),
        # Both pairs.
        ("<think>a</think> <answer>b</answer>", BOTH, ("a", "b")),
        ("<think>a</think>\n\n<answer> b </answer>\n", BOTH, ("a", "b")),
        ("<answer>b</answer>", BOTH, Fault.NO_REASONING),
        ("<think>a</think>b", BOTH, Fault.NO_ANSWER),
        ("<think>a</think>b</answer>", BOTH, Fault.TAG_UNOPENED),
        ("<think>a</think><answer>b", BOTH, Fault.TAG_UNCLOSED),
        ("<think>a</think></answer>b<answer>", BOTH, Fault.TAG_UNCLOSED),
        ("<think>a</think><answer>b</answer><answer>c</answer>", BOTH, Fault.TAG_REPEATED),
        ("<think>a</think>so<answer>b</answer>", BOTH, Fault.TEXT_BEFORE_ANSWER),
        ("<answer>b</answer><think>a</think>", BOTH, Fault.TEXT_BEFORE_REASONING),
        ("<think>a<answer>b</answer></think>", BOTH, Fault.TEXT_BEFORE_ANSWER),
        ("<think>a<answer>b</think></answer>", BOTH, Fault.TEXT_BEFORE_ANSWER),
        ("<think>a</think><answer>b</answer>c", BOTH, Fault.TEXT_AFTER_ANSWER),
        # A pair for the answer only: the reasoning is all that stands before it.
        ("a<answer>b</answer>", ANSWER, ("a", "b")),
        (" a \n<answer> b </answer> ", ANSWER, ("a", "b")),
        ("<answer>b</answer>", ANSWER, ("", "b")),
        ("a", ANSWER, Fault.NO_ANSWER),
        ("a<answer>b</answer>c", ANSWER, Fault.TEXT_AFTER_ANSWER),
        # An end of "" is the end of the text.
        ("2 + 2 = <<2+2=4>>4\n#### 4", GSM8K, ("2 + 2 = <<2+2=4>>4", "4")),
        ("#### 4", GSM8K, ("", "4")),
        ("2 + 2 = 4\n####", GSM8K, ("2 + 2 = 4", "")),
        ("2 + 2 = 4", GSM8K, Fault.NO_ANSWER),
        ("a #### 4 #### 5", GSM8K, Fault.TAG_REPEATED),
        ("a ##### 4", GSM8K, ("a", "# 4")),
        ("<think>a</think><answer>b", OPEN_ENDED, ("a", "b")),
        ("<think>a</think>so<answer>b", OPEN_ENDED, Fault.TEXT_BEFORE_ANSWER),
        ("<think>a</think>b", OPEN_ENDED, Fault.NO_ANSWER),
        ("<think>a<answer>b</think>", OPEN_ENDED, Fault.TEXT_BEFORE_ANSWER),
        # Of several faults the first in this order: the reasoning's tags, the answer's tags, text outside them.
        ("x<think>a<answer>b", BOTH, Fault.TAG_UNCLOSED),
        ("x</think><answer>b", BOTH, Fault.TAG_UNOPENED),
        ("x<think>a</think><think>y</answer>", BOTH, Fault.TAG_REPEATED),
        ("x<think>a</think>y</answer>", BOTH, Fault.TAG_UNOPENED),
        ("x<think>a</think>y<answer>b</answer>z", BOTH, Fault.TEXT_BEFORE_REASONING),
        ("<think>a</think>y<answer>b</answer>z", BOTH, Fault.TEXT_BEFORE_ANSWER),
        ("</think></think>", THINK, Fault.TAG_UNOPENED),
        ("<think><think>", THINK, Fault.TAG_UNCLOSED),
        ("</think><think><think></think>", THINK, Fault.TAG_UNCLOSED),
    ],
)
def test_a_response_is_split_by_its_tags_or_leaves_with_its_reason(
    response: str, tags: Tags, expected: tuple[str, str] | Fault
) -> None:
    assert split_response(response, tags) == expected


@pytest.mark.parametrize(
    ("raw", "tags", "expected"),
    [
        (("Why?", "<think>Because.</think>Yes."), THINK, Trace("Why?", "Because.", "Yes.")),
        (("Why?", "Because.", "Yes."), None, Trace("Why?", "Because.", "Yes.")),
        (("Why?", "<think>Because.</think>", "Yes."), None, Trace("Why?", "<think>Because.</think>", "Yes.")),
        ((" Why?\n", "\tBecause.\v", "\fYes.\r"), None, Trace("Why?", "Because.", "Yes.")),
        (
            ("\u00a0Why?\u2003", "\x1cBecause.\x85", "\u200bYes."),
            None,
            Trace("\u00a0Why?\u2003", "\x1cBecause.\x85", "\u200bYes."),
        ),
        (("e\u0301\r\n\r\né", "\ufb01", "Å"), None, Trace("e\u0301\r\n\r\né", "\ufb01", "Å")),
        ((" ", "<think>Because.</think>Yes."), THINK, Fault.NO_PROMPT),
        (("Why?", "<think>\n</think>Yes."), THINK, Fault.NO_REASONING),
        (("Why?", "<think>Because.</think>\n"), THINK, Fault.NO_ANSWER),
        (("Why?", "<think></think>"), THINK, Fault.NO_REASONING),
        (("Why?", "#### 4"), GSM8K, Fault.NO_REASONING),
        (("Why?", "Because. ####"), GSM8K, Fault.NO_ANSWER),
        (("Why?", " ", "Yes."), None, Fault.NO_REASONING),
        (("Why?", "Because.", "\n"), None, Fault.NO_ANSWER),
        (("Why?", "", ""), None, Fault.NO_REASONING),
        (("", "", ""), None, Fault.NO_PROMPT),
        # Fields, then cells column after column, then the prompt, then the response.
        (Fault.TOO_FEW_FIELDS, THINK, Fault.TOO_FEW_FIELDS),
        (Fault.INVALID_UTF8, None, Fault.INVALID_UTF8),
        ((Fault.NULL, Fault.NOT_TEXT), THINK, Fault.NULL),
        (("", Fault.NOT_TEXT), THINK, Fault.NOT_TEXT),
        (("Why?", Fault.INVALID_UTF8, Fault.NULL), None, Fault.INVALID_UTF8),
        (("", "", Fault.LONE_SURROGATE), None, Fault.LONE_SURROGATE),
        (("", "Yes."), THINK, Fault.NO_PROMPT),
        (("Why?", "x<think></think>"), THINK, Fault.TEXT_BEFORE_REASONING),
    ],
)
def test_a_raw_row_becomes_a_trace_or_leaves_with_the_first_reason_that_holds(
    raw: tuple[str | Fault, ...] | Fault, tags: Tags | None, expected: Trace | Fault
) -> None:
    assert parse(raw, tags) == expected


SPACE = st.text(alphabet=WHITESPACE, max_size=3)
PLAIN = st.text(max_size=20).filter(lambda text: not any(sign in text for sign in ("<", "####")))


@given(parts=st.tuples(PLAIN, PLAIN, PLAIN), spaces=st.tuples(*[SPACE] * 5))
def test_a_trace_written_with_its_tags_is_read_back_without_the_space_at_its_ends(
    parts: tuple[str, str, str], spaces: tuple[str, ...]
) -> None:
    prompt, reasoning, answer = parts
    a, b, c, d, e = spaces
    expected: Trace | Fault = Trace(*(part.strip(WHITESPACE) for part in parts))
    for name, fault in (
        ("answer", Fault.NO_ANSWER),
        ("reasoning", Fault.NO_REASONING),
        ("prompt", Fault.NO_PROMPT),
    ):
        if not getattr(Trace(*(part.strip(WHITESPACE) for part in parts)), name):
            expected = fault
    written = {
        THINK: f"{a}<think>{b}{reasoning}{c}</think>{d}{answer}{e}",
        BOTH: f"{a}<think>{reasoning}{b}</think>{c}<answer>{d}{answer}</answer>{e}",
        ANSWER: f"{a}{reasoning}{b}<answer>{c}{answer}{d}</answer>{e}",
        GSM8K: f"{a}{reasoning}{b}####{c}{answer}{d}",
        OPEN_ENDED: f"<think>{reasoning}</think>{a}<answer>{b}{answer}{c}",
    }
    for tags, response in written.items():
        assert parse((f"{a}{prompt}{e}", response), tags) == expected
    assert parse((prompt, f"{a}{reasoning}{b}", answer), None) == expected


PIECES = st.sampled_from(["<think>", "</think>", "<answer>", "</answer>", "####", " ", "\n", "x"])


@given(
    response=st.lists(PIECES, max_size=9).map("".join),
    tags=st.sampled_from([THINK, BOTH, ANSWER, GSM8K, OPEN_ENDED]),
)
def test_whatever_the_tags_a_response_is_split_as_the_specification_says(response: str, tags: Tags) -> None:
    assert split_response(response, tags) == _as_specified(response, tags)


def _as_specified(response: str, tags: Tags) -> tuple[str, str] | Fault:
    """FORMAT.md, section 4, `parse`, sentence by sentence."""
    for pair, absent in ((tags.reasoning, Fault.NO_REASONING), (tags.answer, Fault.NO_ANSWER)):
        if pair is not None and (fault := _fault_of_pair(response, *pair, absent)):
            return fault
    rest, reasoning = response, None
    if tags.reasoning:
        before, _, rest = response.partition(tags.reasoning[0])
        if before.strip(WHITESPACE):
            return Fault.TEXT_BEFORE_REASONING
        reasoning, _, rest = rest.partition(tags.reasoning[1])
    if not tags.answer:
        return (reasoning or "").strip(WHITESPACE), rest.strip(WHITESPACE)
    between, found, rest = rest.partition(tags.answer[0])
    if reasoning is not None and (not found or between.strip(WHITESPACE)):
        return Fault.TEXT_BEFORE_ANSWER
    answer, _, after = rest.partition(tags.answer[1]) if tags.answer[1] else (rest, "", "")
    if after.strip(WHITESPACE):
        return Fault.TEXT_AFTER_ANSWER
    return (between if reasoning is None else reasoning).strip(WHITESPACE), answer.strip(WHITESPACE)


def _fault_of_pair(response: str, start: str, end: str, absent: Fault) -> Fault | None:
    started, ended = start in response, end != "" and end in response
    if not started:
        return Fault.TAG_UNOPENED if ended else absent
    if end and (not ended or response.index(end) < response.index(start)):
        return Fault.TAG_UNCLOSED
    if response.count(start) > 1 or (end and response.count(end) > 1):
        return Fault.TAG_REPEATED
    return None
