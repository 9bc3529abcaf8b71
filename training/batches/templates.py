r"""How a trace becomes text and tokens, and which of them are trained on.

A template is two texts around the turn specials of Gemma's chat format. The specials are put in as ids, never as text.
Prompt and completion are encoded apart: generation begins after `model\n` on exactly the ids that training saw.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from training.batches.tokenizer import Tokenizer
from training.errors import SettingsError


class Fault(IntEnum):
    """Why a trace, whatever its length, is not trained on.

    FORGED_TURN    its own text encodes to a special: it would read as a turn that nobody took
    BROKEN_FORMAT  its reasoning or answer holds a tag of the template: whoever splits such a completion at the tags
                   gets other parts than the trace's, and a model trained on it learns to write what can't be split
    """

    NONE = 0
    FORGED_TURN = 1
    BROKEN_FORMAT = 2


@dataclass(frozen=True)
class Template:
    r"""A chat template, with `completion` of a trace's reasoning and answer, and the `tags` that stand in it.

    `<bos><start_of_turn>user\n{prompt}<end_of_turn>\n<start_of_turn>model\n{completion}<end_of_turn>\n`
    """

    name: str
    tags: tuple[str, ...]
    completion: Callable[[str, str], str]


def _think(reasoning: str, answer: str) -> str:
    return f"<think>\n{reasoning}\n</think>\n\n{answer}"


def _reasoning_answer(reasoning: str, answer: str) -> str:
    return f"<reasoning>\n{reasoning}\n</reasoning>\n<answer>\n{answer}\n</answer>"


TEMPLATES = {
    template.name: template
    for template in (
        Template("gemma-think/1", ("<think>", "</think>"), _think),
        Template(
            "gemma-reasoning-answer/1",
            ("<reasoning>", "</reasoning>", "<answer>", "</answer>"),
            _reasoning_answer,
        ),
    )
}


def template_of(name: str) -> Template:
    """The template called `name`. Raises `SettingsError` with the names there are."""
    try:
        return TEMPLATES[name]
    except KeyError:
        raise SettingsError(f"template {name!r} is not known; known: {', '.join(TEMPLATES)}") from None


@dataclass(frozen=True)
class EncodedTrace:
    """A trace as ids; `ids[loss_start:loss_end]` is what is trained on: the completion and its end of turn."""

    ids: npt.NDArray[np.int32]
    loss_start: int
    loss_end: int
    fault: Fault


def encode_prompts(tokenizer: Tokenizer, prompts: Sequence[str]) -> list[npt.NDArray[np.int32]]:
    """What training sees before each prompt's completion: the ids that generation begins with."""
    return _openings(tokenizer, _users(tokenizer, prompts))


def encode_traces(
    template: Template,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    reasonings: Sequence[str],
    answers: Sequence[str],
) -> list[EncodedTrace]:
    """Encode traces, given as three columns of one length."""
    users = _users(tokenizer, prompts)
    completions = tokenizer.encode_arrays(list(map(template.completion, reasonings, answers)))
    forged = _hold_special(tokenizer, users) | _hold_special(tokenizer, completions)
    broken = (
        any(tag in text for tag in template.tags for text in texts)
        for texts in zip(reasonings, answers, strict=True)
    )
    [newline] = tokenizer.encode_arrays(["\n"])
    closing = np.concatenate([_ids(tokenizer.special.end_of_turn), newline])
    columns = zip(_openings(tokenizer, users), completions, forged, broken, strict=True)
    return [
        EncodedTrace(
            ids=np.concatenate([opening, completion, closing]),
            loss_start=len(opening),
            loss_end=len(opening) + len(completion) + 1,
            fault=_fault(forged=bool(is_forged), broken=is_broken),
        )
        for opening, completion, is_forged, is_broken in columns
    ]


def _fault(*, forged: bool, broken: bool) -> Fault:
    if forged:
        return Fault.FORGED_TURN
    return Fault.BROKEN_FORMAT if broken else Fault.NONE


def _users(tokenizer: Tokenizer, prompts: Sequence[str]) -> list[npt.NDArray[np.int32]]:
    return tokenizer.encode_arrays([f"user\n{prompt}" for prompt in prompts])


def _openings(tokenizer: Tokenizer, users: Sequence[npt.NDArray[np.int32]]) -> list[npt.NDArray[np.int32]]:
    special = tokenizer.special
    newline, model = tokenizer.encode_arrays(["\n", "model\n"])
    before = _ids(special.bos, special.start_of_turn)
    after = np.concatenate([_ids(special.end_of_turn), newline, _ids(special.start_of_turn), model])
    return [np.concatenate([before, user, after]) for user in users]


def _hold_special(tokenizer: Tokenizer, encoded: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.bool_]:
    """Which of these texts' ids hold a special."""
    ends = np.cumsum([0, *(len(ids) for ids in encoded)])
    special = np.isin(np.concatenate([_ids(), *encoded]), tokenizer.special.ids)
    before = np.concatenate([[0], np.cumsum(special)])
    held: npt.NDArray[np.bool_] = before[ends[1:]] > before[ends[:-1]]
    return held


def _ids(*ids: int) -> npt.NDArray[np.int32]:
    return np.array(ids, dtype=np.int32)
