"""A row of the demo in the layout of its source, whole or with one defect. Pure.

| defect | what is done to the row |
|---|---|
| `null` | a field is null |
| `no-prompt` | the prompt is empty or blank |
| `no-reasoning` | the reasoning is missing with its tags, or blank |
| `no-answer` | the answer is missing, with or without its tags |
| `tag-unclosed` | a closing tag is missing |
| `tag-repeated` | the reasoning stands there twice, tags and all |
| `text-before-reasoning` | a line of text stands before the first tag |
| `invalid-utf8` | a raw byte of Latin-1, as the surrogate that stands for it (`surrogateescape`) |
| `lone-surrogate` | half of a surrogate pair |
| `not-text` | a number where text belongs |
"""

from dataclasses import dataclass, replace

from curation.demo.planting import Row
from curation.demo.templates import Trace

Fields = dict[str, str | int | None]


@dataclass(frozen=True, slots=True)
class _Tags:
    """The fields of a source whose response holds both texts, and the tags around them."""

    prompt: str
    response: str
    reasoning: tuple[str, str]
    answer: tuple[str, str]


_THINK = _Tags("prompt", "response", ("<think>\n", "\n</think>\n\n"), ("", ""))
_TAGGED = {
    "raiden": _THINK,
    "glaive": _THINK,
    "openo1": _Tags(
        "instruction", "output", ("<Thought>\n", "\n</Thought>\n"), ("<Output>\n", "\n</Output>")
    ),
}


def upstream_fields(source: str, row: Row) -> Fields:
    """The fields of an upstream row: names, order and form as the source has them."""
    trace = row.trace
    if row.defect == "invalid-utf8":
        trace = replace(trace, prompt=f"{trace.prompt} (Heard in a caf\udce9.)")
    elif row.defect == "lone-surrogate":
        trace = replace(trace, reasoning=f"{trace.reasoning} \ud800")
    if source in _TAGGED:
        return _tagged(_TAGGED[source], trace, row.defect, row.variant)
    return _separate(trace, row.task, row.defect, row.variant)


def tag_characters(source: str) -> int:
    """The characters of a response that are neither reasoning nor answer; 0 for a source without tags."""
    tags = _TAGGED.get(source)
    return sum(map(len, tags.reasoning + tags.answer)) if tags else 0


def ways(source: str, defect: str) -> int:
    """In how many ways a row of a source can have a defect."""
    if source not in _TAGGED:
        return 2 if defect in ("null", "not-text") else 1
    if defect == "tag-unclosed":
        return 2 if any(_TAGGED[source].answer) else 1
    return 2 if defect in ("null", "no-prompt", "no-reasoning", "no-answer") else 1


def _tagged(tags: _Tags, trace: Trace, defect: str, variant: int) -> Fields:
    reasoning = trace.reasoning.join(tags.reasoning)
    answer = trace.answer.join(tags.answer)
    if not defect:
        return {tags.prompt: trace.prompt, tags.response: reasoning + answer}
    prompts = {("null", 0): None, ("no-prompt", 0): "", ("no-prompt", 1): " \t "}
    responses = {
        ("null", 1): None,
        ("no-reasoning", 0): answer,
        ("no-reasoning", 1): " ".join(tags.reasoning) + answer,
        ("no-answer", 0): reasoning.rstrip(),
        ("no-answer", 1): reasoning + "\n".join(tags.answer),
        ("tag-unclosed", 0): tags.reasoning[0] + trace.reasoning + "\n\n" + answer,
        ("tag-unclosed", 1): reasoning + tags.answer[0] + trace.answer,
        ("tag-repeated", 0): reasoning + reasoning + answer,
        ("text-before-reasoning", 0): "Here is how I would do it.\n" + reasoning + answer,
        ("not-text", 0): 42,
    }
    return {
        tags.prompt: prompts.get((defect, variant), trace.prompt),
        tags.response: responses.get((defect, variant), reasoning + answer),
    }


def _separate(trace: Trace, task: str, defect: str, variant: int) -> Fields:
    fields: Fields = {"source": trace.prompt, "target": trace.answer, "rationale": trace.reasoning}
    if not defect:
        return {**fields, "task": task, "type": "CoT"}
    spoilt: dict[tuple[str, int], Fields] = {
        ("null", 0): {"rationale": None},
        ("null", 1): {"target": None},
        ("no-prompt", 0): {"source": ""},
        ("no-reasoning", 0): {"rationale": "\n"},
        ("no-answer", 0): {"target": ""},
        ("not-text", 0): {"target": 42},
        ("not-text", 1): {"source": 7},
    }
    return {**fields, **spoilt.get((defect, variant), {}), "task": task, "type": "CoT"}
